"""A raw folder that strangers filled: everything bad is accounted for, everything good arrives."""

import gzip
import json
import os
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table
from dagster_project.instance import open_instance
from tests.conftest import WORDS
from tests.integration.processes import climb

LONG_LINE = 200 * 2**20
MOST_MEMORY = 1.8 * 2**30  # libraries and models were seen to take 1.6
HOSTILE = ("a'; drop table--.jsonl", "..x", "up..and-away.jsonl", "two\nlines.jsonl", 'say "hi".txt', "$(reboot).jsonl")

REASONS = {  # file in the poison shard: (record, reason)
    "dangling.jsonl": [(-1, "unreadable_file")],
    "pipe.jsonl": [(-1, "unreadable_file")],
    "empty.jsonl": [(-1, "empty_file")],
    "picture.png": [(-1, "unknown_kind")],
    "latin.jsonl": [(2, "bad_utf8")],
    "long.jsonl": [(2, "record_too_long")],
    "mess.jsonl": [(1, "bad_json"), (2, "not_an_object"), (3, "no_text")],
    "cut.jsonl.gz": [(-1, "truncated")],
    "cut.jsonl.zst": [(-1, "truncated")],
    "noise.jsonl.gz": [(-1, "corrupt")],
    "other.parquet": [(-1, "wrong_columns")],
    "noise.parquet": [(-1, "corrupt")],
}


def good(name: str, count: int = 1) -> bytes:
    """Return good records; words of the first source, so that they belong to some cluster."""
    records = [{"text": " ".join(WORDS["first"]) + f" {name} {number}.", "source": "first"} for number in range(count)]
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def poison(raw: Path) -> None:
    """Fill the raw folder with one shard of bad files and with entries whose names are an attack."""
    for name in HOSTILE:
        (raw / name).write_bytes(good(name))
    shard = raw / "poison"
    shard.mkdir()
    (shard / "dangling.jsonl").symlink_to(shard / "nowhere")
    os.mkfifo(shard / "pipe.jsonl")
    (shard / "empty.jsonl").touch()
    (shard / "picture.png").write_bytes(b"\x89PNG")
    (shard / "latin.jsonl").write_bytes(good("latin") + '{"text": "caf\u00e9"}\n'.encode("latin-1") + good("after"))
    with (shard / "long.jsonl").open("wb") as stream:  # sparse: the line is a hole in the file
        stream.write(good("long") + b'{"text": "')
        stream.seek(LONG_LINE, os.SEEK_CUR)
        stream.write(b'"}\n' + good("behind"))
    (shard / "mess.jsonl").write_bytes(b'{"text": \n[1, 2]\n{"body": "text"}\n' + good("mess"))
    noise = np.random.default_rng(0).bytes(50_000)
    packed = {".gz": gzip.compress(noise.hex().encode()), ".zst": zstandard.compress(noise.hex().encode())}
    for packing, data in packed.items():
        (shard / f"cut.jsonl{packing}").write_bytes(data[: len(data) // 2])
    (shard / "noise.jsonl.gz").write_bytes(noise)
    (shard / "noise.parquet").write_bytes(noise)
    pq.write_table(pa.table({"body": ["text"], "number": [1]}), shard / "other.parquet")
    (shard / "x'); drop table documents; --.jsonl").write_bytes(good("quoted"))
    (shard / "new\nline.jsonl").write_bytes(good("newline"))


@pytest.fixture
def poisoned(project: Path) -> Path:
    """Return the project with the three good shards and everything bad beside them."""
    poison(project / "data_lake" / "raw")
    return project


@pytest.mark.slow
def test_bad_input_is_accounted_for_and_good_input_arrives(poisoned: Path) -> None:
    started = climb(poisoned, "up", "--to", "cluster_assignments")
    try:
        _, status, usage = os.wait4(started.process.pid, 0)
        started.process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        started.end_family()
    assert started.process.returncode == 0, started.log.read_text()
    assert usage.ru_maxrss * 1024 < MOST_MEMORY, f"{usage.ru_maxrss / 2**20:.2f} GiB at the peak"
    lake = LocalStore(poisoned / "data_lake")
    _assert_accounts_add_up(lake)
    _assert_good_shards_whole(lake)
    _assert_reasons(lake)
    _assert_hostile_names_rejected(poisoned, lake)


def _assert_accounts_add_up(lake: LocalStore) -> None:
    accounts = [row for shard in lake.all_of("corpus_shards") for row in shard_table(shard, "accounts")]
    for row in accounts:
        parts = ("kept", "filtered_short", "filtered_duplicate", "quarantined")
        assert sum(row[part] for part in parts) == row["read"] > 0, row
    files = {path.name for path in (lake.root / "raw" / "poison").iterdir()}
    assert {Path(row["file"]).name for row in accounts if row["file"].startswith("poison/")} == files


def _assert_good_shards_whole(lake: LocalStore) -> None:
    for source in WORDS:
        shard = lake.get("corpus_shards", f"{source}.jsonl")
        written = (lake.root / "raw" / f"{source}.jsonl").read_text().splitlines()
        kept = [row["text"] for row in shard_table(shard, "documents")]
        assert kept == [json.loads(line)["text"] for line in written]
        assert shard_table(shard, "quarantine") == []
    kept = {row["text"].split()[-2] for row in shard_table(lake.get("corpus_shards", "poison"), "documents")}
    assert kept == {"latin", "after", "long", "behind", "mess", "quoted", "newline"}


def _assert_reasons(lake: LocalStore) -> None:
    quarantine = shard_table(lake.get("corpus_shards", "poison"), "quarantine")
    found: dict[str, list] = {}
    for row in quarantine:
        assert row["detail"]
        if row["reason"] != "bad_json" or Path(row["file"]).name == "mess.jsonl":  # what a cut file still gave
            found.setdefault(Path(row["file"]).name, []).append((row["record"], row["reason"]))
    assert found == REASONS


def _assert_hostile_names_rejected(project: Path, lake: LocalStore) -> None:
    shards = sorted([*(f"{source}.jsonl" for source in WORDS), "poison"])
    for spec in SPECS:
        if spec.dimension == "shard":
            assert lake.partitions(spec.asset) == shards
    config = load_config(project / "climb.yaml")
    assert list(Materializer(config).listing().shards) == shards
    with open_instance(config.lake) as instance:
        assert sorted(instance.get_dynamic_partitions("shard")) == shards
        event = instance.get_latest_materialization_event(dg.AssetKey("corpus_manifest"))
        assert event is not None and event.asset_materialization is not None
        rejected = event.asset_materialization.metadata["rejected_names"].value
    visible = {name for name in HOSTILE if not name.startswith(".")}  # hidden entries are no corpus
    assert len(rejected) == len(visible)
    for name in visible:
        assert any(entry.startswith(f"{name}: rename it") for entry in rejected)


def shard_table(shard, name: str) -> list[dict]:
    """Return the rows of one table of a shard."""
    return read_table(shard.file(f"{name}.parquet")).to_pylist()

"""Raw files: whatever lies in a shard is listed, hashed and ingested, and each file and record is accounted for."""

import os
from collections import Counter
from pathlib import Path

from numpy.random import Generator

from climb_assets.config import Corpus
from climb_assets.corpus.ingest import ingest_shard
from climb_assets.corpus.raw_files import (
    ShardDigest,
    digest_shard,
    is_data,
    list_shards,
    read_digest,
    write_digest,
)
from climb_assets.corpus.raw_folder import RawFolder, stamp_shards
from climb_assets.corpus.records import WHOLE_FILE
from climb_assets.tables import read_table
from tests.fuzz.case import require_one_line
from tests.fuzz.hostile import chance, pick
from tests.fuzz.raw_contents import make_content

NAMES = (
    *(b"plain", b"two words", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b[2J", b"\xe2\x80\xaetxt", b"new\nline", b"e\xcc\x81"),
    *(b"'; DROP", b"%s{0}", b"*?[a]", b"-rf", b"~", b"$HOME", b"a\\b", b"CON", b"x" * 200, b"a/b/c/d", b"lang=en/part"),
    *(b"_temporary/0/part", b"_SUCCESS", b".hidden", b"..data", b"a.crc"),
)


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Fill a raw folder and ingest its shards; return where the records went."""
    raw = folder / "raw"
    settings = _settings(random, raw)
    records = _fill(random, raw)
    listing = list_shards(raw, settings.link_roots)
    stamp_shards(raw, listing, settings.link_roots)
    counts = Counter(accepted=1)
    for shard in listing.shards:
        out = folder / "out" / shard
        out.mkdir(parents=True)
        digest = digest_shard(raw, shard, None, settings.link_roots)
        write_digest(digest, out)
        assert read_digest(out / "files.json") == digest
        assert len(digest.files) == _count_files(raw / shard), "a file is unaccounted for"
        facts = ingest_shard(RawFolder(settings), shard, digest, settings, out)
        counts += _check_accounts(out, facts, digest, records)
    return counts


def _settings(random: Generator, raw: Path) -> Corpus:
    return Corpus(
        raw=raw,
        text_files=pick(random, ("whole", "form_feed", "blank_lines", "length")),
        text_characters=100,
        min_characters=pick(random, (1, 40)),
        max_record_bytes=pick(random, (1024, 2**20)),
        max_rows=pick(random, (1, 100_000)),
        max_values=pick(random, (5, 1_000_000)),
        max_nesting=pick(random, (2, 100)),
        max_expansion=pick(random, (1, 1000)),
    )


def _fill(random: Generator, raw: Path) -> dict[str, int | None]:
    """Write one to three entries; return the number of records by the path under the raw folder."""
    (raw / "shard").mkdir(parents=True)
    records: dict[str, int | None] = {}
    for _ in range(int(random.integers(1, 4))):
        content, name = make_content(random), pick(random, NAMES) if chance(random, 0.5) else b"plain"
        path = raw / pick(random, ("shard", "shard", ".")) / os.fsdecode(name + content.suffix.encode())
        path.parent.mkdir(parents=True, exist_ok=True)
        if chance(random, 0.1):
            _place_oddity(random, path)
        elif not os.path.lexists(path):
            path.write_bytes(content.data)
            records[os.fsencode(path.relative_to(raw)).decode("utf-8", "backslashreplace")] = content.records
    return records


def _place_oddity(random: Generator, path: Path) -> None:
    """Put something in the place of a file that is none, or a link."""
    if os.path.lexists(path):
        return
    kind = int(random.integers(6))
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    else:
        path.symlink_to(("/etc/hostname", "nothing", path.name, ".")[kind - 2])


def _count_files(root: Path) -> int:
    """Return the number of entries at and below a path that are data and no folders; links count as they are."""
    if root.is_symlink() or not root.is_dir():
        return 1
    return sum(_count_files(Path(entry.path)) for entry in os.scandir(root) if is_data(entry.name))


def _check_accounts(out: Path, facts: dict, digest: ShardDigest, records: dict[str, int | None]) -> Counter[str]:
    """Check that every file and every record is accounted for; return where the records went."""
    accounts = {row["file"]: row for row in read_table(out / "accounts.parquet").to_pylist()}
    documents = Counter(read_table(out / "documents.parquet")["file"].to_pylist())
    faults = read_table(out / "quarantine.parquet").to_pylist()
    for fault in faults:
        require_one_line(fault["detail"])
    quarantined = Counter(fault["file"] for fault in faults)
    broken_off = {fault["file"] for fault in faults if fault["record"] == WHOLE_FILE}
    assert sorted(accounts) == sorted(file.path for file in digest.files)
    for file, account in accounts.items():
        filtered = account["filtered_short"] + account["filtered_duplicate"]
        assert account["read"] == account["kept"] + filtered + account["quarantined"] > 0, account
        assert (account["kept"], account["quarantined"]) == (documents[file], quarantined[file]), account
        expected = records.get(file)
        assert expected is None or file in broken_off or account["read"] == expected, (account, expected)
    total = {name: sum(account[name] for account in accounts.values()) for name in ("read", "kept", "quarantined")}
    assert all(facts[name] == number for name, number in total.items()), facts
    return Counter(total) + Counter(filtered=total["read"] - total["kept"] - total["quarantined"])

"""Seconds of a refresh, from changed raw files to the finished data set, against the whole run.

The documents, the encoder and the tasks are those of a lake that `climb demo-corpus` has filled, laid out anew in
shards of about equal size. Twice 1 % of the documents are held back. One `climb up` makes everything; then some come as
a shard of their own, others as lines of a shard that is there, the shard goes again, and it comes back. Each step is
one `climb up`, which does what the nightly refresh does. The peer is the whole run.
"""

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from climb_assets.config_file import load_config
from climb_assets.store.artifacts import Artifact
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table

NAME = "a refresh of one document in a hundred against the whole run"
OBJECTIVE = "general"
MIXTURE_TOKENS = 10_000_000  # a quarter of what the demo's whole corpus holds
APART = 100  # one document in so many comes as a shard of its own, and another one as lines


def read_lines(raw: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each record of the demo's raw files with the name of its file."""
    import zstandard

    for path in sorted(raw.glob("*.jsonl.zst")):
        with path.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as plain:
            yield from ((path.name.partition(".")[0], line) for line in io.BufferedReader(plain))


def lay_out(lake: Path, raw: Path, shards: int) -> tuple[list[bytes], list[bytes]]:
    """Write about so many shards, and return the records that come later: as a shard, and as lines of one."""
    apart: tuple[list[bytes], list[bytes]] = ([], [])
    kept: dict[str, list[bytes]] = {}
    for name, line in read_lines(lake / "raw"):
        number = int.from_bytes(hashlib.blake2b(line, digest_size=4).digest(), "big") % APART
        (apart[number] if number < len(apart) else kept.setdefault(name, [])).append(line)
    raw.mkdir(parents=True)
    size = sum(len(line) for lines in kept.values() for line in lines) / shards
    for name, lines in kept.items():
        pieces = max(1, round(sum(map(len, lines)) / size))
        for piece in range(pieces):
            (raw / f"{name}-{piece:02d}.jsonl").write_bytes(b"".join(lines[piece::pieces]))
    return apart


class Project:
    """A project in a folder of its own, and what each of its updates did."""

    def __init__(self, folder: Path, lake: Path, profile: str, mixture_tokens: int | None = None) -> None:
        self.config, self.lake = folder / "climb.yaml", folder / "data_lake"
        self.raw = self.lake / "raw"
        self.lake.mkdir(parents=True)
        for name in ("models", "tasks"):
            (self.lake / name).symlink_to((lake / name).resolve())
        settings = {
            "profile": profile,
            "lake": "data_lake",
            "runtime": {"confirm_hours": 1000},
        }
        if mixture_tokens is not None:
            settings["mixture"] = {"tokens": mixture_tokens}
        self.config.write_text(yaml.safe_dump(settings), encoding="utf-8")

    def command(self, *arguments: str) -> str:
        """Return what a command of `climb` prints.

        Raises
        ------
        RuntimeError
            It failed.
        """
        command = [sys.executable, "-m", "dagster_project.cli", "--config", str(self.config), *arguments]
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if outcome.returncode:
            raise RuntimeError(outcome.stderr[-2000:])
        return outcome.stdout

    def update(self) -> dict[str, Any]:
        """Run `climb up` and return what it cost, of the clock and of processors, and what it changed."""
        before, used = self.state(), _processor_seconds()
        started = time.perf_counter()
        self.command("up", "--yes")
        seconds = time.perf_counter() - started
        cost = {"seconds": round(seconds, 1), "processor_seconds": round(_processor_seconds() - used, 1)}
        step = cost | self.differences(before)
        print({name: value for name, value in step.items() if name != "references"}, file=sys.stderr, flush=True)
        return step

    def differences(self, before: dict[str, Any]) -> dict[str, Any]:
        """Return what was made since a state was taken."""
        after = self.state()
        old = {made.path for made in before["embeddings"]}
        rows, parts = after["rows"], after["parts"]
        return {
            "tokens_embedded": sum(
                int(made.run["tokens_embedded"]) for made in after["embeddings"] if made.path not in old
            ),
            "models_trained": len(after["models"] - before["models"]),
            "rows": len(rows),
            "rows_changed": len(rows ^ before["rows"]),
            "parts": len(parts),
            "parts_changed": len(parts - before["parts"]),
            "references": after["references"],
        }

    def state(self) -> dict[str, Any]:
        """Return what there is of the lake."""
        store = LocalStore(load_config(self.config).lake)
        mixed = store.current("mixed_corpus", OBJECTIVE)
        files = mixed.manifest["files"] if mixed is not None else {}
        return {
            "embeddings": list(store.all_of("embeddings")),
            "models": {model.fingerprint for model in store.all_of("proxy_models")},
            "rows": _rows(mixed) if mixed is not None else set(),
            "parts": {(name, record["sha256"]) for name, record in files.items() if name.startswith("part-")},
            "references": _references(self.lake / "refs"),
        }


def _processor_seconds() -> float:
    """Return the seconds that the processes which this one has waited for had of the processors, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _rows(mixed: Artifact) -> set[tuple[str, str, int]]:
    """Return each row of a data set with the file in which it lies."""
    names = [name for name in mixed.manifest["files"] if name.startswith("part-")]
    tables = {name: read_table(mixed.file(name), ["id", "epoch"]).to_pylist() for name in names}
    return {(name, row["id"], row["epoch"]) for name, rows in tables.items() for row in rows}


def _references(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(lake: Path, folder: Path, shards: int, profile: str) -> dict[str, Any]:
    """Make everything once, then change one document in a hundred in four ways.

    Raises
    ------
    RuntimeError
        An update failed, or what came back is not what it was.
    """
    project = Project(folder, lake, profile, MIXTURE_TOKENS)
    apart, lines = lay_out(lake, project.raw, shards)
    came = project.raw / "came.jsonl"
    target = min(project.raw.iterdir())
    steps = {"whole run": project.update()}
    came.write_bytes(b"".join(apart))
    steps["1 % as a shard"] = project.update()
    target.write_bytes(target.read_bytes() + b"".join(lines))
    steps["1 % as lines of a shard"] = project.update()
    came.unlink()
    steps["1 % taken out"] = project.update()
    came.write_bytes(b"".join(apart))
    steps["the same brought back"] = project.update()
    if steps["the same brought back"]["references"] != steps["1 % as lines of a shard"]["references"]:
        raise RuntimeError("a shard that went and came back is not what it was")
    told = {name: {key: value for key, value in step.items() if key != "references"} for name, step in steps.items()}
    slowest = max(step["seconds"] for name, step in told.items() if name != "whole run")
    told |= {"shards": shards, "megabytes": round(_size(project.raw) / 1e6, 1)}
    return compare(NAME, slowest, told["whole run"]["seconds"], told)


def compare(name: str, seconds: float, whole: float, details: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a benchmark whose peer is the whole run."""
    ratio = round(whole / seconds, 2)
    return {"name": name, "ours": seconds, "peer": whole, "ratio": ratio, "unit": "s", "details": details}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def measure(measured: Callable[[Path, Path, int, str], dict[str, Any]], description: str | None) -> None:
    """Read the command line, measure, print.

    Parameters
    ----------
    measured
        Given the lake, the folder of the project, the number of shards and the profile.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, default=Path("data_lake/demo"), help="filled by `climb demo-corpus`")
    parser.add_argument("--folder", type=Path, help="where the project is made and kept; default: a folder that goes")
    parser.add_argument("--shards", type=int, default=64)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch) / "project"
        result = measured(arguments.lake, folder, arguments.shards, arguments.profile)
    if arguments.json:
        print(json.dumps(result))
        return
    for name, detail in result["details"].items():
        print(f"{name}: {detail}")
    print(f"{result['name']}: {result['ratio']:.1f} times as fast")


if __name__ == "__main__":
    measure(run, __doc__)

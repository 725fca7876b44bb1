"""Seconds from raw shards to the manifest: all cores against one.

The corpus, the encoder and the tasks are those of a lake that `climb demo-corpus` has filled. Each run begins with an
empty lake of its own and is a process of its own, started as a user would; the two take turns and medians are compared.
The peer is the same program with one worker of one thread.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from climb_assets.config_file import load_config
from climb_assets.store.local import LocalStore

NAME = "raw shards to manifest on all cores against one"
ONE = {"workers": 1, "threads": 1}


def bring_up(lake: Path, runtime: dict[str, Any]) -> tuple[float, int, str]:
    """Return the seconds of `climb up --to corpus_manifest` in an empty lake, the shards, the manifest's version."""
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "data_lake" / "demo"
        for name in ("raw", "models", "tasks"):
            shutil.copytree(lake / name, own / name)
        (Path(folder) / "climb.yaml").write_text(
            yaml.safe_dump({"profile": "demo", "runtime": runtime}), encoding="utf-8"
        )
        command = [sys.executable, "-m", "dagster_project.cli", "--config", f"{folder}/climb.yaml"]
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        started = time.perf_counter()
        subprocess.run([*command, "up", "--to", "corpus_manifest"], env=environment, check=True, capture_output=True)
        seconds = time.perf_counter() - started
        manifest = LocalStore(load_config(Path(folder) / "climb.yaml").lake).get("corpus_manifest")
        return seconds, int(manifest.summary["shards"]), manifest.data_version


def run(lake: Path, repeats: int) -> dict[str, Any]:
    """Measure, the two in turn.

    Raises
    ------
    RuntimeError
        The results differ: the number of workers would decide what is computed.
    """
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    versions: set[str] = set()
    shards = 0
    for _ in range(repeats):
        for name, runtime in (("ours", {}), ("peer", ONE)):
            seconds, shards, found = bring_up(lake, runtime)
            times[name].append(seconds)
            versions.add(found)
    if len(versions) != 1:
        raise RuntimeError("the manifests differ")
    ours, peer = statistics.median(times["ours"]), statistics.median(times["peer"])
    details = {"shards": shards, "cores": os.cpu_count(), "seconds": times}
    return {
        "name": NAME,
        "ours": round(ours, 1),
        "peer": round(peer, 1),
        "ratio": round(peer / ours, 2),
        "unit": "s",
        "details": details,
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--lake", type=Path, default=Path("data_lake/demo"), help="a lake with raw/, models/ and tasks/"
    )
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    found = run(arguments.lake, arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()

"""What `climb verify` takes against `sha256sum` over the same bytes, and what reading the ledger takes.

Prints a line each, in seconds of processor time: wall time means little on a machine that others use.

    python benchmarks/verifying.py FOLDER --gigabytes 2
"""

import argparse
import resource
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from climb_assets.audit.verification import verify_lake
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.ledger.chain import Ledger
from climb_assets.store.ledger.records import holding, pointing
from climb_assets.store.local import LocalStore

FILE = 2**28  # bytes
ARTEFACTS = 10_000  # in the ledger whose reading is measured: a thousand shards


def processor_seconds(work: Callable[[], object], who: int = resource.RUSAGE_SELF) -> float:
    """Return the processor time of some work, by this process or by its children."""
    before = resource.getrusage(who)
    work()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_file(draft: Draft, seed: int) -> None:
    """Write one file of noise."""
    (draft.path / "model.safetensors").write_bytes(np.random.default_rng(seed).bytes(FILE))


def make_lake(folder: Path, files: int) -> Materializer:
    """Return the materializer of a lake that holds models of noise, and one raw shard."""
    (folder / "data_lake" / "raw").mkdir(parents=True)
    (folder / "data_lake" / "raw" / "shard.txt").write_text("text", encoding="utf-8")
    (folder / "climb.yaml").write_text("profile: smoke\nlake: data_lake\n", encoding="utf-8")
    climb = Materializer(load_config(folder / "climb.yaml"))
    for seed in range(files):
        climb.store.put(Order("proxy_models", None, {}, {"seed": seed}, {}), partial(write_file, seed=seed))
    return climb


def compare_hashing(folder: Path, gigabytes: float) -> None:
    """Print what verifying takes, and sha256sum."""
    climb = make_lake(folder, max(1, round(gigabytes * 1e9 / FILE)))
    models = sorted(str(path) for path in climb.config.lake.glob("artifacts/*/*/*/model.safetensors"))
    size = len(models) * FILE / 1e9
    found: list[tuple[str, ...]] = []
    ours = processor_seconds(lambda: found.append(verify_lake(climb).differences))
    theirs = processor_seconds(
        lambda: subprocess.run(["sha256sum", *models], stdout=subprocess.DEVNULL, check=True), resource.RUSAGE_CHILDREN
    )
    print(f"{size:.2f} GB, differences {len(found[0])}")
    print(f"climb verify {ours:.2f} s, {size / ours:.2f} GB/s")
    print(f"sha256sum    {theirs:.2f} s, {size / theirs:.2f} GB/s")


def measure_ledger(folder: Path) -> None:
    """Print what reading a ledger takes, once a process."""
    store = LocalStore(folder / "ledger_alone")
    records = []
    for number in range(ARTEFACTS):
        key = ("tokenized_shards", f"shard-{number}", f"{number:032x}")
        files = {f"{name}.parquet": {"sha256": f"{number:064x}"} for name in "abc"}
        manifest = {"data_version": f"{number:032x}", "inputs": {"tokenizer": "0" * 32}, "files": files}
        records += [holding("made", key, manifest, f"{number:064x}", f"{number:064x}"), pointing(key[:2], key[2], None)]
    store.record(records)
    lines = list(store.keeper.lines())
    size = sum(map(len, lines)) / 1e6
    seconds = processor_seconds(lambda: Ledger().extend(lines))
    print(f"ledger of {len(lines)} entries, {size:.1f} MB: {seconds:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="An empty folder.")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    arguments = parser.parse_args()
    compare_hashing(arguments.folder, arguments.gigabytes)
    measure_ledger(arguments.folder)

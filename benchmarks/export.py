"""Exporting a data set for Hugging Face against DuckDB's COPY of the same rows: seconds of processor and of the clock.

Each is a process of its own on one thread; they take turns, and medians are compared. COPY writes the rows once; the
export writes them twice (shuffled and by domain), a card, and checksums over all of it, and puts each file on the disk.
So the share of COPY's speed that it has is what a user pays for all that.

    python benchmarks/export.py [--rows 200000] [--repeats 3] [--json]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets.export.data_set import DataSet, Domain
from climb_assets.export.export import export_data_set
from climb_assets.mixture.corpus_writer import MIXED_DOCUMENTS
from climb_assets.store.artifacts import sha256_text
from climb_assets.tables import write_table

NAME = "export for Hugging Face against COPY of DuckDB"
DOMAINS, PART, WORDS = 20, 20_000, 50_000
WORKS = ("ours", "peer")


def make_rows(folder: Path, rows: int) -> None:
    """Write rows of Zipf's words, some 1,200 characters each, in parts as the lake writes them."""
    rng = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = np.array(["".join(rng.choice(letters, size)) for size in rng.integers(2, 10, WORDS)])
    shares = 1 / np.arange(1, WORDS + 1)
    for number, first in enumerate(range(0, rows, PART)):
        count = min(PART, rows - first)
        lengths = rng.integers(100, 300, count)
        drawn = words[rng.choice(WORDS, int(lengths.sum()), p=shares / shares.sum())]
        texts = [" ".join(some) for some in np.split(drawn, np.cumsum(lengths)[:-1])]
        domain = rng.integers(0, DOMAINS, count)
        columns = {
            "id": [sha256_text(text)[:32] for text in texts],
            "text": texts,
            "source": [f"source {one % 7}" for one in domain],
            "licence": [("CC0", "MIT", None)[one % 3] for one in domain],
            "domain": domain,
            "domain_name": [f"domain {one}" for one in domain],
            "shard": [f"shard-{one % 5}" for one in domain],
            "epoch": [0] * count,
        }
        write_table(folder / f"part-{number:05d}.parquet", pa.table(columns).cast(MIXED_DOCUMENTS))


def export(folder: Path, out: Path) -> None:
    """Export the rows; what is known of domains plays no part in its speed."""
    domains = [Domain(number, f"domain {number}", 1 / DOMAINS, 1 / DOMAINS, 1, 1.0) for number in range(DOMAINS)]
    data = DataSet("benchmark", "general", sorted(folder.glob("part-*.parquet")), domains, folder / "none")
    export_data_set(data, "huggingface", out)


def copy(folder: Path, out: Path) -> None:
    """Copy the rows in their order with DuckDB, compressed by the same method at the same level."""
    import duckdb

    query = "COPY (SELECT * FROM read_parquet($files)) TO $out (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
    duckdb.connect(config={"threads": 1}).execute(query, {"files": str(folder / "part-*.parquet"), "out": str(out)})


def measure(work: str, folder: Path, out: Path) -> dict[str, float]:
    """Return what one work costs in a process of its own."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, __file__, "--work", work, str(folder), str(out)], check=True)
    after, ended = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"processor": processor, "clock": ended - started}


def run(rows: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Measure both, in turn; the processes' start is in it, some seconds of imports for ours."""
    source = folder / "rows"
    source.mkdir()
    make_rows(source, rows)
    found: dict[str, list[dict[str, float]]] = {work: [] for work in WORKS}
    for repeat in range(repeats):
        for work in WORKS:
            found[work].append(measure(work, source, folder / f"{work}-{repeat}"))
    size = sum(path.stat().st_size for path in source.iterdir())
    seconds = {
        work: {kind: statistics.median(one[kind] for one in found[work]) for kind in ("processor", "clock")}
        for work in WORKS
    }
    ratio = {kind: seconds["peer"][kind] / seconds["ours"][kind] for kind in ("processor", "clock")}
    return {"name": NAME, "rows": rows, "bytes": size, "seconds": seconds, "share_of_the_peers_speed": ratio}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--work", nargs=3, metavar=("WORK", "ROWS", "OUT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        work, folder, out = arguments.work
        {"ours": export, "peer": copy}[work](Path(folder), Path(out))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = run(arguments.rows, arguments.repeats, Path(folder))
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{found['rows']:,} rows, {found['bytes']:,} bytes of Parquet")
    for work in WORKS:
        print(work, ", ".join(f"{value:.2f} s {kind}" for kind, value in found["seconds"][work].items()))
    print("share of COPY's speed:", ", ".join(f"{v:.2f} {k}" for k, v in found["share_of_the_peers_speed"].items()))


if __name__ == "__main__":
    main()

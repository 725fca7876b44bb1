"""Megabytes a processor second and peak memory of each stage from raw shards to the data set, as the corpus grows.

Corpora of several sizes are written from a lake's raw files, over and over with their words in other orders, as one
shard and as many. Each asset is made by `Materializer.make`, as `climb up` does, in a process of its own with one
thread, so that its peak is its own, mapped files included; embeddings are static vectors, as their cost is the
encoder's (encoder_backends.py). The data set is of the domains in equal parts. datatrove reads, filters, signs and
tokenises the same files of the smallest corpus, where it is installed; what it takes only to read them is taken off the
last three. FOLDER/measured.jsonl keeps what was measured, and a later run goes on from it.

    climb demo-corpus --whole
    python benchmarks/stages.py --lake data_lake/demo --folder FOLDER [--sizes 50 200 800] [--json]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

NAME = "stages by the size of the corpus"
MANY = 32  # shards
DATA_SET = "mixed_corpus"
STAGES = (
    *("raw_shards", "corpus_shards", "document_signatures", "contamination", "tokenizer", "tokenized_shards"),
    *("embeddings", "quality_scorer", "quality_scores", "near_duplicates", "corpus_manifest", "cluster_model"),
    *("cluster_assignments", "cluster_statistics", "domains", "domain_supply", "taxonomy_drift", "training_tokens"),
    DATA_SET,
)
READING = "read alone"
PEERS = {
    READING: "raw_shards",
    "read": "corpus_shards",
    "filter": "quality_scores",
    "sign": "document_signatures",
    "tokens": "tokenized_shards",
}


def read_records(raw: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a lake's raw files in an order of chance, over and over with their words in other orders.

    So a small corpus has the sources and the lengths of a large one, and no text is near another for being used again.
    """
    import numpy as np
    import zstandard

    records = []
    for path in sorted(raw.glob("*.jsonl.zst")):
        with path.open("rb") as stream, zstandard.ZstdDecompressor().stream_reader(stream) as plain:
            records += [json.loads(line) for line in plain.read().splitlines()]
    for turn in range(10**6):
        chance = np.random.default_rng(turn)
        for place in chance.permutation(len(records)):
            record = records[place]
            words = record["text"].split(" ")
            text = " ".join(words[word] for word in chance.permutation(len(words))) if turn else record["text"]
            article = f"{turn} {record.get('article')}"
            yield {"text": text, "source": record.get("source"), "licence": "any", "article": article}


def lay_out(lake: Path, folder: Path, megabytes: int, shards: int) -> Path:
    """Write a corpus of so many megabytes of text, with the configuration of its lake, and return the latter."""
    raw = folder / "raw"
    if not (folder / "climb.yaml").exists():
        raw.mkdir(parents=True)
        streams = [(raw / f"shard-{number:03d}.jsonl").open("w", encoding="utf-8") for number in range(shards)]
        written = 0
        for number, record in enumerate(read_records(lake / "raw")):
            streams[number % shards].write(json.dumps(record) + "\n")
            written += len(record["text"].encode())
            if written > megabytes * 1e6:
                break
        for stream in streams:
            stream.close()
        for name in ("models", "tasks"):
            (folder / name).symlink_to((lake / name).resolve())
        settings = {
            "profile": "demo",
            "lake": str(folder),
            "corpus": {"settle": {"seconds": 0}},
            "encoder": {"max_tokens": 96, "backend": "static"},
            "mixture": {"tokens": megabytes * 50_000},  # about a fifth of what there is
            "runtime": {"workers": 1, "threads": 1},
        }
        (folder / "climb.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder / "climb.yaml"


def measure_stage(config: Path, asset: str) -> dict[str, float]:
    """Make all partitions of an asset in this process; return its seconds, its peak of memory and what it stored."""
    from climb_assets.config_file import load_config
    from climb_assets.graph.assets import SPEC
    from climb_assets.graph.materializer import Materializer

    climb = Materializer(load_config(config))
    started = processor_seconds()
    if asset == DATA_SET:
        write_data_set(climb, config.parent / DATA_SET)
    else:
        for partition in climb.partitions(SPEC[asset]):
            climb.make(asset, partition)
    seconds = processor_seconds() - started
    made = config.parent / (DATA_SET if asset == DATA_SET else f"artifacts/{asset}")
    stored = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    return {"seconds": seconds, "peak_mib": peak_bytes() / 2**20, "stored": stored}


def peak_bytes() -> int:
    """Return the most memory that this process had; what getrusage tells may be its parent's, from before it began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def processor_seconds() -> float:
    """Return what this process has used; what else the machine does changes it little."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def write_data_set(climb: Any, out: Path) -> None:
    """Draw and write a data set of all domains in equal parts."""
    import numpy as np

    from climb_assets.clusters.shards import shard_tables
    from climb_assets.mixture.corpus_writer import write_mixed_corpus
    from climb_assets.mixture.pool import Withheld, open_pool
    from climb_assets.mixture.realisation import realise
    from climb_assets.tables import read_table

    out.mkdir(exist_ok=True)
    settings, manifest, made = climb.config.mixture, climb.get("corpus_manifest"), climb.get("domains")
    names = read_table(climb.get("domain_supply").file("supply.parquet"), ["name"])["name"].to_pylist()
    withheld = Withheld(climb.get("training_tokens").file("evaluation.parquet"), manifest.file("families.parquet"))
    tables = (made.file("clusters.parquet"), manifest.file("splits.parquet"), withheld)
    with open_pool(shard_tables(climb), *tables, len(names), out) as pool:
        plan = realise(np.full(len(names), 1 / len(names)), pool.supply, settings.tokens, settings.max_epochs)
        pool.sample(plan.tokens, settings.seed, out / "sample.parquet")
    write_mixed_corpus(out / "sample.parquet", shard_tables(climb), names, out, settings.shard_documents, settings.seed)


def measure_peer(step: str, config: Path) -> dict[str, float]:
    """Let datatrove do a step to the raw files of a corpus in this process; return the seconds."""
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.filters import C4QualityFilter, GopherQualityFilter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.tokens import DocumentTokenizer
    from datatrove.pipeline.writers import ParquetWriter

    folder = config.parent
    out = str(folder / "peer" / step)
    [tokenizer] = folder.glob("artifacts/tokenizer/**/tokenizer.json")
    steps = {
        READING: lambda: [],
        "read": lambda: [ParquetWriter(out)],
        "filter": lambda: [GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False)],
        "sign": lambda: [MinhashDedupSignature(out, MinhashConfig())],
        "tokens": lambda: [DocumentTokenizer(out, tokenizer_name_or_path=str(tokenizer), shuffle_documents=False)],
    }
    read = JsonlReader(str(folder / "raw"))
    started = processor_seconds()
    documents = read()
    for work in steps[step]():
        documents = work(documents)
    for _ in documents or ():
        pass
    return {"seconds": processor_seconds() - started, "peak_mib": peak_bytes() / 2**20}


def run_alone(*arguments: str) -> dict[str, float]:
    """Return what this program prints when it does one measurement in a process of its own."""
    single = dict.fromkeys(("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "CLIMB_THREADS"), "1")
    command = [sys.executable, __file__, *arguments]
    outcome = subprocess.run(command, env=os.environ | single, capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise RuntimeError(outcome.stderr[-2000:])
    found: dict[str, float] = json.loads(outcome.stdout.splitlines()[-1])
    return found


class Measured:
    """What was measured in a folder: a line each, kept as soon as it is known."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "measured.jsonl"
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        self.rows = {tuple(row["what"]): row for row in map(json.loads, lines)}

    def ask(self, what: tuple[Any, ...], *arguments: str) -> dict[str, Any]:
        """Return what is known of it, else measure it."""
        if what not in self.rows:
            self.rows[what] = {"what": what, **run_alone(*arguments)}
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(self.rows[what]) + "\n")
        return self.rows[what]


def run(lake: Path, folder: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """Return a row for each stage: speed, peak and what is stored with each corpus, those of one shard first."""
    rows: dict[str, dict[str, Any]] = {stage: {"stage": stage} for stage in STAGES}
    measured = Measured(folder)
    for shards in (1, MANY):
        for size in sizes:
            config = lay_out(lake, folder / f"{size}-{shards}", size, shards)
            raw = sum(path.stat().st_size for path in (config.parent / "raw").iterdir())
            name = f"{size} MB, {'one' if shards == 1 else 'many'}"
            for stage in STAGES:
                found = measured.ask((size, shards, stage), "--stage", stage, "--config", str(config))
                rows[stage] |= {f"MB/s, {name}": round(size / found["seconds"], 1)}
                rows[stage] |= {f"MiB, {name}": round(found["peak_mib"])}
                rows[stage]["stored a raw byte"] = round(found["stored"] / raw, 3)
    for row in rows.values():
        peaks = [value for column, value in row.items() if column.startswith("MiB")]
        row["most MiB by least"] = round(max(peaks) / min(peaks), 2)
    reading = 0.0
    for step, stage in PEERS.items():
        arguments = ("--peer", step, "--config", str(folder / f"{sizes[0]}-1" / "climb.yaml"))
        try:
            seconds = measured.ask((sizes[0], 1, f"datatrove: {step}"), *arguments)["seconds"]
        except RuntimeError as error:
            print(f"datatrove does not {step}: {error}", file=sys.stderr)
            continue
        rows[stage]["datatrove, MB/s"] = round(sizes[0] / (seconds if step == "read" else seconds - reading), 1)
        reading = seconds if step == READING else reading
    return list(rows.values())


def main() -> None:
    """Parse the command line and print a table or one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--folder", type=Path, help="for the corpora and their lakes")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 800], help="MB of text")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--peer", choices=tuple(PEERS), help=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        print(json.dumps(measure_stage(arguments.config, arguments.stage)))
    elif arguments.peer:
        print(json.dumps(measure_peer(arguments.peer, arguments.config)))
    else:
        rows = run(arguments.lake, arguments.folder, arguments.sizes)
        print(json.dumps({"name": NAME, "details": rows}) if arguments.json else tabulate(rows, headers="keys"))


if __name__ == "__main__":
    main()

"""What a corpus of many shards costs: the first run, a plan of nothing, one change; open files, memory, Dagster's rows.

Corpora of so many shards of a few documents are made from a lake's raw files, and `climb up` is run as a user would, to
the training tokens and on to the end with `--whole`. Processor seconds are those of all its processes; open files and
the peak of memory are those of the process that had most, looked at twice a second. The encoder has one narrow layer.
Beside a plan of nothing stands Dagster's own resolver, asked about the same partitions on the same history.

    climb demo-corpus --whole
    python benchmarks/many_shards.py --lake data_lake/demo --folder FOLDER [--shards 100 300 1000] [--json]
"""

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from stages import read_records
from tabulate import tabulate

NAME = "many shards"
DOCUMENTS = 8  # of a shard
SOURCES = ("first", "second", "third")  # that the tasks of the smoke profile name
LOOK = 0.5  # seconds between looks at the processes


def lay_out(lake: Path, folder: Path, shards: int) -> Path:
    """Write a corpus of so many shards and its configuration, and return the latter."""
    config = folder / "climb.yaml"
    if not config.exists():
        (folder / "raw").mkdir(parents=True)
        records = read_records(lake / "raw")
        for shard in range(shards):
            lines = []
            for place in range(DOCUMENTS):
                record = next(records)
                source, text = SOURCES[place % len(SOURCES)], record["text"][:1500]
                lines.append(json.dumps({"text": text, "source": source, "licence": "any"}))
            (folder / "raw" / f"shard-{shard:05d}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        write_encoder(next((lake / "models").iterdir()), folder / "encoder")
        settings = {
            "profile": "smoke",
            "lake": str(folder),
            "corpus": {"raw": str(folder / "raw")},
            "encoder": {"model": str(folder / "encoder"), "backend": "torch"},
            "runtime": {"workers": 1, "threads": 1},
        }
        config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return config


def write_encoder(model: Path, out: Path) -> None:
    """Write an encoder of one narrow layer, with the tokenizer of a model: what documents cost is not measured here."""
    from transformers import BertConfig, BertModel

    shutil.copytree(model, out, ignore=shutil.ignore_patterns("*.safetensors"))
    shape = json.loads((model / "config.json").read_text(encoding="utf-8"))
    narrow = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 32}
    BertModel(BertConfig(**shape | narrow)).save_pretrained(out)
    pooling = out / "1_Pooling" / "config.json"
    settings = json.loads(pooling.read_text(encoding="utf-8")) | {"word_embedding_dimension": 16}
    pooling.write_text(json.dumps(settings), encoding="utf-8")


def run_climb(config: Path, *arguments: str) -> dict[str, float]:
    """Run a command of climb to its end; return what it and its children used, and had at most at a time."""
    command = [sys.executable, "-m", "dagster_project.cli", "--config", str(config), *arguments]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    most = {"files": 0, "mib": 0.0}
    while process.poll() is None:
        for pid in [process.pid, *children_of(process.pid)]:
            found = look_at(pid)
            most = {name: max(most[name], found.get(name, 0)) for name in most}
        time.sleep(LOOK)
    if process.returncode:
        raise RuntimeError(process.stderr.read()[-2000:] if process.stderr else "")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, **most}


def children_of(pid: int) -> list[int]:
    """Return the processes below one, as far as they are there still."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [child for found in map(int, listed) for child in (found, *children_of(found))]


def look_at(pid: int) -> dict[str, float]:
    """Return the open files of a process and the most memory that it had; nothing where it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return {}
    peak = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return {"files": files, "mib": peak[0] / 1024 if peak else 0.0}


def measure_history(config: Path) -> dict[str, float]:
    """Return the events that Dagster has, and the bytes of its databases."""
    home = config.parent / "dagster_home"
    databases = [path for path in home.rglob("*.db*") if path.is_file()]
    events = 0
    for path in databases:
        if path.suffix == ".db":
            with sqlite3.connect(path) as database:
                tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
                if "event_logs" in tables:
                    events += database.execute("SELECT count(*) FROM event_logs").fetchone()[0]
    return {"events": events, "bytes": sum(path.stat().st_size for path in databases)}


def time_plans(config: Path, peer: bool) -> dict[str, float]:
    """Return the processor seconds of a plan in this process, and of Dagster's resolver on the same partitions."""
    import dagster as dg
    from planning import ask_dagster

    from climb_assets.config_file import load_config
    from climb_assets.graph.materializer import Materializer
    from climb_assets.graph.planner import make_plan
    from dagster_project.build import build_definitions
    from dagster_project.instance import open_instance

    climb = Materializer(load_config(config))
    seconds = []
    for _ in range(3):  # the first one looks at packages and code too
        started = time.process_time()
        make_plan(climb)
        seconds.append(time.process_time() - started)
    found: dict[str, float] = {"first": seconds[0], "plan": min(seconds)}
    if peer:
        with open_instance(config.parent) as instance:
            graph = build_definitions(climb).resolve_asset_graph()
            assert isinstance(instance, dg.DagsterInstance)
            started = time.process_time()
            ask_dagster(instance, graph, climb)
            found["resolver"] = time.process_time() - started
    return found


def run(lake: Path, folder: Path, shards: int, whole: bool, peer: bool) -> dict[str, Any]:
    """Return a row for a number of shards."""
    config = lay_out(lake, folder / str(shards), shards)
    to = () if whole else ("--to", "training_tokens")
    first = run_climb(config, "up", *to)
    print(shards, "first", first, file=sys.stderr, flush=True)
    row: dict[str, Any] = {"shards": shards, "first run, s": round(first["seconds"], 1)}
    row["ms a shard"] = round(1000 * first["seconds"] / shards)
    history = measure_history(config)
    stored = [path.stat().st_size for path in (folder / str(shards) / "artifacts").rglob("*") if path.is_file()]
    row |= {
        "events a shard": round(history["events"] / shards, 1),
        "Dagster, kB a shard": history["bytes"] / 1e3 / shards,
    }
    row |= {"files a shard": round(len(stored) / shards, 1), "kB a shard": round(sum(stored) / 1e3 / shards, 1)}
    command = [sys.executable, __file__, "--plans", str(config), *(["--peer"] if peer else [])]
    plans = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    row |= {f"{name}, s": round(value, 2) for name, value in plans.items()}
    nothing = run_climb(config, "up", *to)
    with (folder / str(shards) / "raw" / "shard-00000.jsonl").open("a", encoding="utf-8") as stream:
        text = "A line that came later, of some length, so that it is a document of this shard and of nothing else."
        stream.write(json.dumps({"text": text, "source": "first", "licence": "any"}) + "\n")
    change = run_climb(config, "up", *to)
    row |= {"again, s": round(nothing["seconds"], 1), "one change, s": round(change["seconds"], 1)}
    runs = (first, nothing, change)
    row |= {"open files": max(one["files"] for one in runs), "MiB": round(max(one["mib"] for one in runs))}
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Parse the command line and print a table or one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--folder", type=Path, help="for the corpora and their lakes")
    parser.add_argument("--shards", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--whole", action="store_true", help="go on to the data set and its audit")
    parser.add_argument("--peer", action="store_true", help="ask Dagster's resolver too")
    parser.add_argument("--plans", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.plans:
        print(json.dumps(time_plans(arguments.plans, arguments.peer)))
        return
    rows = [run(arguments.lake, arguments.folder, n, arguments.whole, arguments.peer) for n in arguments.shards]
    print(json.dumps({"name": NAME, "details": rows}) if arguments.json else tabulate(rows, headers="keys"))


if __name__ == "__main__":
    main()

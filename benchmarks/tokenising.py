"""Megabytes a processor second of the corpus' text encoder against `tokenizers`: same tokenizer, same documents.

The two take turns, on one thread, and medians are compared; processor seconds, since little else than the work itself
moves them. All ids must be equal.

    climb demo-corpus && climb up --to tokenized_shards
    RAYON_NUM_THREADS=1 python benchmarks/tokenising.py --lake data_lake/demo [--json]
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

from climb_assets.corpus.frozen_tokenizer import load_tokenizer
from climb_assets.corpus.text_encoding import load_text_encoder
from climb_assets.environment import is_installed
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table

NAME = "the corpus' text encoder against tokenizers"
PART = 2048  # documents that are encoded at once, as in a shard


def read_parts(store: LocalStore) -> list[list[str]]:
    """Return the texts of all documents of a lake, in parts."""
    texts: list[str] = []
    for shard in store.partitions("corpus_shards"):
        texts += read_table(store.get("corpus_shards", shard).file("documents.parquet"), ["text"])["text"].to_pylist()
    return [texts[start : start + PART] for start in range(0, len(texts), PART)]


def run(lake: Path, repeats: int) -> dict[str, Any]:
    """Measure.

    Raises
    ------
    RuntimeError
        The ids differ.
    """
    store = LocalStore(lake)
    path = store.get("tokenizer").file("tokenizer.json")
    frozen, encode = load_tokenizer(path), load_text_encoder(path)
    parts = read_parts(store)
    megabytes = sum(len(text.encode()) for part in parts for text in part) / 1e6
    works = {
        "ours": lambda part: [list(ids) for ids in encode(part)],
        "peer": lambda part: [one.ids for one in frozen.encode_batch_fast(part, add_special_tokens=False)],
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        found = {}
        for name, work in works.items():
            started = time.process_time()
            found[name] = [work(part) for part in parts]
            seconds[name].append(time.process_time() - started)
        if found["ours"] != found["peer"]:
            raise RuntimeError("the ids differ")
    speeds = {name: megabytes / statistics.median(times) for name, times in seconds.items()}
    return {
        "name": NAME,
        "ours": round(speeds["ours"], 2),
        "peer": round(speeds["peer"], 2),
        "ratio": round(speeds["ours"] / speeds["peer"], 2),
        "unit": "MB/s",
        "details": {"megabytes": round(megabytes, 1), "gigatoken": is_installed("gigatoken"), "seconds": seconds},
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = run(arguments.lake, arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()

"""MB/s to find planted near-duplicates: our signatures (rensa) and buckets against datasketch's MinHash and LSH.

Both see the same shingles, slots, bands and threshold. Pairs are planted in real texts (`--raw`, the demo's raw folder)
or in made-up ones: a full stop, 1, 3 or 10 words changed, in whole texts and in short ones of 30 to 60 words; pairs
that share half of their words as boilerplate are planted too, and are none. Beside speed: recall by kind of edit,
precision, how many pairs lie across train and held-out text before and after, the cost of adding 1 %, peak memory.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets.config import Corpus
from climb_assets.corpus.contamination import MATCHES
from climb_assets.corpus.documents import DOCUMENTS, assign_split, document_id, make_document
from climb_assets.corpus.ingest import REPEATS
from climb_assets.corpus.near_duplicates import EarlierPairs, ShardSignatures, find_near_duplicates
from climb_assets.corpus.normal_text import normalise
from climb_assets.corpus.readers import read_records
from climb_assets.corpus.records import Record
from climb_assets.corpus.signatures import BANDS, FILES, ROWS, SEED, SLOTS, sign_shard
from climb_assets.corpus.splits import SplitTables, assign_splits
from climb_assets.corpus.words import hash_runs, hash_words
from climb_assets.randomness import generator
from climb_assets.tables import read_table, write_rows

NAME = "near-duplicates against datasketch"
KINDS = ("full stop", "1 word", "3 words", "10 words", "boilerplate")
SHARDS = 20
CORPUS = Corpus(min_characters=1)
Pairs = set[frozenset[str]]


def read_texts(raw: Path) -> list[str]:
    """Return the texts of a raw folder."""
    paths = sorted(path for path in raw.rglob("*") if path.is_file())
    return [item.text for path in paths for item in read_records(path, CORPUS) if isinstance(item, Record)]


def make_texts(count: int, words: int) -> list[str]:
    """Return texts of words whose frequencies fall as those of a language do."""
    random = generator(0, "benchmark near-duplicates", count)
    vocabulary = np.array([f"w{number}" for number in range(50_000)])
    ranks = np.exp(random.random((count, words)) * np.log(len(vocabulary))).astype(np.int64)  # Zipf's law
    return [" ".join(row) for row in vocabulary[ranks]]


def plant(texts: list[str], count: int) -> tuple[list[str], dict[str, list[tuple[str, str]]]]:
    """Return texts with pairs planted among them, and the pairs by kind; half of them are of short texts."""
    random = generator(0, "benchmark pairs")
    worded = {text: [word for word in text.split() if any(map(str.isalnum, word))] for text in texts}
    longer = [texts[place] for place in random.permutation(len(texts)) if len(worded[texts[place]]) > 60]
    others = [word for text in texts[::50] for word in worded[text]]
    planted: dict[str, list[tuple[str, str]]] = {}
    for number, original in enumerate(longer[: count * 5 // 4]):
        kind, words = KINDS[number % 5], worded[original].copy()
        short = number // 5 % 2 == 1
        words = words[: int(random.integers(30, 61))] if short else words
        whole = " ".join(words)
        if kind == "boilerplate":
            half = len(words) // 2
            words[half:] = random.choice(others, len(words) - half)
        elif kind == "full stop":
            words[-1] = words[-1].removesuffix(".") + "." * (not words[-1].endswith("."))
        else:
            for place in random.choice(len(words), int(kind[:2]), replace=False):
                words[place] = ("", str(random.choice(others)), f"{words[place]} {random.choice(others)}")[place % 3]
        kind = f"{kind}, {'short' if short else 'whole'}"
        planted.setdefault(kind, []).append((normalise(whole), normalise(" ".join(words))))
    rest = [text for text in texts if text not in longer[: count * 5 // 4]]
    return rest + [text for pairs in planted.values() for pair in pairs for text in pair], planted


def write_shards(texts: list[str], folder: Path) -> list[Path]:
    """Write texts as the tables of some shards."""
    folders = []
    for shard in range(SHARDS):
        folders.append(folder / f"shard{shard:02d}")
        folders[-1].mkdir(parents=True)
        records = (Record(row, text) for row, text in enumerate(texts[shard::SHARDS], 1))
        documents = {d.id: d for d in (make_document(record, "raw", CORPUS) for record in records)}
        write_rows(folders[-1] / "documents.parquet", [d._asdict() for d in documents.values()], DOCUMENTS)
        write_rows(folders[-1] / "repeats.parquet", [], REPEATS)
        write_rows(folders[-1] / "contamination.parquet", [], MATCHES)
    return folders


def sign(folder: Path) -> ShardSignatures:
    """Sign one shard."""
    sign_shard(folder / "documents.parquet", CORPUS.near_duplicates, folder, CORPUS.part_documents)
    return ShardSignatures(folder.name, folder.name, *(folder / name for name in FILES))


def find_ours(folders: list[Path], out: Path) -> Pairs:
    """Return the pairs of ids that this project finds."""
    find_near_duplicates([sign(folder) for folder in folders], CORPUS.near_duplicates.threshold, out)
    return {frozenset((row["id"], row["other"])) for row in read_table(out / "pairs.parquet").to_pylist()}


def signature_speeds(texts: list[str]) -> dict[str, float]:
    """Return MB/s of the two libraries alone, from the shingles of texts to signatures."""
    from datasketch import MinHash
    from rensa import RMinHash

    [(runs, lengths)] = hash_runs(*hash_words(texts), [CORPUS.near_duplicates.shingle])
    offsets = np.append(0, np.cumsum(lengths)).astype(np.uint64)
    short = (runs >> np.uint64(32)).astype(np.uint32)
    empty = MinHash(SLOTS, seed=SEED, hashfunc=int)
    start = time.perf_counter()
    np.array(RMinHash.digest_matrix_from_flat_token_hashes(runs, offsets, SLOTS, SEED).to_rows(), np.uint32)
    middle = time.perf_counter()
    for part in np.split(short, offsets[1:-1].astype(np.int64)):
        empty.copy().update_batch(part.tolist())
    seconds = {"rensa": middle - start, "datasketch": time.perf_counter() - middle}
    return {name: round(sum(map(len, texts)) / 1e6 / spent, 1) for name, spent in seconds.items()}


def find_peer(folders: list[Path], out: Path) -> Pairs:
    """Return the pairs of ids that datasketch finds: each document asks the index, then joins it."""
    from datasketch import MinHash, MinHashLSH

    index, kept, pairs = MinHashLSH(num_perm=SLOTS, params=(BANDS, ROWS)), {}, set()
    empty = MinHash(SLOTS, seed=SEED, hashfunc=int)
    for folder in folders:
        documents = read_table(folder / "documents.parquet", ["id", "text"]).to_pydict()
        words, counts = hash_words(documents["text"])
        [(runs, lengths)] = hash_runs(words, counts, [CORPUS.near_duplicates.shingle])
        parts = np.split((runs >> np.uint64(32)).astype(np.uint32), np.cumsum(lengths)[:-1])
        for name, part in zip(documents["id"], parts, strict=True):
            sketch = empty.copy()
            sketch.update_batch(part.tolist())
            for other in index.query(sketch):
                if sketch.jaccard(kept[other]) >= CORPUS.near_duplicates.threshold:
                    pairs.add(frozenset((name, other)))
            if name not in kept:
                index.insert(name, sketch)
                kept[name] = sketch
    return {pair for pair in pairs if len(pair) == 2}


def _measure(find: Callable[[list[Path], Path], Pairs], folders: list[Path], out: Path, send: Any) -> None:
    started = time.perf_counter()
    pairs = find(folders, out)
    seconds = time.perf_counter() - started
    send.put((pairs, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measure(find: Callable[[list[Path], Path], Pairs], folders: list[Path], out: Path) -> tuple[Pairs, float, float]:
    """Return what a finder found in a process of its own, its seconds, and the peak MiB of that."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure, args=(find, folders, out, queue))
    process.start()
    found: tuple[Pairs, float, float] = queue.get()
    process.join()
    return found


def similarity_of(texts: dict[str, str], pair: frozenset[str]) -> float:
    """Return the exact Jaccard similarity of two documents' shingles."""
    words, counts = hash_words([texts[name] for name in sorted(pair)])
    [(runs, lengths)] = hash_runs(words, counts, [CORPUS.near_duplicates.shingle])
    one, other = (set(part.tolist()) for part in np.split(runs, lengths[:1]))
    return len(one & other) / len(one | other)


def judge(pairs: Pairs, planted: dict[str, list[tuple[str, str]]], texts: dict[str, str]) -> dict[str, Any]:
    """Return recall by kind, the share of found pairs that are planted or similar, and of boilerplate pairs found."""
    wanted = {kind: {frozenset(map(document_id, pair)) for pair in found} for kind, found in planted.items()}
    wanted = {kind: {pair for pair in known if len(pair) == 2} for kind, known in wanted.items()}
    share = {kind: round(len(pairs & known) / len(known), 4) for kind, known in wanted.items()}
    edits = set().union(*(known for kind, known in wanted.items() if not kind.startswith("boilerplate")))
    least = CORPUS.near_duplicates.threshold
    right = sum(pair in edits or similarity_of(texts, pair) >= least for pair in pairs)
    return {
        "recall": round(len(pairs & edits) / len(edits), 4),
        "precision": round(right / len(pairs), 4),
        "found_by_kind": share,
        "pairs": len(pairs),
    }


def across_border(folders: list[Path], out: Path, planted: dict[str, list[tuple[str, str]]]) -> dict[str, Any]:
    """Return how many planted pairs have one text in train and one held out: by row, by text alone, by family."""
    names = [pair for kind, found in planted.items() if not kind.startswith("boilerplate") for pair in found]
    rows = ([assign_split(f"raw.jsonl#{2 * n + side}", CORPUS) for side in (0, 1)] for n in range(len(names)))
    own = ([assign_split(document_id(text), CORPUS) for text in pair] for pair in names)
    tables = [
        SplitTables(f.name, *(f / f"{name}.parquet" for name in ("documents", "repeats", "contamination")))
        for f in folders
    ]
    duplicates = pa.schema([("shard", pa.string()), ("id", pa.string())])
    write_rows(out / "duplicates.parquet", [], duplicates)
    facts = assign_splits(tables, out / "pairs.parquet", out / "duplicates.parquet", CORPUS, out)
    moved = {row["id"]: row["split"] for row in read_table(out / "splits.parquet").to_pylist()}
    final = ([moved.get(name, assign_split(name, CORPUS)) for name in map(document_id, pair)] for pair in names)
    counts = {
        rule: sum((one == "train") != (other == "train") for one, other in splits)
        for rule, splits in (("by row", rows), ("by text", own), ("by family", final))
    }
    return {"pairs": len(names), "across": counts, "by_split": facts["by_split"], "largest": facts["largest_family"]}


def timed(function: Callable[[], Any], repeats: int = 1) -> tuple[Any, float]:
    """Return what a function returns, and the median of its seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        value = function()
        seconds.append(time.perf_counter() - start)
    return value, round(statistics.median(seconds), 3)


def cost_of_more(folder: Path, documents: int, words: int) -> dict[str, Any]:
    """Return the seconds for a corpus of made-up texts at once, and for one more shard of 1 %, half of it copies."""
    texts = make_texts(documents, words)
    folders = write_shards(texts, folder)
    more = make_texts(documents // 200, words) + [f"{text} and more" for text in texts[: documents // 200]]
    outs = [folder / name for name in ("new", "first", "renewed", "again")]
    for out in outs:
        out.mkdir()
    rows = [make_document(Record(row, text), "raw", CORPUS)._asdict() for row, text in enumerate(more)]
    write_rows(outs[0] / "documents.parquet", rows, DOCUMENTS)
    find = partial(find_near_duplicates, threshold=CORPUS.near_duplicates.threshold)
    kept, sign_all = timed(lambda: [sign(path) for path in folders])
    _, compare_all = timed(lambda: find(kept, out=outs[1]))
    signed, sign_more = timed(lambda: sign(outs[0]), repeats=5)
    earlier = EarlierPairs(outs[1] / "pairs.parquet", {shard.shard: shard.version for shard in kept}, [])
    _, compare_more = timed(lambda: find([*kept, signed], out=outs[2], earlier=earlier), repeats=5)
    facts = find([*kept, signed], out=outs[3])
    return {
        "documents": documents,
        "MB": round(sum(map(len, texts)) / 1e6, 1),
        "seconds": {"sign": [sign_all, sign_more], "compare": [compare_all, compare_more]},
        "share": round((sign_more + compare_more) / (sign_all + compare_all), 4),
        "pairs": facts["pairs"],
        "same_bytes": (outs[2] / "pairs.parquet").read_bytes() == (outs[3] / "pairs.parquet").read_bytes(),
    }


def run(raw: Path | None, pairs: int, documents: int) -> dict[str, object]:
    """Measure in a temporary folder."""
    texts, planted = plant([normalise(text) for text in read_texts(raw)] if raw else make_texts(3 * pairs, 300), pairs)
    by_id = {make_document(Record(0, text), "raw", CORPUS).id: text for text in texts}
    megabytes = sum(len(text.encode()) for text in by_id.values()) / 1e6
    with tempfile.TemporaryDirectory() as name:
        folders = write_shards(texts, Path(name) / "planted")
        found, seconds, memory = measure(find_ours, folders, Path(name))
        border = across_border(folders, Path(name), planted)
        by_peer, peer_seconds, peer_memory = measure(find_peer, folders, Path(name))
        more = cost_of_more(Path(name) / "more", documents, 300)
    ours, peer = megabytes / seconds, megabytes / peer_seconds
    return {
        "name": NAME,
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(ours / peer, 2),
        "unit": "MB/s",
        "details": {
            "documents": len(by_id),
            "MB": round(megabytes, 1),
            "ours": judge(found, planted, by_id) | {"MiB": round(memory)},
            "peer": judge(by_peer, planted, by_id) | {"MiB": round(peer_memory)},
            "signatures_alone": signature_speeds(list(by_id.values())),
            "border": border,
            "adding": more,
        },
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--raw", type=Path, help="folder of raw files to plant in; default: made-up texts")
    parser.add_argument("--pairs", type=int, default=2000, help="planted pairs")
    parser.add_argument("--documents", type=int, default=50_000, help="of the corpus to which 1 %% is added")
    arguments = parser.parse_args()
    found = run(arguments.raw, arguments.pairs, arguments.documents)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()

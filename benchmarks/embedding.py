"""Tokens per second of our encoder against SentenceTransformer.encode at its defaults, on the same documents.

Both truncate to the same number of tokens. The two take turns, and medians are compared; the vectors must agree.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from climb_assets import config, config_encoder
from climb_assets.embeddings.encoder import load_encoder

NAME = "embedding tokens per second against SentenceTransformer.encode"


def read_documents(raw: Path, count: int) -> list[str]:
    """Return about `count` texts, spread evenly over the raw files and within them."""
    files = sorted(raw.glob("*.jsonl.zst"))
    texts = []
    for path in files:
        with pa.input_stream(str(path), compression="zstd") as stream:
            records = [json.loads(line)["text"] for line in stream.read().splitlines()]
        texts += records[:: max(1, len(records) * len(files) // count)][: -(-count // len(files))]
    return texts


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def run(lake: Path, documents: int, max_tokens: int, repeats: int) -> dict[str, object]:
    """Measure, or say why not."""
    model = lake / "models" / "all-MiniLM-L6-v2"
    texts = read_documents(lake / "raw", documents)
    if not model.is_dir() or not texts:
        return {"name": NAME, "skipped": f"no demo corpus and model in {lake}; run `climb demo-corpus`"}
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(config_encoder.Encoder(model=str(model), max_tokens=max_tokens), config.Runtime())
    peer = SentenceTransformer(str(model))
    peer.max_seq_length = max_tokens
    encoded, expected = encoder.encode(texts), peer.encode(texts, normalize_embeddings=True)  # warms both up
    cosine = float((encoded.vectors.astype(np.float32) * expected).sum(axis=1).min())
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(seconds(lambda: encoder.encode(texts)))
        theirs.append(seconds(lambda: peer.encode(texts)))
    rates = [encoded.tokens / statistics.median(times) for times in (ours, theirs)]
    return {
        "name": NAME,
        "ours": round(rates[0], 1),
        "peer": round(rates[1], 1),
        "ratio": round(rates[0] / rates[1], 3),
        "unit": "tokens/s",
        "details": {
            "documents": len(texts),
            "max_tokens": max_tokens,
            "precision": encoder.precision,
            "device": str(peer.device),
            "padding": round(1 - encoded.tokens / encoded.padded_tokens, 4),
            "least_cosine": round(cosine, 5),
            "seconds": {"ours": [round(t, 2) for t in ours], "peer": [round(t, 2) for t in theirs]},
        },
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--documents", type=int, default=400)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = run(arguments.lake, arguments.documents, arguments.max_tokens, arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    elif "skipped" in found:
        print(f"{NAME}: skipped, {found['skipped']}")
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()

"""The backends of the encoder against SentenceTransformer.encode at its defaults: how fast, and do clusters stay?

All embed the same documents, truncated to the same number of tokens; in each round all take turns, and medians are
compared. Then each embeds all documents, and k-means and Ward's merging, as the demo has them but without pruning, make
clusters and domains of each. The row `again` is float32 with another seed of k-means: what agreement is worth.

    climb demo-corpus
    python benchmarks/encoder_backends.py [--documents 5000] [--timed 400] [--json]

`onnx int8` is ONNX Runtime with weights in int8 by its own dynamic quantisation, measured where onnx and onnxruntime
are installed. It is no backend: see docs/design.md. The cascade would label by static vectors first and embed what
lies nearly as near to a second centroid; its share of documents is that with which 95 % keep their labels.
"""

import argparse
import json
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tabulate import tabulate

from climb_assets.clusters.kmeans import fit_centroids, nearest_centroids, read_centroids, two_nearest_centroids
from climb_assets.config import Clusters, Runtime
from climb_assets.config_encoder import Encoder as EncoderSettings
from climb_assets.embeddings.encoder import Encoder, load_encoder
from climb_assets.embeddings.encoder_tokenizer import EncoderTokenizer, Features
from climb_assets.environment import architecture_class, resolve_precision
from climb_assets.executor.capacity import thread_count

NAME = "encoder backends against SentenceTransformer.encode"
BATCH_TOKENS, SEED, OTHER_SEED, DOMAINS = 2048, 42, 43, 15
KEPT = 0.95  # of the labels, by a cascade

Floats = NDArray[np.float32]


def read_documents(raw: Path, count: int) -> tuple[list[str], list[str]]:
    """Return about `count` texts, as many of each raw file and spread evenly within it, and the file of each."""
    files = sorted(raw.glob("*.jsonl.zst"))
    texts, sources = [], []
    for path in files:
        with pa.input_stream(str(path), compression="zstd") as stream:
            records = [json.loads(line)["text"] for line in stream.read().splitlines()]
        chosen = records[:: max(1, len(records) * len(files) // count)][: -(-count // len(files))]
        texts += chosen
        sources += [path.name] * len(chosen)
    return texts, sources


def load_backends(model: Path, max_tokens: int, runtime: Runtime) -> dict[str, Encoder]:
    """Return what this machine has, by backend and precision."""
    settings = EncoderSettings(model=str(model), max_tokens=max_tokens, batch_tokens=BATCH_TOKENS)
    fast = resolve_precision("auto", "cpu")  # bfloat16 is emulated where the processor has none
    wanted = [("torch", "float32"), ("torch", fast), ("static", fast)]
    try:
        import openvino  # noqa: F401

        wanted += [("openvino", "float32"), ("openvino", fast), ("openvino", "int8")]
    except ImportError:
        print("openvino is not installed")
    found = {
        f"{backend} {precision}": load_encoder(
            settings.model_copy(update={"backend": backend, "precision": precision}), runtime
        )
        for backend, precision in dict.fromkeys(wanted)
    }
    try:
        return found | {"onnx int8": load_onnx(model, max_tokens)}
    except ImportError:
        return found


def load_onnx(model: Path, max_tokens: int) -> Encoder:
    """Return the model in int8 by ONNX Runtime, behind our encoder."""
    import onnxruntime
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(model), device="cpu").eval()
    tokenizer = EncoderTokenizer(loaded.tokenizer, max_tokens)

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = torch.nn.Sequential(*loaded)

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            return self.steps(dict(zip(tokenizer.names, tensors, strict=True)))["sentence_embedding"]

    example = loaded.tokenizer(["a", "a a a"], padding=True, return_tensors="pt")
    tensors, axes = tuple(example[name] for name in tokenizer.names), {0: "texts", 1: "tokens"}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        exported, rounded = Path(folder) / "exported.onnx", Path(folder) / "rounded.onnx"
        names, dynamic = list(tokenizer.names), dict.fromkeys(tokenizer.names, axes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the newer exporter made a slower model
            torch.onnx.export(Positional(), tensors, exported, input_names=names, dynamic_axes=dynamic, dynamo=False)
        quantize_dynamic(exported, rounded, weight_type=QuantType.QInt8, per_channel=True)
        session = onnxruntime.InferenceSession(rounded.read_bytes(), options, providers=["CPUExecutionProvider"])

    def run(features: Features) -> Floats:
        return normalise(session.run(None, features)[0])

    return Encoder(tokenizer, run, BATCH_TOKENS, thread_count(), "onnx", "int8")


def normalise(vectors: NDArray[Any]) -> Floats:
    """Return vectors of length 1 in float32."""
    vectors = vectors.astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def time_rounds(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each work in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def fit(vectors: Floats, seed: int) -> Floats:
    """Return the centroids that the demo would have."""
    settings = Clusters(count=min(100, len(vectors) // 10), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        fit_centroids(vectors, settings, None, Path(folder))
        return read_centroids(Path(folder) / "centroids.npy")


def label(vectors: Floats, centroids: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cluster and the domain of each document."""
    from sklearn.cluster import AgglomerativeClustering

    clusters = nearest_centroids(vectors, centroids)[0].astype(np.int64)
    merged = AgglomerativeClustering(DOMAINS, linkage="ward").fit_predict(centroids)
    return clusters, merged[clusters]


def compare(vectors: Floats, reference: Floats, sources: Sequence[str], seed: int = SEED) -> dict[str, float]:
    """Return how vectors, their clusters and domains agree with the reference, and clusters with sources."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    centroids = fit(reference, SEED)
    clusters, domains = label(reference, centroids)
    own_clusters, own_domains = label(vectors, fit(vectors, seed))
    found = {
        "clusters": adjusted_rand_score(clusters, own_clusters),
        "domains": adjusted_rand_score(domains, own_domains),
        "sources": normalized_mutual_info_score(sources, own_clusters),
        "sources, domains": normalized_mutual_info_score(sources, own_domains),
    }
    if vectors.shape == reference.shape:
        cosines = (vectors * reference).sum(axis=1)
        same = label(vectors, centroids)
        found |= {"cosine": float(cosines.mean()), "least cosine": float(cosines.min())}
        found |= {
            "same cluster": float((same[0] == clusters).mean()),
            "same domain": float((same[1] == domains).mean()),
        }
    return {name: round(float(value), 4) for name, value in found.items()}


def measure_cascade(static: Floats, reference: Floats) -> float:
    """Return the share of documents that a cascade embeds so that `KEPT` keep their labels.

    Of one half of the documents both vectors are known: their labels make static centroids. The others are labelled.
    """
    labels = nearest_centroids(reference, fit(reference, SEED))[0]
    known = np.arange(len(static)) % 2 == 0
    present = np.unique(labels[known])
    centroids = np.stack([static[known & (labels == number)].mean(axis=0) for number in present])
    nearest, _, margins = two_nearest_centroids(static[~known].astype(np.float16), centroids)
    right = present[nearest] == labels[~known]
    order = np.argsort(margins, kind="stable")
    kept = 1 - np.concatenate([np.cumsum(~right[order][::-1])[::-1], [0]]) / len(right)  # with the first n embedded
    return float(np.argmax(kept >= KEPT)) / len(right)


def run(lake: Path, documents: int, timed: int, max_tokens: int, repeats: int) -> dict[str, Any]:
    """Measure, or say why not."""
    model = lake / "models" / "all-MiniLM-L6-v2"
    texts, sources = read_documents(lake / "raw", documents)
    if not model.is_dir() or not texts:
        return {"name": NAME, "skipped": f"no demo corpus and model in {lake}; run `climb demo-corpus`"}
    from sentence_transformers import SentenceTransformer

    peer = SentenceTransformer(str(model), device="cpu")
    peer.max_seq_length = max_tokens
    encoders = load_backends(model, max_tokens, Runtime(device="cpu"))
    few = texts[:: max(1, len(texts) // timed)]
    tokens = encoders["torch float32"].encode(few).tokens  # warms up, too
    works: dict[str, Callable[[], object]] = {"peer": lambda: peer.encode(few)}
    for encoder in encoders.values():
        encoder.encode(few[:50])
    works |= {name: lambda encoder=encoder: encoder.encode(few) for name, encoder in encoders.items()}
    seconds = time_rounds(works, repeats)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    vectors = {name: normalise(encoder.encode(texts).vectors) for name, encoder in encoders.items()}
    reference = vectors["torch float32"]
    rows = {
        name: {
            "tokens/s": round(tokens / medians[name]),
            "ratio": round(medians["peer"] / medians[name], 2),
            **compare(own, reference, sources),
        }
        for name, own in vectors.items()
    }
    share = measure_cascade(vectors["static " + resolve_precision("auto", "cpu")], reference)
    best = min((name for name in medians if name.startswith(("torch", "openvino"))), key=medians.__getitem__)
    return {
        "name": NAME,
        "ours": rows[best]["tokens/s"],
        "peer": round(tokens / medians["peer"]),
        "ratio": rows[best]["ratio"],
        "unit": "tokens/s",
        "details": {
            "best": best,
            "documents": len(texts),
            "timed": len(few),
            "max_tokens": max_tokens,
            "architecture": architecture_class(),
            "threads": thread_count(),
            "rows": rows | {"again": compare(reference, reference, sources, OTHER_SEED)},
            "share that a cascade embeds": round(share, 3),
            "seconds": {name: [round(value, 2) for value in values] for name, values in seconds.items()},
        },
    }


def main() -> None:
    """Parse the command line and print a table or one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--documents", type=int, default=5000, help="whose clusters are compared")
    parser.add_argument("--timed", type=int, default=400, help="documents that are timed")
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = run(arguments.lake, arguments.documents, arguments.timed, arguments.max_tokens, arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    elif "skipped" in found:
        print(f"{NAME}: skipped, {found['skipped']}")
    else:
        details = found["details"]
        print(tabulate([{"backend": name, **row} for name, row in details["rows"].items()], headers="keys"))
        print(f"peer: {found['peer']} tokens/s; a cascade embeds {details['share that a cascade embeds']:.0%}")
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']} ({details['best']})")


if __name__ == "__main__":
    main()

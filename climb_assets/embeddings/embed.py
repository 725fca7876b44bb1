"""Embedding a shard: part by part, so that a crash costs one part.

What belongs here: which texts go to the encoder and how the vectors reach the disk.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from climb_assets.embeddings.encoder import Encoded, Encoder
from climb_assets.embeddings.parts import iterate_parts
from climb_assets.errors import ComputeError
from climb_assets.store.files import atomic_file, write_array

VECTORS = "vectors.npy"

FindPart = Callable[[tuple[str, ...]], Encoded | None]


@dataclass(frozen=True)
class EmbedReport:
    """What was embedded (equal for equal inputs) and how fast (never equal; of the parts made by this call)."""

    facts: dict[str, int]
    timings: dict[str, Any]


def embed_shard(
    documents: Path,
    encoder: Encoder,
    part_documents: int,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    find: FindPart = lambda ids: None,
) -> EmbedReport:
    """Write ``vectors.npy``: float16 unit vectors (documents, dimension) in document order.

    Parameters
    ----------
    documents
        The shard's documents.parquet.
    part_documents
        Documents that are embedded and put down together, at most; finished parts found in `out` are trusted.
    out
        Folder of the result and, until it is complete, of its parts.
    progress
        Called with the documents done and their total after each part.
    find
        Returns the vectors of a part, by the ids of its documents, if it was embedded before, and None else. What is
        written does not depend on it, the work does.

    Raises
    ------
    ComputeError
        The encoder gave a vector that is zero or not finite.
    """
    total = pq.read_metadata(documents).num_rows
    parts: list[Path] = []
    done = made = taken = tokens = padded = 0
    started = time.perf_counter()
    joined = (out / VECTORS).exists()  # by a writer that died after its work and before its commit
    for ids, texts in iterate_parts(documents, part_documents):
        path = out / f"part-{len(parts):05d}.npy"
        if not joined and not path.exists():
            known = find(ids)
            encoded = encoder.encode(texts) if known is None else known
            taken, made = (taken, made + len(ids)) if known is None else (taken + len(ids), made)
            tokens, padded = tokens + encoded.tokens, padded + encoded.padded_tokens
            _check(encoded.vectors, done, documents)
            write_array(path, encoded.vectors)
        parts.append(path)
        done += len(ids)
        if progress:
            progress(done, total)
    seconds = time.perf_counter() - started
    if not joined:
        _join(parts, (total, encoder.dimension), out / VECTORS)
    for part in parts:
        part.unlink(missing_ok=True)
    return EmbedReport(
        facts={"documents": total, "dimension": encoder.dimension},
        timings={
            "docs_per_s": round(made / seconds, 2),
            "tokens_per_s": round(tokens / seconds, 1),
            "pad_share": round(1 - tokens / padded, 4) if padded else 0.0,
            "tokens_embedded": tokens,
            "documents_taken_over": taken,
            "backend": encoder.backend,
            "precision": encoder.precision,
        },
    )


def are_usable(vectors: NDArray[np.float16]) -> NDArray[np.bool_]:
    """Return which vectors (n, dimension) have a length, as unit vectors do: those are none that are zero or NaN."""
    usable: NDArray[np.bool_] = np.linalg.norm(vectors.astype(np.float32), axis=1) > 0.5  # NaN compares false
    return usable


def _check(vectors: NDArray[np.float16], first: int, documents: Path) -> None:
    broken = np.flatnonzero(~are_usable(vectors))
    if len(broken):
        raise ComputeError(
            f"the encoder gave no usable vector for document {first + int(broken[0])} of {documents}; "
            "try encoder.precision: float32 or another encoder.model"
        )


def _join(parts: list[Path], shape: tuple[int, int], path: Path) -> None:
    """Lay the parts end to end in one file without holding them in memory."""
    with atomic_file(path) as temporary, temporary.open("wb") as stream:
        header = {"descr": "<f2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(stream, header)
        for part in parts:
            stream.write(np.load(part, allow_pickle=False).tobytes())

"""The binary files of Megatron-LM: an array of token ids, and where each document lies in it.

What belongs here: the format. What is written in it is `megatron`.

``.bin`` holds the ids of all documents, one after another. ``.idx`` is little-endian: nine bytes ``MMIDIDX\\0\\0``; the
version, 1, as uint64; a byte for the type of the ids (8: uint16, 4: int32); as uint64 the number of sequences, and the
number of bounds of documents; then arrays: the length of each sequence as int32, the byte where each begins as int64,
and the bounds as int64. Here a sequence is a document, so bound i is i, and there is one more of them than documents
(megatron/core/datasets/indexed_dataset.py, docs/sources.md).
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

MAGIC, VERSION = b"MMIDIDX\x00\x00", 1
HEAD, COUNTS = struct.Struct("<9sQB"), struct.Struct("<QQ")
CODES = {np.dtype("<i4"): 4, np.dtype("<u2"): 8}
MOST_UINT16 = 65_500  # ids, above which Megatron takes int32


def ids_dtype(vocabulary: int) -> np.dtype[Any]:
    """Return the type that Megatron takes for ids of a vocabulary of so many entries."""
    return np.dtype("<u2") if vocabulary < MOST_UINT16 else np.dtype("<i4")


def write_ids(path: Path, documents: Iterable[np.ndarray], dtype: np.dtype[Any]) -> np.ndarray:
    """Write a ``.bin``; return the length of each document, int32 (documents,)."""
    lengths = []
    with path.open("wb") as stream:
        for ids in documents:
            stream.write(ids.astype(dtype).tobytes())
            lengths.append(len(ids))
    return np.array(lengths, "<i4")


def write_index(path: Path, lengths: np.ndarray, dtype: np.dtype[Any]) -> None:
    """Write the ``.idx`` of documents of these lengths."""
    ends = np.cumsum(lengths, dtype="<i8") * dtype.itemsize
    starts = np.concatenate([np.zeros(1, "<i8"), ends])[:-1]
    with path.open("wb") as stream:
        stream.write(HEAD.pack(MAGIC, VERSION, CODES[dtype]))
        stream.write(COUNTS.pack(len(lengths), len(lengths) + 1))
        for array in (lengths.astype("<i4"), starts.astype("<i8"), np.arange(len(lengths) + 1, dtype="<i8")):
            stream.write(array.tobytes())


def count_documents(path: Path) -> int:
    """Return the number of documents that an ``.idx`` states."""
    with path.open("rb") as stream:
        stream.seek(HEAD.size)
        documents, _ = COUNTS.unpack(stream.read(COUNTS.size))
    return int(documents)

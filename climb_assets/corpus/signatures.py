"""One shard's documents as MinHash signatures, by which near-duplicates are found without their texts.

What belongs here: a text's shingles, its signature, and the layout on disk. Comparing documents is `near_duplicates`.

An artefact holds ``ids.npy`` (documents, 2), the two halves of each id; ``keys.npy`` (`BANDS`, documents), where equal
keys of a band say that a band of the signatures is equal; and ``slots.npy`` (documents, `SLOTS`), a byte of each slot,
whose agreement estimates the Jaccard similarity of two documents' shingles.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.config_corpus import NearDuplicates
from climb_assets.corpus.words import hash_runs, hash_words
from climb_assets.randomness import scramble
from climb_assets.store.files import open_array
from climb_assets.tables import count_rows, iterate_texts

BANDS, ROWS = 48, 4  # a pair of similarity .5 shares a band in 95 % of cases, one of .6 in 99.9, one of .1 in 0.5
SLOTS = BANDS * ROWS
SEED = 1
IDS = 8192  # that are strings of Python's at a time
FILES = ("ids.npy", "keys.npy", "slots.npy")


def sign_shard(documents: Path, settings: NearDuplicates, out: Path, part_documents: int) -> dict[str, int]:
    """Write the signatures of ``documents.parquet`` into `out`; memory holds one part.

    Returns
    -------
    documents, words.
    """
    rows, start, words = count_rows(documents), 0, 0
    with (
        open_array(out / "ids.npy", np.dtype("<u8"), (rows, 2)) as ids,
        open_array(out / "keys.npy", np.dtype("<u4"), (BANDS, rows)) as keys,
        open_array(out / "slots.npy", np.dtype("u1"), (rows, SLOTS)) as slots,
    ):
        first_key = keys.tell()
        for batch in iterate_texts(documents, part_documents, ["id", "text"]):
            halves = split_ids(batch.column("id").to_pylist())
            signatures, counted = sign_texts(batch.column("text").to_pylist(), halves[:, 0], settings.shingle)
            ids.write(halves.astype("<u8").tobytes())
            slots.write(signatures.astype(np.uint8).tobytes())
            for band, of_band in enumerate(_band_keys(signatures)):
                keys.seek(first_key + 4 * (band * rows + start))
                keys.write(of_band.astype("<u4").tobytes())
            start, words = start + batch.num_rows, words + counted
    return {"documents": rows, "words": words}


def sign_texts(texts: list[str], ids: NDArray[np.uint64], shingle: int) -> tuple[NDArray[np.uint32], int]:
    """Return the MinHash signatures (texts, `SLOTS`) of the texts' sets of shingles, and the number of words.

    A text of fewer words than a shingle is like no other: its first half of `ids` is its only shingle.
    """
    from rensa import RMinHash

    words, counts = hash_words(texts)
    [(runs, lengths)] = hash_runs(words, counts, [shingle])
    short = np.flatnonzero(lengths == 0)
    runs = np.insert(runs, np.cumsum(lengths)[short], ids[short])
    ends = np.cumsum(np.maximum(lengths, 1))
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(runs, np.append(0, ends).astype(np.uint64), SLOTS, SEED)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(texts), SLOTS), len(words)


def _band_keys(signatures: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return a hash of each band of each signature (`BANDS`, documents)."""
    bands = signatures.astype(np.uint64).reshape(len(signatures), BANDS, ROWS)
    keys = np.zeros(bands.shape[:2], np.uint64)
    for row in range(ROWS):
        keys = scramble(keys ^ bands[:, :, row])
    return (keys >> np.uint64(32)).astype(np.uint32).T


def split_ids(ids: list[str]) -> NDArray[np.uint64]:
    """Return rows of ``ids.npy`` (documents, 2) for ids of 32 hex digits; their order is that of the digits."""
    return np.frombuffer(bytes.fromhex("".join(ids)), ">u8").reshape(-1, 2).astype(np.uint64)


def first_halves(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return the first half of each id (n,), which names a document well enough and is a hash already."""
    parts = (ids.slice(start, IDS).to_pylist() for start in range(0, len(ids), IDS))
    return np.concatenate([np.empty(0, np.uint64), *(split_ids(part)[:, 0] for part in parts)])


def join_halves(halves: NDArray[np.uint64]) -> list[str]:
    """Return the ids (32 hex digits) of rows of ``ids.npy``."""
    digits = halves.astype(">u8").tobytes().hex()
    return [digits[start : start + 32] for start in range(0, len(digits), 32)]

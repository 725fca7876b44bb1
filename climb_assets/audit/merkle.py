"""A Merkle tree over rows: one hash that stands for all of them, and the few hashes that tie one row to it.

What belongs here: the hashes, as RFC 6962 (section 2.1) makes them. What is hashed of a leaf begins with a zero byte
and of a node with a one, so that no node passes for a row; of the root with a two, and then with the number of rows, so
that no other number passes. Which rows there are is `documents`; what is handed to others is `proof`.

Rows are hashed in runs of `RUN`, and of each run only its hash is kept: a tree of ten million rows is ten thousand
hashes, and a path needs the rows of one run again.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

LEAF, NODE, ROOT = b"\x00", b"\x01", b"\x02"
RUN = 1024  # rows; a power of two, so that a run's hash is a node of the tree


def hash_leaf(row: bytes) -> bytes:
    """Return the hash of a row."""
    return hashlib.sha256(LEAF + row).digest()


def hash_run(leaves: Iterable[bytes]) -> bytes:
    """Return the hash of the tree over leaves, or over the hashes of runs."""
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        level = list(_level_above(level))
    return level[0]


def _level_above(level: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the node over each pair; one that is left alone goes up as it is."""
    for place in range(0, len(level) - 1, 2):
        yield hashlib.sha256(NODE + level[place] + level[place + 1]).digest()
    if len(level) % 2:
        yield level[-1]


def hash_runs(rows: Iterable[bytes], size: int = RUN) -> list[bytes]:
    """Return the hash of each run of rows; no more than one run is in memory."""
    leaves = map(hash_leaf, rows)
    return [hash_run(run) for run in iter(lambda: list(islice(leaves, size)), [])]


def root_of(runs: Sequence[bytes], rows: int) -> str:
    """Return the root, in hex, of a tree of so many rows whose runs have these hashes."""
    return hashlib.sha256(ROOT + rows.to_bytes(8, "big") + hash_run(runs)).hexdigest()


def path_within(level: Sequence[bytes], place: int) -> list[bytes]:
    """Return the hashes beside the way from one of some leaves, or of some runs, up to the hash over all of them."""
    path = []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(level[beside])
        level, place = list(_level_above(level)), place // 2
    return path

"""Which ids were seen before: how the exact duplicates within a shard are found.

What belongs here: remembering 128-bit hashes in little memory. What is done with a duplicate is `ingest`.
"""

import numpy as np

RECENT = 16_384  # ids that are held in a set of Python's before they join the sorted ones
SHARE = 16  # of all ids at most is held in the set, or `RECENT`: so what is sorted is seldom copied
SLOTS = 8  # of a table for each sorted id, or half as many: so at most a quarter of the new ones is searched in vain


class SeenIds:
    """The ids of 16 bytes, hashes each, that were added: some 25 bytes of memory each, where a set takes a hundred."""

    def __init__(self) -> None:
        self._recent: set[bytes] = set()
        self._most = RECENT
        self._sorted = np.empty(0, "S16")
        self._mask = 0  # takes the bits by which an id is looked up in the table
        self._table = np.zeros(1, np.uint8).data  # 1 where a sorted id has these bits

    def add(self, key: bytes) -> bool:
        """Add an id; return whether it is new."""
        if key in self._recent or (self._table[int.from_bytes(key[:4]) & self._mask] and self._is_sorted(key)):
            return False
        self._recent.add(key)
        if len(self._recent) >= self._most:
            self._sort()
        return True

    def _is_sorted(self, key: bytes) -> bool:
        place = self._sorted.searchsorted(np.bytes_(key))
        return self._sorted[place : place + 1].tobytes() == key  # an item of it would lack the zeros that it ends with

    def _sort(self) -> None:
        """Let the recent ids join the sorted ones."""
        recent = np.sort(np.frombuffer(b"".join(self._recent), "S16"))
        self._recent.clear()
        self._sorted = np.insert(self._sorted, self._sorted.searchsorted(recent), recent)
        self._most = max(RECENT, len(self._sorted) // SHARE)
        before, self._mask = self._mask, (1 << (SLOTS * len(self._sorted)).bit_length() - 1) - 1
        if self._mask != before:
            self._table = np.zeros(self._mask + 1, np.uint8).data
        entered = recent if self._mask == before else self._sorted
        np.asarray(self._table)[entered.view(">u4").reshape(-1, 4)[:, 0] & self._mask] = 1

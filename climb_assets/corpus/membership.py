"""Which of many hashes repeat, and which are among some wanted ones: the inner loop of finding duplicates and the like.

What belongs here: searching arrays of 32- or 64-bit hashes, whose low bits are as good as random.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUES = 65_536  # that are looked up at a time; bounds memory only
BITS_A_HASH = 32  # of the table: so one in 32 of the values that are not wanted needs a search


def places_among(values: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.int64]:
    """Return the places, ascending, of those hashes that are among the wanted ones (distinct, ascending)."""
    mask = values.dtype.type((1 << (BITS_A_HASH * max(len(wanted), 1)).bit_length()) - 1)
    table = np.zeros(int(mask) + 1, np.bool_)
    table[wanted & mask] = True
    parts = (np.flatnonzero(table[values[at : at + VALUES] & mask]) + at for at in range(0, len(values), VALUES))
    places = np.concatenate([np.empty(0, np.int64), *parts])
    return places[positions_in(wanted, values[places]) >= 0]


def positions_in(ordered: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int64]:
    """Return where each value stands in distinct, ascending ones; -1 where it does not."""
    if not len(ordered):
        return np.full(len(values), -1)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.where(ordered[places] == values, places, -1)


def find_repeated(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values that occur more than once, ascending."""
    ordered = np.sort(values)
    return distinct(ordered[1:][ordered[1:] == ordered[:-1]])


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return each value once, ascending."""
    ordered: NDArray[Any] = np.sort(values)
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    return np.asarray(ordered[first])

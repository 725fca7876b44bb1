"""Apportionment: whole numbers in given proportions, by the largest remainders.

What belongs here: the one rule by which sequences, tokens and grid steps are shared out.
"""

import numpy as np
import numpy.typing as npt

ON_THE_GRID = 1e-6  # a share this near below a whole number is that number, whatever its last bits


def apportion(shares: npt.ArrayLike, total: int) -> npt.NDArray[np.int64]:
    """Return whole numbers (..., K), each less than one away from its share, whose sum is the total.

    Equal remainders go to the lower index.

    Parameters
    ----------
    shares
        Not negative, (..., K); the last axis sums to `total`.
    """
    exact = np.asarray(shares, dtype=np.float64)
    counts = np.floor(exact + ON_THE_GRID).astype(np.int64)
    ranks = np.argsort(np.argsort(counts - exact, axis=-1, kind="stable"), axis=-1, kind="stable")
    apportioned: npt.NDArray[np.int64] = counts + (ranks < total - counts.sum(axis=-1, keepdims=True))
    return apportioned

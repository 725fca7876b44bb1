"""Correlations and their bootstrap intervals, for whatever is compared."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the correlations (...) of values (..., n); NaN where all of a row are equal."""
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    found: NDArray[np.float64] = np.divide((x * y).sum(-1), scale, out=np.full(scale.shape, np.nan), where=scale > 0)
    return found


def percentile_interval(resampled: Sequence[float] | NDArray[np.float64], confidence: float) -> tuple[float, float]:
    """Return the interval that holds this share of resampled values (n,), as many beyond either end; NaN counts not."""
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.asarray(resampled, np.float64), [tail, 1 - tail])
    return float(low), float(high)

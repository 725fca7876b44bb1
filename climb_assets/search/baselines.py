"""The mixtures that need no search.

What belongs here: rules from token counts to one mixture. What a search finds is `climb_assets.mixture.selection`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets.search.simplex import FloatArray, mixture_key, normalise
from climb_assets.tables import read_table, write_rows

BASELINES = pa.schema([("name", pa.string()), ("key", pa.string()), ("weights", pa.list_(pa.float64()))])


def uniform(domains: int) -> FloatArray:
    """Return equal weights (K,): the paper's "Random" baseline is 1/K a cluster (docs/sources.md)."""
    return np.full(domains, 1 / domains)


def token_proportional(tokens: npt.ArrayLike) -> FloatArray:
    """Return weights (K,) in proportion to the tokens (K,) that the domains hold: the corpus as it is."""
    return normalise(tokens)


def write_baselines(path: Path, mixtures: Mapping[str, FloatArray]) -> None:
    """Write named mixtures, in the order of their names."""
    rows = [
        {"name": name, "key": mixture_key(mixtures[name]), "weights": mixtures[name].tolist()}
        for name in sorted(mixtures)
    ]
    write_rows(path, rows, BASELINES)


def read_baselines(path: Path) -> dict[str, tuple[float, ...]]:
    """Read what `write_baselines` wrote."""
    return {row["name"]: tuple(row["weights"]) for row in read_table(path).to_pylist()}

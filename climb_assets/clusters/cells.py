"""Cells: the documents of a cluster within one band of a quality score, where the configuration parts clusters so.

What belongs here: the numbers of cells, and what their bands are called. Assignments have the number of the cell where
they have that of the cluster without cells, so whatever joins by cluster joins by cell. Which cells form a domain is
`domains`.

A cell's number is its cluster's times the number of bands, plus its band; without cells there is one band, and a cell
is a cluster.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from climb_assets.config_cells import Cells
from climb_assets.errors import ConfigError, CorruptArtifact
from climb_assets.tables import read_table


@dataclass(frozen=True, eq=False)
class ShardBands:
    """The band of each document of a shard (documents,), and how many bands there are."""

    band: NDArray[np.int32]
    bands: int


def count_bands(cells: Cells | None) -> int:
    """Return the number of bands into which clusters are parted; 1 where they are not."""
    return 1 if cells is None else cells.bands


def bands_of(scores: NDArray[np.float32], cells: Cells) -> NDArray[np.int32]:
    """Return the band of each score (n,): how many thresholds it reaches.

    Where there is no score (NaN), since nobody could judge the document, it is the highest band: what cannot be judged
    counts as met, as in the rules and in pruning. In a lower one, text in a language that the rules do not know would
    be the poor part of its domain without a fault of its own.
    """
    thresholds = np.array(cells.thresholds, np.float32)  # as scores are kept, so that an equal one reaches it
    reached = np.searchsorted(thresholds, scores, side="right")
    return np.where(np.isnan(scores), cells.bands - 1, reached).astype(np.int32)


def number_cells(cluster: NDArray[np.int32], band: NDArray[np.int32], bands: int) -> NDArray[np.int32]:
    """Return the number of each document's cell (n,), given its cluster and its band (n,)."""
    return cluster * np.int32(bands) + band


def centroids_of_cells(centroids: NDArray[np.float32], bands: int) -> NDArray[np.float32]:
    """Return the centroid of each cell, (clusters x bands, dimension): that of its cluster, (clusters, dimension)."""
    return np.repeat(centroids, bands, axis=0)


def read_bands(documents: Path, scores: Path, cells: Cells) -> ShardBands:
    """Return the bands of a shard's documents.

    Parameters
    ----------
    documents, scores
        ``documents.parquet`` and ``scores.parquet`` of the shard.

    Raises
    ------
    ConfigError
        The dimension is not scored.
    CorruptArtifact
        The scores do not belong to the documents.
    """
    scored = read_table(scores)
    if cells.dimension not in (known := scored.column_names[1:]):
        raise ConfigError(
            f"clusters.cells.dimension names {cells.dimension!r}, which is not scored; known: {', '.join(known)}"
        )
    if not scored["id"].combine_chunks().equals(read_table(documents, ["id"])["id"].combine_chunks()):
        raise CorruptArtifact(f"{scores} is not of the documents of its shard; delete its folder and run `climb up`")
    return ShardBands(bands_of(scored[cells.dimension].to_numpy().astype(np.float32), cells), cells.bands)


def name_band(band: int, cells: Cells) -> str:
    """Return what a band is called, such as ``quality 2 to 3.5``; without a mark that CSV or YAML takes for its own."""
    dimension, (lowest, highest) = cells.dimension.replace("_", " "), bounds_of(band, cells)
    if lowest is None:
        return f"{dimension} below {highest:g}"
    return f"{dimension} {lowest:g} or more" if highest is None else f"{dimension} {lowest:g} to {highest:g}"


def bounds_of(band: int, cells: Cells) -> tuple[float | None, float | None]:
    """Return the least score of a band, and the one at which the next begins; None where there is no bound."""
    edges = (None, *cells.thresholds, None)
    return edges[band], edges[band + 1]

"""Small pictures of clusters, for the metadata of their assets.

What belongs here: drawing. What is drawn is computed elsewhere.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.pictures import encode_png

LEGEND = 20  # domains that are named; as many as the palette has colours


def cluster_map(centroids: NDArray[np.float32], clusters: pa.Table, domains: pa.Table) -> bytes:
    """Draw the clusters' centroids on their two principal axes, coloured by domain, pruned ones as grey crosses.

    The cells of a cluster lie on one point, as rings: a lower band is drawn wider and below.

    Parameters
    ----------
    centroids
        Of each row of clusters, (rows, dimension).
    clusters, domains
        clusters.parquet and domains.parquet of the domains.

    Returns
    -------
    A PNG of some 30 kB.
    """
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = _principal_axes(centroids)
    domain_of = np.array([-1 if domain is None else domain for domain in clusters["domain"].to_pylist()])
    figure = Figure(figsize=(7, 4.2), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)  # no display, no global state
    axes = figure.add_subplot()
    axes.scatter(points[domain_of < 0, 0], points[domain_of < 0, 1], c="lightgrey", marker="x", s=14)
    bands = domains["band"].to_pylist() if "band" in domains.column_names else [0] * domains.num_rows
    for domain, (name, band) in enumerate(zip(domains["name"].to_pylist(), bands, strict=True)):
        label = f"{domain} {name}" if domain < LEGEND else None
        member = domain_of == domain
        colour = colormaps["tab20"](domain % LEGEND)
        size = 22 * (1 + 2 * (max(bands) - band))
        axes.scatter(points[member, 0], points[member, 1], color=colour, s=size, zorder=2 + band, label=label)
    pruned = int((domain_of < 0).sum())
    what = "clusters" if "band" not in domains.column_names else "cells"
    axes.set(xticks=[], yticks=[], title=f"{len(centroids)} {what}, {domains.num_rows} domains, {pruned} pruned")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6, frameon=False)
    return encode_png(figure)


def _principal_axes(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project vectors (n, dimension) on their first two principal axes (n, 2)."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    projected: NDArray[np.float32] = centred @ axes[:2].T
    return projected

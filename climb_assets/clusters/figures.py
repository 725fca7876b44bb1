"""The map of clusters, for the metadata of their asset.

What belongs here: where clusters lie on a picture. How it is drawn is `climb_assets.pictures`.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.pictures.plots import middle
from climb_assets.pictures.scales import scale_over
from climb_assets.pictures.svg import WIDTH, Drawing, colour

HIGH, ROW, LEGEND = 300.0, 17.0, 20  # units; domains that are named


def cluster_map(centroids: NDArray[np.float32], clusters: pa.Table, domains: pa.Table) -> str:
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
    A drawing of some 15 kB; the first eight domains have colours, and all of them their number beside them.
    """
    points = _principal_axes(centroids)
    across = scale_over(points[:, 0].tolist(), 12, WIDTH - 12)
    down = scale_over(points[:, 1].tolist(), HIGH - 8, 22)
    domain_of = [-1 if domain is None else domain for domain in clusters["domain"].to_pylist()]
    names = domains["name"].to_pylist()
    bands = domains["band"].to_pylist() if "band" in domains.column_names else [0] * len(names)
    shown = min(len(names), LEGEND)
    drawing = Drawing(HIGH + 12 + ROW * ((shown + 1) // 2) + (ROW if len(names) > shown else 0))
    for domain in sorted(range(-1, len(names)), key=lambda domain: -1 if domain < 0 else bands[domain]):
        for (x, y), own in zip(points.tolist(), domain_of, strict=True):
            if own != domain:
                continue
            if domain < 0:
                drawing.text(across(x), down(y) + 4, "×", "small muted", "middle")
            else:
                radius = 5 + 3.5 * (max(bands) - bands[domain])
                kind = f"f-{colour(domain)} edge"
                drawing.add(
                    "circle", None, f"{domain} {names[domain]}", cx=across(x), cy=down(y), r=radius, class_=kind
                )
    for domain in range(len(names)):
        own = [(across(x), down(y)) for (x, y), of in zip(points.tolist(), domain_of, strict=True) if of == domain]
        if own:
            x, y = middle(own)
            drawing.text(x, y - 8, str(domain), "small strong halo", "middle")
    pruned, what = domain_of.count(-1), "cells" if "band" in domains.column_names else "clusters"
    drawing.text(0, 12, f"{len(points)} {what}, {len(names)} domains, {pruned} pruned (×)", "strong")
    for place, name in enumerate(names[:shown]):
        x, y = (place % 2) * WIDTH / 2, HIGH + 12 + ROW * (place // 2)
        drawing.add("circle", cx=x + 6, cy=y - 4, r=5, class_=f"f-{colour(place)}")
        drawing.text(x + 16, y, f"{place} {name}", "small", room=WIDTH / 2 - 20)
    if len(names) > shown:
        drawing.text(0, drawing.height - 4, f"and {len(names) - shown} more", "small muted")
    return drawing.render(f"Map of {len(points)} {what} in {len(names)} domains")


def _principal_axes(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Project vectors (n, dimension) on their first two principal axes (n, 2)."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    projected: NDArray[np.float32] = centred @ axes[:2].T
    return projected

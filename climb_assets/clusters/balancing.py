"""Domains of bounded size: clusters are shared out to a number of domains that hold neither too much nor too little.

What belongs here: sharing out within bounds, and what to ask for where nothing keeps them. Which clusters are shared
out, and what domains are called, is `domains`.

It is k-means with bounds (Bradley, Bennett and Demiriz 2000) whose points are the centroids of clusters, each of which
weighs its tokens and goes to one domain as a whole. Whom a domain gets, given the centres of all, is a mixed-integer
program, which HiGHS solves (scipy); so bounds are refused where no way of sharing out keeps them, and not where one
was overlooked.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climb_assets.config_balance import Balance

ROUNDS = 30  # of sharing out and moving the centres; about ten are used
NODES = 50  # of the search tree of one program; most are solved at its root
GAP = 1e-2  # of the objective, within which a solution is taken for the best; bounds hold in any
SLACK = 1e-6  # of all tokens, within which HiGHS keeps a bound
TRIES = 8  # of wider bounds, before any are advised

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """How many domains there are, and the least and the largest share of the tokens that each may hold."""

    domains: int
    least: float
    most: float

    @classmethod
    def of(cls, settings: Balance, tokens: int, needed: float) -> "Bounds":
        """Return the bounds of settings.

        Parameters
        ----------
        tokens
            Of all clusters that are shared out.
        needed
            Tokens that must be there for the target's, ``mixture.tokens / mixture.max_epochs``; where no least share is
            set, each domain holds an equal part of them at least.
        """
        least = needed / (settings.domains * tokens) if settings.smallest_share is None else settings.smallest_share
        return cls(settings.domains, least, settings.largest_share)

    def kept_by(self, shares: NDArray[Any]) -> bool:
        """Return whether the domains' shares of the tokens (domains,) keep the bounds, within `SLACK`."""
        within = (shares >= self.least - SLACK) & (shares <= self.most + SLACK)
        return len(shares) == self.domains and bool(within.all())


def ward_tree(centroids: NDArray[np.floating]) -> Floats:
    """Return the merges of Ward linkage (n - 1, 4) of centroids (n, dimension), the widest distance last."""
    from scipy.cluster.hierarchy import linkage

    tree: Floats = linkage(centroids.astype(np.float64), "ward")
    return tree


def balance_clusters(
    centroids: NDArray[np.float32], tokens: NDArray[np.int64], bounds: Bounds
) -> NDArray[np.int64] | None:
    """Share out clusters to domains.

    Where merging by Ward linkage to this number of domains keeps the bounds, the domains are those.

    Parameters
    ----------
    centroids
        (n, dimension), at least as many as domains.
    tokens
        Of each cluster (n,), all positive.

    Returns
    -------
    A label, 0 to ``domains - 1``, for each cluster (n,); None where no way to share them out keeps the bounds, or none
    is found in reasonable time. The order of the clusters changes nothing but the labels.
    """
    order = np.lexsort((tokens, *centroids.T[::-1]))
    points, shares = centroids[order].astype(np.float64), tokens[order] / tokens.sum()
    labels = np.empty(len(order), np.int64)
    found = _share_out(points, shares, bounds)
    if found is None:
        return None
    labels[order] = found
    return labels


def _share_out(points: Floats, shares: Floats, bounds: Bounds) -> NDArray[np.int64] | None:
    from scipy.cluster.hierarchy import fcluster

    tree = ward_tree(points)
    merged: NDArray[np.int64] = fcluster(tree, bounds.domains, "maxclust").astype(np.int64) - 1
    if bounds.kept_by(np.bincount(merged, shares)):
        return merged
    labels: NDArray[np.int64] | None = None
    centres, spread = _seeds(tree, points, shares, bounds), math.inf
    for _ in range(ROUNDS):
        distances = np.square(points).sum(axis=1)[:, None] + np.square(centres).sum(axis=1) - 2 * points @ centres.T
        found = _assign(distances, shares, bounds)
        if found is None:
            break
        centres = np.array([points[found == domain].mean(axis=0) for domain in range(bounds.domains)])
        of_found = float(np.square(points - centres[found]).sum())
        if of_found >= spread:
            break
        labels, spread = found, of_found
    return labels


def _seeds(tree: Floats, points: Floats, shares: Floats, bounds: Bounds) -> Floats:
    """Return the first centres (domains, dimension): of the largest parts of a cut through Ward's tree.

    The cut is the coarsest in which no part holds too much and as many hold enough as there are domains. So an outlier
    that holds too little is not one of them, as it would be of Ward's own cut.
    """
    members = [[point] for point in range(len(points))]
    for left, right in tree[:, :2].astype(int):
        members.append(members[left] + members[right])
    held = np.array([shares[part].sum() for part in members])
    cut = {len(members) - 1}
    while True:
        divisible = [part for part in cut if part >= len(points)]
        too_large = [part for part in divisible if held[part] > bounds.most]
        few = sum(held[part] >= bounds.least for part in cut) < bounds.domains
        if not too_large and not (few and divisible):
            break
        widest = max(too_large or divisible)  # later merges are wider
        cut = cut - {widest} | {int(part) for part in tree[widest - len(points), :2]}
    largest = sorted(cut, key=lambda part: (-held[part], part))[: bounds.domains]
    return np.array([points[members[part]].mean(axis=0) for part in largest])


def _assign(distances: Floats, shares: Floats, bounds: Bounds) -> NDArray[np.int64] | None:
    """Return the domain of each cluster (n,) at the least sum of distances (n, domains) within the bounds, or None."""
    from scipy.optimize import Bounds as Between
    from scipy.optimize import LinearConstraint, milp
    from scipy.sparse import csr_array, eye_array, kron

    clusters, domains = distances.shape
    ones = np.ones((1, domains))
    each_once = LinearConstraint(kron(eye_array(clusters), ones, format="csr"), 1, 1)
    no_domain_empty = LinearConstraint(kron(np.ones((1, clusters)), eye_array(domains), format="csr"), 1, clusters)
    within = LinearConstraint(
        kron(csr_array(shares[None]), eye_array(domains), format="csr"), bounds.least, bounds.most
    )
    found = milp(
        distances.ravel(),
        integrality=np.ones(distances.size),
        bounds=Between(0, 1),
        constraints=[each_once, no_domain_empty, within],
        options={"node_limit": NODES, "mip_rel_gap": GAP},
    )
    if found.x is None:
        return None
    labels: NDArray[np.int64] = found.x.reshape(clusters, domains).argmax(axis=1)
    return labels if bounds.kept_by(np.bincount(labels, shares, domains)) else None


def explain_unbalanced(centroids: NDArray[np.float32], tokens: NDArray[np.int64], bounds: Bounds) -> str:
    """Return why clusters cannot be shared out within bounds, and what was tried and can be.

    The arguments are those of `balance_clusters`, but for any number of clusters.
    """
    clusters, largest = len(tokens), float(tokens.max() / tokens.sum())
    if clusters < bounds.domains:
        return (
            f"clusters.balance.domains is {bounds.domains} and {clusters} clusters are kept; lower it, raise "
            "clusters.count or lower the thresholds in clusters.prune"
        )
    if largest > bounds.most + SLACK:
        problem = f"one cluster alone holds {largest:.3g} of the tokens and none is split, so raise clusters.count"
    elif bounds.least * bounds.domains > 1 + SLACK:
        times = f"{bounds.least * bounds.domains:.3g} times the tokens of all clusters"
        problem = f"mixture.tokens / mixture.max_epochs is {times}, so add documents, lower mixture.tokens"
    else:
        each = f"{bounds.least:.3g} to {bounds.most:.3g} of the tokens each"
        problem = f"no way was found to part {clusters} clusters into {bounds.domains} domains of {each}: ask for fewer"
    widened = (wider for wider in _widen(bounds, largest) if balance_clusters(centroids, tokens, wider) is not None)
    kept = next(widened)
    keys = f"clusters.balance.largest_share to {kept.most:g} and clusters.balance.smallest_share to {kept.least:g}"
    return f"{problem} or set {keys}, which was tried"


def _widen(bounds: Bounds, largest: float) -> Iterator[Bounds]:
    """Yield wider and wider bounds in thousandths, at last those that any clusters keep."""
    least, most = min(bounds.least, 1 / bounds.domains), max(bounds.most, largest)
    for step in range(TRIES):
        lower, upper = _thousandths(least / 1.5**step, math.floor), _thousandths(most * 1.25**step, math.ceil)
        either = ((_thousandths(least, math.floor), upper), (lower, _thousandths(most, math.ceil)), (lower, upper))
        for tried in dict.fromkeys(either):
            yield Bounds(bounds.domains, *tried)
    yield Bounds(bounds.domains, 0.0, 1.0)


def _thousandths(share: float, rounded: Callable[[float], int]) -> float:
    return min(rounded(1000 * share) / 1000, 1.0)

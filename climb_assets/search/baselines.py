"""The mixtures that an answer is compared with.

What belongs here: rules from token counts, or from one swarm of random mixtures, to one mixture, and their table. Olmix
solves a problem of its own in `climb_assets.search.olmix`; DoReMi trains models; CLIMB as published is the search
itself with other settings.

A baseline is what its authors' rule gives, even where it breaks the limits of the search: the table says so.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.trees import fit_published_trees
from climb_assets.simplex.limits import Limits
from climb_assets.simplex.mixtures import FloatArray, mixture_key, normalise
from climb_assets.tables import read_table, write_rows

BASELINES = pa.schema(
    [
        ("name", pa.string()),
        ("key", pa.string()),
        ("weights", pa.list_(pa.float64())),
        ("breaks_limits", pa.bool_()),
    ]
)

# LightGBM's own leaves and penalties, as RegMix has them. Its notebook stops after 3 rounds on the test set, which a
# search does not have; 3 rounds on a tenth of the rows do worse than the 20 that stay here.
REGMIX = config_search.LightGBM(trees=1000, learning_rate=0.01, max_depth=31, min_leaf=20, l1=0, l2=0)
AVERAGED = 128  # regression.ipynb: k


def uniform(domains: int) -> FloatArray:
    """Return equal weights (K,): the paper's "Random" baseline is 1/K a cluster (docs/sources.md)."""
    return np.full(domains, 1 / domains)


def token_proportional(tokens: npt.ArrayLike) -> FloatArray:
    """Return weights (K,) in proportion to the tokens (K,) that the domains hold: the corpus as it is."""
    return normalise(tokens)


def unimax(tokens: npt.ArrayLike, budget: float, max_epochs: float) -> FloatArray:
    """Return the most uniform weights (K,) that repeat no domain too often (UniMax, arXiv 2304.09151, algorithm 1).

    From the smallest domain on, each gets an equal share of what is left of the budget, or as many of its tokens as
    `max_epochs` allows. A budget that is larger than all that is allowed leaves every domain at the same epochs.

    Parameters
    ----------
    tokens
        Tokens that each domain holds (K,).
    budget
        Tokens that the target model is trained on.
    max_epochs
        How often a domain may be repeated at most.

    Raises
    ------
    ComputeError
        The tokens are not numbers that can be shared out, or there is no budget to share.
    """
    allowed = normalise(tokens) * np.sum(tokens) * max_epochs
    if budget <= 0 or max_epochs <= 0:
        raise ComputeError("UniMax shares out a budget of tokens; set mixture.tokens and mixture.max_epochs above 0")
    given, left = np.zeros(len(allowed)), budget
    for place, domain in enumerate(np.argsort(allowed, kind="stable")):
        given[domain] = min(left / (len(allowed) - place), allowed[domain])
        left -= given[domain]
    return normalise(given)


def regmix(weights: FloatArray, losses: FloatArray, pool: FloatArray, seed: int) -> FloatArray:
    """Return the mixture (K,) of RegMix: the mean of what one LightGBM calls best in a pool (arXiv 2407.01492).

    The settings are those of the authors' notebook, with two departures: they stop early on their test set, here it is
    later and on a tenth of the swarm, and the model is then fitted on all of it. Leaves of 20 cannot split fewer than
    40 mixtures: the model is then constant, and the answer the mean of any part of the pool.

    Parameters
    ----------
    weights, losses
        A swarm of random mixtures (n, K) and their objective (n,), lower is better.
    pool
        Random mixtures (m, K) that are ranked.

    Raises
    ------
    ComputeError
        The swarm is empty or has a loss that is not finite.
    """
    if not len(losses) or not np.isfinite(losses).all():
        raise ComputeError("RegMix needs a swarm with finite losses; leave the proxies out that diverged")
    predicted = fit_published_trees(weights, losses, REGMIX, seed).predict(pool).mean
    best = np.argsort(predicted, kind="stable")[:AVERAGED]
    return normalise(pool[best].mean(axis=0))


def write_baselines(path: Path, mixtures: Mapping[str, FloatArray], limits: Limits) -> None:
    """Write named mixtures, in the order of their names, and whether each breaks the limits of the search."""
    rows = [
        {
            "name": name,
            "key": mixture_key(mixtures[name]),
            "weights": mixtures[name].tolist(),
            "breaks_limits": breaks(mixtures[name], limits),
        }
        for name in sorted(mixtures)
    ]
    write_rows(path, rows, BASELINES)


def breaks(mixture: FloatArray, limits: Limits) -> bool:
    """Return whether a mixture (K,) breaks a limit of the search."""
    return not bool(limits.kept_by(mixture))


def read_baselines(path: Path) -> dict[str, tuple[float, ...]]:
    """Read the weights that `write_baselines` wrote."""
    return {row["name"]: tuple(row["weights"]) for row in read_table(path).to_pylist()}

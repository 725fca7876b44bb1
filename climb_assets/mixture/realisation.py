"""From weights to tokens: how much of each domain a budget can hold.

What belongs here: the plan under the epoch cap, and how far what was written is from what was wanted. The sample that
meets the plan is `climb_assets.mixture.pool`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from climb_assets.errors import ComputeError
from climb_assets.simplex.apportionment import apportion
from climb_assets.simplex.mixtures import FloatArray, check_simplex, normalise


@dataclass(frozen=True)
class Realisation:
    """What a mixture becomes with the tokens that there are.

    Parameters
    ----------
    tokens
        Planned tokens of each domain (K,), whole numbers.
    epochs
        How often each domain's tokens are passed over (K,).
    weights
        The shares that result (K,).
    distance
        L1 distance from the wanted weights, 0 to 2.
    capped
        Which domains are at the cap (K,).
    budget, shortfall
        Wanted tokens in all, and how many of them the caps made impossible.
    """

    tokens: npt.NDArray[np.int64]
    epochs: FloatArray
    weights: FloatArray
    distance: float
    capped: npt.NDArray[np.bool_]
    budget: int
    shortfall: int


def realise(weights: npt.ArrayLike, supply: npt.ArrayLike, budget: int, max_epochs: float) -> Realisation:
    """Return the plan for a token budget under a cap on repetition (Olmix' p_j <= k N_j / R, docs/sources.md).

    What a capped domain cannot give goes to the others in proportion to their weights, until the budget is met
    or every domain of the mixture is at its cap; then the budget is reduced by `shortfall`.

    Parameters
    ----------
    weights
        The mixture (K,).
    supply
        Tokens that each domain holds (K,).
    budget
        Tokens wanted in all.
    max_epochs
        The most that a domain is repeated.

    Raises
    ------
    ComputeError
        The mixture is none, or its domains hold no tokens.
    """
    available = np.asarray(supply, dtype=np.int64)
    wanted = check_simplex(weights, len(available))
    cap = np.floor(max_epochs * available) * (wanted > 0)
    total = int(min(budget, cap.sum()))
    if total < 1:
        raise ComputeError("the domains of this mixture hold no tokens; choose another mixture")
    full = np.zeros(len(wanted), dtype=np.bool_)
    share = np.zeros(len(wanted))
    while not full[wanted > 0].all():  # each round fills a domain or is the last
        below = np.where(full, 0.0, wanted)
        share = (total - cap[full].sum()) * normalise(below)
        over = (below > 0) & (share >= cap)
        if not over.any():
            break
        full |= over
    tokens = apportion(np.where(full, cap, share), total)
    realised = normalise(tokens)
    epochs = np.divide(tokens, available, out=np.zeros(len(tokens)), where=available > 0)
    return Realisation(tokens, epochs, realised, float(np.abs(realised - wanted).sum()), full, budget, budget - total)


@dataclass(frozen=True)
class Written:
    """How far the tokens that are in a data set are from what was wanted.

    Parameters
    ----------
    distance_to_weights
        L1 distance of their shares from the mixture, 0 to 2.
    shortfall
        Tokens that are missing from the budget: what the caps forbid, and what no whole document fits into.
    """

    distance_to_weights: float
    shortfall: int


def measure(weights: FloatArray, tokens: npt.NDArray[np.int64], budget: int) -> Written:
    """Return how far the tokens of a data set are from a mixture.

    Parameters
    ----------
    weights
        The mixture (K,).
    tokens
        Tokens of each domain (K,) that the sample has.
    budget
        Tokens wanted in all.

    Raises
    ------
    ComputeError
        There is no token.
    """
    if not tokens.sum():
        raise ComputeError(
            "no document is short enough for its domain's part of mixture.tokens, so the data set would be empty; "
            "raise mixture.tokens"
        )
    return Written(float(np.abs(normalise(tokens) - weights).sum()), int(budget - tokens.sum()))

"""Shadow prices: what each limit that a mixture sits on costs, by the predictor.

What belongs here: finite differences at an active limit. What the limits are is `climb_assets.simplex.limits`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from climb_assets.search.prediction import Prediction
from climb_assets.simplex.limits import SLACK, Limits
from climb_assets.simplex.mixtures import FloatArray, grid_step, project

RELAXED_BY = 0.01  # weight by which a limit is relaxed for its shadow price; trees see no smaller step


@dataclass(frozen=True)
class ShadowPrice:
    """What an active limit of a mixture costs.

    Parameters
    ----------
    domain
        Number of the domain.
    limit
        The setting that holds its weight, or "floor".
    weight
        Its weight in the mixture.
    price
        Change of the predicted objective, in bits per byte, per unit of weight by which the limit is relaxed. The
        domain takes all of that and the others are scaled to make room; below 0, the limit is in the way.
    """

    domain: int
    limit: str
    weight: float
    price: float

    def in_words(self, names: Sequence[str]) -> str:
        """Return a sentence that says what the price means."""
        move = "less" if self.limit == "floor" else "more"
        return (
            f"{self.limit} holds {names[self.domain]} at {self.weight:.2%}; one point {move} of it would change the "
            f"predicted loss by {self.price * 0.01:+.4f} bits per byte"
        )


def shadow_prices(
    mixture: FloatArray, limits: Limits, predict: Callable[[FloatArray], Prediction], min_weight: float
) -> list[ShadowPrice]:
    """Return the shadow price of each limit that the mixture (K,) sits on, by finite differences of the predictor.

    The domain's weight goes beyond its limit by a hundredth, and the rest is renormalised within its own limits. A
    limit that the others' limits leave no room to relax has no price.

    Parameters
    ----------
    predict
        The predicted objective of mixtures (n, K).
    min_weight
        Names the grid that mixtures lie on: a weight within a step of it of a limit sits on that limit.
    """
    step = grid_step(min_weight)
    capped = (mixture >= limits.ceiling - step) & (limits.ceiling < 1) & (mixture > 0)
    propped = (mixture <= limits.floor + step) & (limits.floor > 0)
    room_above = 1 - (limits.floor.sum() - limits.floor) - mixture
    room_below = np.minimum(mixture, mixture + (limits.ceiling.sum() - limits.ceiling) - 1)
    prices = []
    for active, room, sign in ((capped, room_above, 1), (propped, room_below, -1)):
        for domain in np.flatnonzero(active & (room > SLACK)).tolist():
            move = min(RELAXED_BY, float(room[domain]))
            floor, ceiling = limits.floor.copy(), limits.ceiling.copy()
            floor[domain] = ceiling[domain] = mixture[domain] + sign * move
            before, after = predict(np.stack([mixture, project(mixture, floor, ceiling)])).mean
            limit = limits.causes[domain] if sign > 0 and limits.causes else "ceiling" if sign > 0 else "floor"
            prices.append(ShadowPrice(domain, limit, float(mixture[domain]), float((after - before) / move)))
    return prices

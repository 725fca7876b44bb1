"""The log-linear mixing law: a loss is a floor plus an exponential of a linear function of the mixture.

What belongs here: the law and its least-squares fit (data mixing laws, arXiv 2403.16952, equation 6; Olmix, arXiv
2602.12237, fits the same form to bits per byte).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from climb_assets import config_search
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import FloatArray

DEPTHS = (0.1, 1.0, 10.0)  # starts: the floor lies this many ranges of the losses below the least of them
FREE = 1e-6  # penalty of floor and level: next to none, yet they stay finite where nothing determines them
STEEPEST = 50.0  # exponents are cut here: a step of the fit may overshoot


@dataclass(frozen=True)
class MixingLaw:
    """The law ``floor + exp(level + slopes . w)``.

    Parameters
    ----------
    floor, level
        The loss that no mixture can beat, and the logarithm of what is above it.
    slopes
        Effect of each domain (K,); only their differences matter on the simplex.
    """

    floor: float
    level: float
    slopes: FloatArray

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the law at mixtures (m, K); it has no deviation of its own."""
        return Prediction(self.floor + _rise(self.level, self.slopes, weights), np.zeros(len(weights)))

    @property
    def constant(self) -> bool:
        """Whether all domains have the same effect."""
        return bool(np.ptp(self.slopes) == 0)

    def to_json(self) -> dict[str, Any]:
        """Return the coefficients."""
        return {"floor": self.floor, "level": self.level, "slopes": self.slopes.tolist()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Return the law that made the state."""
        return cls(state["floor"], state["level"], np.array(state["slopes"], dtype=np.float64))


def fit_mixing_law(
    weights: FloatArray, losses: FloatArray, settings: config_search.MixingLaw, *, trust: FloatArray | None = None
) -> MixingLaw:
    """Return the law with the least squared residuals, its slopes shrunk a little so that few rows determine it.

    Levenberg-Marquardt with the analytic Jacobian from three starts: given a floor, the logarithms of what is above it
    are linear in the weights.

    Parameters
    ----------
    weights, losses
        Mixtures (n, K) and their standardised losses (n,).
    trust
        How much each row counts (n,); None: all count 1.
    """
    from scipy.optimize import least_squares

    scale = np.ones(len(losses)) if trust is None else np.sqrt(trust)
    penalty = np.r_[FREE, FREE, np.full(weights.shape[1], settings.shrinkage)]

    def residuals(law: FloatArray) -> FloatArray:
        return np.concatenate([scale * (law[0] + _rise(law[1], law[2:], weights) - losses), penalty * law])

    def jacobian(law: FloatArray) -> FloatArray:
        rise = scale * _rise(law[1], law[2:], weights)
        return np.vstack([np.column_stack([scale, rise, rise[:, None] * weights]), np.diag(penalty)])

    best = min(
        (
            least_squares(residuals, start, jacobian, method="lm", ftol=1e-5, xtol=1e-5, max_nfev=100)
            for start in _starts(weights, losses, trust, settings.shrinkage)
        ),
        key=lambda found: found.cost,
    )
    return MixingLaw(float(best.x[0]), float(best.x[1]), best.x[2:])


def _starts(weights: FloatArray, losses: FloatArray, trust: FloatArray | None, shrinkage: float) -> list[FloatArray]:
    """Return for each of the floors the law (2 + K,) that is a ridge regression of the logarithms."""
    from sklearn.linear_model import Ridge

    starts = []
    for depth in DEPTHS:
        floor = losses.min() - depth * (np.ptp(losses) or 1.0)
        line = Ridge(alpha=shrinkage).fit(weights, np.log(losses - floor), sample_weight=trust)
        starts.append(np.r_[floor, line.intercept_, line.coef_])
    return starts


def _rise(level: float, slopes: FloatArray, weights: FloatArray) -> FloatArray:
    rise: FloatArray = np.exp(np.minimum(level + weights @ slopes, STEEPEST))
    return rise

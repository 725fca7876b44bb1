"""Ridge regression on shares and their logarithms: stiff, cheap, and good at the edges of the simplex.

What belongs here: the features of a mixture and the linear fit. The penalty is scikit-learn's leave-one-out choice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from climb_assets import config_search
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import FloatArray

PENALTIES = np.geomspace(1e-3, 1e4, 22)  # for features of unit variance


@dataclass(frozen=True)
class ShareRidge:
    """A linear function of a mixture's shares and of their logarithms.

    Parameters
    ----------
    offsets
        Added to a share before its logarithm is taken, one set of features for each.
    intercept, slopes
        The function: a number and one slope for each feature (K * (1 + offsets),).
    """

    offsets: tuple[float, ...]
    intercept: float
    slopes: FloatArray

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the function at mixtures (m, K); it has no deviation of its own."""
        return Prediction(self.intercept + _features(weights, self.offsets) @ self.slopes, np.zeros(len(weights)))

    @property
    def constant(self) -> bool:
        """Whether every slope is 0."""
        return not self.slopes.any()

    def to_json(self) -> dict[str, Any]:
        """Return the offsets and the coefficients."""
        return {"offsets": list(self.offsets), "intercept": self.intercept, "slopes": self.slopes.tolist()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Return the function that made the state."""
        return cls(tuple(state["offsets"]), state["intercept"], np.array(state["slopes"], dtype=np.float64))


def fit_share_ridge(
    weights: FloatArray, losses: FloatArray, settings: config_search.ShareRidge, *, trust: FloatArray | None = None
) -> ShareRidge:
    """Return the ridge regression whose penalty predicts left-out rows best, in closed form.

    Parameters
    ----------
    weights, losses
        Mixtures (n, K) and their standardised losses (n,).
    trust
        How much each row counts (n,); None: all count 1.
    """
    from sklearn.linear_model import RidgeCV

    features = _features(weights, settings.offsets)
    centre, spread = features.mean(axis=0), features.std(axis=0)
    spread[spread < 1e-9] = np.inf  # a share that never changes says nothing
    ridge = RidgeCV(PENALTIES).fit((features - centre) / spread, losses, sample_weight=trust)
    slopes = ridge.coef_ / spread
    return ShareRidge(settings.offsets, float(ridge.intercept_ - centre @ slopes), slopes)


def _features(weights: FloatArray, offsets: tuple[float, ...]) -> FloatArray:
    return np.hstack([weights, *(np.log(weights + offset) for offset in offsets)])

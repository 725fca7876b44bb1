"""Predictions: what a fitted regression says of a mixture, and what every family of regressions offers.

What belongs here: the interface that the families and the stack of them share. Which family is used for a task is
`climb_assets.search.predictor`; how far it can be trusted is found in `climb_assets.search.stack`.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from climb_assets.simplex.mixtures import FloatArray


class Prediction(NamedTuple):
    """The predicted losses of mixtures.

    Parameters
    ----------
    mean
        Expected loss (m,).
    deviation
        Standard deviation (m,) of the loss that one proxy would measure, in the same unit.
    """

    mean: FloatArray
    deviation: FloatArray


def remove_noise(prediction: Prediction, noise: float) -> Prediction:
    """Return the prediction of what mixtures are worth: the noise of a proxy's seed is no reason to measure one.

    Parameters
    ----------
    noise
        Standard deviation between seeds of one mixture.
    """
    return Prediction(prediction.mean, np.sqrt(np.maximum(prediction.deviation**2 - noise**2, 0.0)))


class Member(Protocol):
    """A fitted regression from mixtures to standardised losses; it never changes."""

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the prediction for mixtures (m, K); the deviation is 0 where the family has none of its own."""
        ...

    @property
    def constant(self) -> bool:
        """Whether it predicts one number for every mixture."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return all that `from_json` needs, as plain JSON values."""
        ...

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Return the regression that made the state."""
        ...


class FitMember(Protocol):
    """Fits a regression."""

    def __call__(self, weights: FloatArray, losses: FloatArray, *, trust: FloatArray | None) -> Member:
        """Return the regression of mixtures (n, K) and standardised losses (n,).

        Parameters
        ----------
        trust
            How much each row counts (n,), above 0 and at most 1; None: all count 1.
        """
        ...


class OutOfFold(NamedTuple):
    """What a predictor said of the rows it was fitted on, each by members that had not seen it.

    Parameters
    ----------
    mean
        Predicted loss (n,), in the order of the rows.
    blind
        Whether the members of a fold were constant: the means of folds rank against the left-out rows.
    """

    mean: FloatArray
    blind: bool

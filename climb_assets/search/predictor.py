"""Predictors: from a mixture to a task's loss.

What belongs here: regression models and their files. Which rows they are fitted on is `climb_assets.search.iteration`.
"""

from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from climb_assets import config
from climb_assets.artifacts import write_atomically
from climb_assets.errors import ComputeError
from climb_assets.randomness import derived_seed, generator
from climb_assets.search.simplex import FloatArray


class Predictor(Protocol):
    """A regression from mixtures to one task's loss; its file is text that anybody can read."""

    def fit(self, weights: FloatArray, losses: FloatArray) -> Self:
        """Fit on mixtures (n, K) and their losses (n,)."""
        ...

    def predict(self, weights: FloatArray) -> FloatArray:
        """Return the predicted loss (m,) of mixtures (m, K)."""
        ...

    def save(self, path: Path) -> None:
        """Write the fitted model."""
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote; the result predicts."""
        ...

    @property
    def constant(self) -> bool:
        """Whether the fitted model predicts one number for every mixture."""
        ...


def new_predictor(settings: config.Predictor, seed: int) -> Predictor:
    """Return an unfitted predictor of the configured kind."""
    return LightGBMPredictor(settings, seed)


def load_predictor(path: Path) -> Predictor:
    """Read a fitted predictor."""
    return LightGBMPredictor.load(path)


class LightGBMPredictor:
    """Gradient-boosted trees as published (paper section 3.1, completed from NVIDIA's 8_predict.py).

    The L1 penalty depends on the target's scale (docs/sources.md: NVIDIA multiplies accuracies by 100), so it is
    multiplied by the standard deviation of the losses. That equals fitting standardised losses, and the
    model file still predicts the loss itself.

    Departure, recorded: the number of trees comes from early stopping on a random 10 % as published; then the model is
    fitted again on all rows with that number, because the published final model never sees the 10 %
    (refit: Spearman .606 -> .633, docs/sources.md).
    """

    def __init__(self, settings: config.Predictor, seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._booster: Any = None

    def fit(self, weights: FloatArray, losses: FloatArray) -> Self:
        """Fit on mixtures (n, K) and their losses (n,); see the class.

        Fewer than two leaves' worth of rows cannot be split: the model is then `constant`.

        Raises
        ------
        ComputeError
            There are no rows, or a loss is not finite.
        """
        import lightgbm

        if not len(losses) or not np.isfinite(losses).all():
            raise ComputeError("a predictor needs at least one mixture with a finite loss; see which proxies diverged")
        settings = self._settings
        parameters = {
            "objective": "regression",
            "metric": "l2",
            "learning_rate": settings.learning_rate,
            "max_depth": settings.max_depth,
            "min_data_in_leaf": settings.min_leaf,
            "lambda_l1": settings.l1 * float(np.std(losses)),
            "lambda_l2": settings.l2,
            "seed": derived_seed(self._seed, "lightgbm"),
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": 1,
            "verbosity": -1,
        }

        def data(rows: npt.NDArray[np.int64]) -> Any:
            return lightgbm.Dataset(weights[rows], losses[rows], params=parameters)

        trees, held_out = 1, max(1, int(len(losses) * settings.validation))
        if len(losses) - held_out >= 2 * settings.min_leaf:
            order = generator(self._seed, "validation").permutation(len(losses))
            fitted, watched = data(order[held_out:]), data(order[:held_out])
            stop = lightgbm.early_stopping(settings.early_stopping, verbose=False)
            trees = lightgbm.train(
                parameters, fitted, settings.trees, valid_sets=[watched], callbacks=[stop]
            ).best_iteration
        self._booster = lightgbm.train(parameters, data(np.arange(len(losses))), trees)
        return self

    def predict(self, weights: FloatArray) -> FloatArray:
        """Return the predicted loss (m,) of mixtures (m, K)."""
        return np.asarray(self._booster.predict(weights, num_threads=1), dtype=np.float64)

    def save(self, path: Path) -> None:
        """Write LightGBM's text model."""
        write_atomically(path, self._booster.model_to_string().encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read LightGBM's text model; the result predicts, and `fit` starts afresh with the default settings.

        Raises
        ------
        ComputeError
            The file is not a LightGBM model.
        """
        import lightgbm

        predictor = cls(config.Predictor(), 0)
        try:
            predictor._booster = lightgbm.Booster(model_str=path.read_text())
        except lightgbm.basic.LightGBMError as error:
            raise ComputeError(f"{path} is not a LightGBM model ({error}); fit the predictors again") from None
        return predictor

    @property
    def constant(self) -> bool:
        """Whether no tree splits."""
        return not self._booster.feature_importance("split").any()

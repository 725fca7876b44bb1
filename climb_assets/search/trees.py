"""Gradient-boosted trees: LightGBM as published, and small trees for few rows.

What belongs here: LightGBM's parameters, fits and text models. Both families are one function with other settings.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from climb_assets import config_search
from climb_assets.randomness import derived_seed, generator
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import FloatArray

ONE_THREAD = {"num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1}  # 22 times faster


class Trees:
    """A fitted LightGBM model."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the sum of the trees at mixtures (m, K); trees have no deviation of their own."""
        mean = np.asarray(self._booster.predict(weights, num_threads=1), dtype=np.float64)
        return Prediction(mean, np.zeros(len(weights)))

    @property
    def constant(self) -> bool:
        """Whether no tree splits."""
        return not self._booster.feature_importance("split").any()

    def to_json(self) -> dict[str, Any]:
        """Return LightGBM's text model."""
        return {"model": self._booster.model_to_string()}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Return the model of the text.

        Raises
        ------
        ValueError
            The text is not a LightGBM model.
        """
        import lightgbm

        try:
            return cls(lightgbm.Booster(model_str=state["model"]))
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"no LightGBM model: {error}") from None


def fit_published_trees(
    weights: FloatArray,
    losses: FloatArray,
    settings: config_search.LightGBM,
    seed: int,
    *,
    trust: FloatArray | None = None,
) -> Trees:
    """Return the trees as published (paper section 3.1, completed from NVIDIA's 8_predict.py).

    The L1 penalty depends on the target's scale (docs/sources.md: NVIDIA multiplies accuracies by 100); here it is for
    standardised losses. Fewer than two leaves' worth of rows cannot be split: the model is then constant.

    Departure, recorded: the number of trees comes from early stopping on a random 10 % as published; then the model is
    fitted again on all rows with that number, because the published final model never sees the 10 %
    (refit: Spearman .606 -> .633, docs/sources.md).

    Parameters
    ----------
    weights, losses
        Mixtures (n, K) and their standardised losses (n,).
    trust
        How much each row counts (n,); None: all count 1.
    """
    trees, held_out = 1, max(1, int(len(losses) * settings.validation))
    if len(losses) - held_out >= 2 * settings.min_leaf:
        order = generator(seed, "validation").permutation(len(losses))
        fitted, watched = order[held_out:], order[:held_out]
        rows, others = (weights[fitted], losses[fitted]), (weights[watched], losses[watched])
        counted = None if trust is None else (trust[fitted], trust[watched])
        trees = stop_early(rows, others, settings, seed, counted).best_iteration
    return _train(weights, losses, trust, _published(settings, seed), trees)


def stop_early(
    fitted: tuple[FloatArray, FloatArray],
    watched: tuple[FloatArray, FloatArray],
    settings: config_search.LightGBM,
    seed: int,
    trust: tuple[FloatArray, FloatArray] | None = None,
) -> Any:
    """Return the booster of `fitted` mixtures and losses; its `best_iteration` trees serve the `watched` ones best.

    With the test set as the watched rows this is RegMix's own protocol (arXiv 2407.01492).

    Parameters
    ----------
    trust
        How much each of the fitted and of the watched rows counts; None: all count 1.
    """
    import lightgbm

    parameters = _published(settings, seed)
    data = lightgbm.Dataset(*fitted, weight=trust and trust[0], params=parameters)
    stop = lightgbm.early_stopping(settings.early_stopping, verbose=False)
    held_out = lightgbm.Dataset(*watched, weight=trust and trust[1], reference=data)
    return lightgbm.train(parameters, data, settings.trees, valid_sets=[held_out], callbacks=[stop])


def _published(settings: config_search.LightGBM, seed: int) -> dict[str, Any]:
    return ONE_THREAD | {
        "objective": "regression",
        "metric": list(settings.metrics),
        "learning_rate": settings.learning_rate,
        "max_depth": settings.max_depth,
        "min_data_in_leaf": settings.min_leaf,
        "lambda_l1": settings.l1,
        "lambda_l2": settings.l2,
        "seed": derived_seed(seed, "lightgbm"),
    }


def fit_small_trees(
    weights: FloatArray,
    losses: FloatArray,
    settings: config_search.SmallTrees,
    seed: int,
    *,
    trust: FloatArray | None = None,
) -> Trees:
    """Return stochastic gradient boosting of small trees (Friedman 2002), which a dozen rows can already split.

    Every tree sees a share of the rows and every split a share of the domains: that averages like bootstraps of the
    whole model, at the cost of one.

    Parameters
    ----------
    weights, losses
        Mixtures (n, K) and their standardised losses (n,).
    trust
        How much each row counts (n,); None: all count 1.
    """
    parameters = ONE_THREAD | {
        "objective": "regression",
        "learning_rate": settings.learning_rate,
        "max_depth": settings.max_depth,
        "min_data_in_leaf": settings.min_leaf,
        "min_data_in_bin": 1,
        "bagging_fraction": settings.subsample,
        "bagging_freq": 1,
        "feature_fraction_bynode": settings.features,
        "seed": derived_seed(seed, "small trees"),
    }
    return _train(weights, losses, trust, parameters, settings.trees)


def _train(
    weights: FloatArray, losses: FloatArray, trust: FloatArray | None, parameters: dict[str, Any], trees: int
) -> Trees:
    import lightgbm

    return Trees(lightgbm.train(parameters, lightgbm.Dataset(weights, losses, weight=trust, params=parameters), trees))

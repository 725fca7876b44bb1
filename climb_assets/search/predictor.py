"""Predictors: from a mixture to a task's loss.

What belongs here: the one interface of all predictors, which families there are, and their files. Which rows they are
fitted on is `climb_assets.search.iteration`.
"""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Self

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.randomness import derived_seed
from climb_assets.search.gaussian_process import GaussianProcess, fit_gaussian_process
from climb_assets.search.mixing_law import MixingLaw, fit_mixing_law
from climb_assets.search.prediction import FitMember, Member, OutOfFold, Prediction
from climb_assets.search.share_ridge import ShareRidge, fit_share_ridge
from climb_assets.search.stack import Stack
from climb_assets.search.trees import Trees, fit_published_trees, fit_small_trees
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import write_atomically

__all__ = ["Prediction", "Predictor", "load_predictor", "new_predictor", "save_predictor"]

FAMILIES: dict[config_search.Family, type[Member]] = {
    "lightgbm": Trees,
    "small_trees": Trees,
    "gaussian_process": GaussianProcess,
    "gaussian_process_ard": GaussianProcess,
    "share_ridge": ShareRidge,
    "mixing_law": MixingLaw,
}


class Predictor(Protocol):
    """A regression from mixtures to one task's loss; its file is text that anybody can read."""

    def fit(self, weights: FloatArray, losses: FloatArray, trust: FloatArray | None = None) -> Self:
        """Fit on mixtures (n, K) and their losses (n,), each of which counts as much as it is trusted (n,)."""
        ...

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the predicted losses of mixtures (m, K)."""
        ...

    def predict_cautiously(self, weights: FloatArray, caution: float) -> FloatArray:
        """Return what mixtures (m, K) are ranked by where one is chosen that nobody measured."""
        ...

    @property
    def constant(self) -> bool:
        """Whether the fitted predictor says the same of every mixture."""
        ...

    @property
    def diagnostics(self) -> dict[str, Any]:
        """What it is made of and how its parts fared, as plain JSON values."""
        ...

    @property
    def out_of_fold(self) -> OutOfFold | None:
        """What was predicted of the rows of the last fit by members that had not seen them."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the fitted predictor as plain JSON values."""
        ...


def new_predictor(settings: config_search.Predictor, seed: int) -> Predictor:
    """Return an unfitted predictor of the configured kind; a single family is a stack of one."""
    kinds = settings.members if settings.kind == "stack" else (settings.kind,)
    fits = member_fits(settings, derived_seed(seed, "members"))
    return Stack({kind: fits[kind] for kind in kinds}, settings.folds, seed)


def member_fits(settings: config_search.Predictor, seed: int) -> dict[config_search.Family, FitMember]:
    """Return for each family the function that fits it."""
    process = partial(fit_gaussian_process, settings=settings.gaussian_process)
    return {
        "lightgbm": partial(fit_published_trees, settings=settings.lightgbm, seed=seed),
        "small_trees": partial(fit_small_trees, settings=settings.small_trees, seed=seed),
        "gaussian_process": partial(process, per_domain=False),
        "gaussian_process_ard": partial(process, per_domain=True),
        "share_ridge": partial(fit_share_ridge, settings=settings.share_ridge),
        "mixing_law": partial(fit_mixing_law, settings=settings.mixing_law),
    }


def save_predictor(path: Path, predictor: Predictor) -> None:
    """Write a fitted predictor: one JSON file."""
    write_atomically(path, canonical_json({"kind": "stack", "state": predictor.to_json()}).encode())


def load_predictor(path: Path) -> Predictor:
    """Read what `save_predictor` wrote; the result predicts.

    Raises
    ------
    ComputeError
        The file holds no predictor.
    """
    try:
        record: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Stack.from_json(record["state"], FAMILIES)
    except (ValueError, KeyError, TypeError) as error:
        raise ComputeError(f"{path} holds no predictor ({error!r}); fit the predictors again") from None

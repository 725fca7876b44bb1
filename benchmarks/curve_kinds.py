"""What a search could take of a proxy's curve as evidence: scores of a mixture, and a predictor of all points at once.

What belongs here: from curves to scores and predictions, and how well these rank mixtures. Where curves are from is
`curve_evidence`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from climb_assets import config_search
from climb_assets.randomness import derived_seed
from climb_assets.search.objectives import objective_loss
from climb_assets.search.prediction import FitMember, Member, Prediction
from climb_assets.search.predictor import member_fits
from climb_assets.search.replay import regret
from climb_assets.search.stack import Stack
from climb_assets.simplex.mixtures import FloatArray

EXPONENTS = np.geomspace(0.05, 2.0, 30)  # of the power laws
LAST, ALL_POINTS = "last", "all points, share of tokens as a feature"


def fit_laws(curves: FloatArray, shares: FloatArray, at: float, *, common: bool) -> FloatArray:
    """Return a + b at^-c (n,) of a power law of each curve (n, P), by least squares over all its points.

    Parameters
    ----------
    shares
        Tokens at each point (P,), as shares of a proxy's.
    at
        Tokens where the law is read, in the same unit.
    common
        One exponent for all curves, or one for each.
    """
    errors, values = [], []
    for exponent in EXPONENTS:
        powers = np.column_stack([np.ones(len(shares)), shares**-exponent])
        found, *_ = np.linalg.lstsq(powers, curves.T)
        errors.append(((curves.T - powers @ found) ** 2).sum(axis=0))
        values.append(np.array([1.0, at**-exponent]) @ found)
    best = np.argmin(errors, axis=0)
    if common:
        best = np.full(len(curves), np.argmin(np.sum(errors, axis=1)))
    return np.array(values)[best, np.arange(len(curves))]


@dataclass(frozen=True)
class Study:
    """Curves with what they ought to tell.

    Parameters
    ----------
    mixtures
        (n, K), all different.
    curves
        For each task the losses of each mixture at each point (n, P).
    shares
        Tokens at each point, as shares of a proxy's (P,); the last is 1.
    horizon
        Tokens of a target, in the same unit.
    truth
        Loss of the objective of each mixture (n,), as targets say.
    objective
        Weight of each task.
    """

    mixtures: FloatArray
    curves: Mapping[str, FloatArray]
    shares: FloatArray
    horizon: float
    truth: FloatArray
    objective: Mapping[str, float]

    def scores(self) -> dict[str, dict[str, FloatArray]]:
        """Return for each kind of evidence a score of each mixture (n,) on each task."""
        scored: dict[str, dict[str, FloatArray]] = {}
        for task, curves in self.curves.items():
            of_task = {
                LAST: curves[:, -1],
                "mean of the last 2": curves[:, -2:].mean(axis=1),
                "mean of the last 3": curves[:, -3:].mean(axis=1),
                "mean of all": curves.mean(axis=1),
                "law of each, at its end": fit_laws(curves, self.shares, 1.0, common=False),
                "law of each, at the target": fit_laws(curves, self.shares, self.horizon, common=False),
                "one exponent, at the target": fit_laws(curves, self.shares, self.horizon, common=True),
            }
            for kind, score in of_task.items():
                scored.setdefault(kind, {})[task] = score
        return scored

    def rank(self, scores: Mapping[str, FloatArray]) -> float:
        """Return the rank correlation of a kind's scores with the truth."""
        return float(spearmanr(objective_loss(scores, self.objective), self.truth)[0])

    def predict(self, rows: FloatArray, seed: int) -> dict[str, tuple[float, float]]:
        """Return for each kind how predictors fitted on some rank the others: rank correlation, regret of the pick.

        Parameters
        ----------
        rows
            Which mixtures are measured, bool (n,).
        """
        losses = {
            kind: {
                task: Stack(self._members(seed), 5, derived_seed(seed, task))
                .fit(self.mixtures[rows], score[rows])
                .predict(self.mixtures[~rows])
                .mean
                for task, score in scores.items()
            }
            for kind, scores in self.scores().items()
        }
        losses[ALL_POINTS] = {
            task: fit_all_points(
                self._members(seed), self.mixtures, curves, self.shares, rows, derived_seed(seed, task)
            )
            for task, curves in self.curves.items()
        }
        truth, found = self.truth[~rows], {}
        for kind, predicted in losses.items():
            loss = objective_loss(predicted, self.objective)
            found[kind] = (float(spearmanr(loss, truth)[0]), float(regret(truth[np.argmin(loss)], truth)))
        return found

    @staticmethod
    def _members(seed: int) -> dict[config_search.Family, FitMember]:
        settings = config_search.Predictor()
        known = member_fits(settings, derived_seed(seed, "members"))
        return {name: known[name] for name in settings.members}


def fit_all_points(
    members: Mapping[config_search.Family, FitMember],
    mixtures: FloatArray,
    curves: FloatArray,
    shares: FloatArray,
    rows: FloatArray,
    seed: int,
) -> FloatArray:
    """Return the losses at the end (m,) that a stack predicts of the other mixtures: its members see every point.

    A member's rows are the points of its mixtures, with the share of tokens as one more input. The stack sees
    mixtures and last values only, so its folds and its weights leave out whole curves.
    """
    scaled = (curves - curves[rows, -1].mean()) / curves[rows, -1].std()
    place = {mixture.tobytes(): row for row, mixture in enumerate(mixtures)}

    def see_points(fit: FitMember) -> FitMember:
        def fit_points(weights: FloatArray, losses: FloatArray, *, trust: FloatArray | None) -> Member:
            chosen = scaled[[place[mixture.tobytes()] for mixture in weights]]
            inputs = np.column_stack([np.repeat(weights, len(shares), axis=0), np.tile(shares, len(weights))])
            return AtTheEnd(fit(inputs, chosen.ravel(), trust=None))  # type: ignore[return-value]

        return fit_points

    stack = Stack({name: see_points(fit) for name, fit in members.items()}, 5, seed)
    return stack.fit(mixtures[rows], curves[rows, -1]).predict(mixtures[~rows]).mean


@dataclass(frozen=True)
class AtTheEnd:
    """A member fitted on points, asked at the end of a proxy."""

    member: Member

    @property
    def constant(self) -> bool:
        """Whether it predicts one number for every mixture."""
        return self.member.constant

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the prediction for mixtures (m, K)."""
        return self.member.predict(np.column_stack([weights, np.ones(len(weights))]))

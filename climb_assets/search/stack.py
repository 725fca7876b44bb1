"""The stack: one predictor of a task, made of as many families as cross-validation likes.

What belongs here: folds, the weights of the members and the calibration of what they say. A family that is asked for
alone is a stack of one, so that every predictor knows how well it predicts what it has not seen.
"""

import functools
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import numpy.typing as npt

from climb_assets.config_search import Family
from climb_assets.errors import ComputeError
from climb_assets.randomness import generator
from climb_assets.search.prediction import FitMember, Member, OutOfFold, Prediction
from climb_assets.simplex.mixtures import FloatArray

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

LEAVE_ONE_OUT_BELOW = 10  # rows; a fold of five would hold one row then
LEAST_ROWS = 3  # different mixtures; fewer teach only their mean
ORDINARY = 1.5  # times the typical error of left-out rows: a deviation up to this counts against no mixture
SHRINKAGE = 0.05  # of the members' weights towards equal ones, as a share of their mean squared error


@dataclass(frozen=True)
class Calibration:
    """How standardised predictions become losses, and what members say of their variance becomes a deviation.

    Parameters
    ----------
    centre, spread
        Mean and standard deviation of the losses.
    scale, extra
        The variance of a standardised prediction is `scale` times what the members say, plus `extra`.
    error
        Mean square of the out-of-fold residuals of standardised losses.
    """

    centre: float
    spread: float
    scale: float = 0.0
    extra: float = 1.0
    error: float = 1.0

    def restore(self, mean: FloatArray, variance: FloatArray) -> Prediction:
        """Return the losses for standardised means (m,) and the members' variances (m,)."""
        deviation = np.sqrt(self.scale * variance + self.extra)
        return Prediction(self.centre + self.spread * mean, self.spread * deviation)


class Stack:
    """A weighted mean of members that were each fitted on all rows (stacked regressions, Breiman 1996).

    The weights are not negative, sum to 1 and minimise the squared error of out-of-fold predictions, shrunk a little
    towards equal ones. The variance of a prediction is the members' own and their disagreement, brought to the mean
    square of the out-of-fold residuals: what is missing there is added everywhere, what is too much scales it down.

    Parameters
    ----------
    fits
        For each member the function that fits it to mixtures (n, K) and standardised losses (n,).
    folds
        Number of folds of the cross-validation; with fewer than ten different mixtures each of them is one.
    seed
        Of the folds.
    """

    def __init__(self, fits: Mapping[Family, FitMember], folds: int, seed: int) -> None:
        self._fits = {name: fits[name] for name in sorted(fits)}
        self._folds = folds
        self._seed = seed
        self._calibration = Calibration(0.0, 0.0)
        self._weights: dict[Family, float] = {}
        self._members: dict[Family, Member] = {}
        self._diagnostics: dict[str, Any] = {}
        self._out_of_fold: OutOfFold | None = None

    def fit(self, weights: FloatArray, losses: FloatArray, trust: FloatArray | None = None) -> Self:
        """Fit on mixtures (n, K) and their losses (n,); fewer than three mixtures, or equal losses, teach their mean.

        Parameters
        ----------
        trust
            How much each row counts (n,), from 0 to 1; None: all count 1. A row of 0 is predicted and teaches nothing.

        Raises
        ------
        ComputeError
            There are no rows, or a weight or a loss is not finite.
        """
        if not len(losses) or not np.isfinite(losses).all() or not np.isfinite(weights).all():
            raise ComputeError("a predictor needs at least one mixture with a finite loss; see which proxies diverged")
        trust = np.ones(len(losses)) if trust is None else trust
        used = trust > 0
        every, weights, losses, trust = weights, weights[used], losses[used], trust[used]
        if not len(losses):
            raise ComputeError("a predictor needs at least one mixture that is believed; look at search.evidence")
        equal = bool(np.ptp(losses) == 0)
        centre = float(losses[0] if equal else np.average(losses, weights=trust))
        spread = 0.0 if equal else float(np.sqrt(np.average((losses - centre) ** 2, weights=trust)))
        self._calibration = Calibration(centre, spread)
        self._weights, self._members, self._out_of_fold = {}, {}, None
        self._diagnostics = {"rows": len(losses), "members": {}}
        if not equal and len(np.unique(weights, axis=0)) >= LEAST_ROWS:
            with one_blas_thread():
                held_out = self._fit_members(weights, (losses - centre) / spread, trust)
            mean = self.predict(every).mean  # rows that taught nothing are held out as well
            mean[used] = held_out.mean
            self._out_of_fold = OutOfFold(mean, held_out.blind)
        return self

    def _fit_members(self, weights: FloatArray, losses: FloatArray, trust: FloatArray) -> OutOfFold:
        fold_of = assign_folds(weights, self._folds, self._seed)
        folds = [fold_of == fold for fold in np.unique(fold_of)]
        means, variances = np.empty((2, len(self._fits), len(losses)))
        blind = False
        for out in folds:
            members = [_fit(fit, weights[~out], losses[~out], trust[~out]) for fit in self._fits.values()]
            blind |= all(member.constant for member in members)
            for row, member in enumerate(members):
                means[row, out], deviation = member.predict(weights[out])
                variances[row, out] = deviation**2
        mean, variance = np.empty((2, len(losses)))
        for out in folds:  # the weights too must not have seen the rows that they are judged on
            mean[out], variance[out] = combine(
                means[:, out], variances[:, out], weigh(means[:, ~out], losses[~out], trust[~out])
            )
        shares = weigh(means, losses, trust)
        error = float(np.average((losses - mean) ** 2, weights=trust))
        said = float(np.average(variance, weights=trust))
        centre, spread = self._calibration.centre, self._calibration.spread
        scale = min(1.0, error / said) if said else 0.0
        self._calibration = Calibration(centre, spread, scale, max(0.0, error - said), error)
        self._weights = {name: float(share) for name, share in zip(self._fits, shares, strict=True) if share > 0}
        self._members = {name: _fit(self._fits[name], weights, losses, trust) for name in self._weights}
        self._diagnostics["members"] = {
            name: {
                "weight": float(share),
                "spearman": rank_correlation(predicted, losses),
                "residual_sd": spread * float(np.sqrt(np.average((losses - predicted) ** 2, weights=trust))),
            }
            for name, share, predicted in zip(self._fits, shares, means, strict=True)
        }
        return OutOfFold(self._calibration.restore(mean, variance).mean, blind)

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the prediction for mixtures (m, K): the mean, and the deviation of what one proxy would measure."""
        if not self._members:
            return self._calibration.restore(np.zeros(len(weights)), np.zeros(len(weights)))
        with one_blas_thread():
            said = [member.predict(weights) for member in self._members.values()]
        means, deviations = np.array([one.mean for one in said]), np.array([one.deviation for one in said])
        return self._calibration.restore(*combine(means, deviations**2, np.array([*self._weights.values()])))

    def predict_cautiously(self, weights: FloatArray, caution: float) -> FloatArray:
        """Return what mixtures (m, K) are ranked by where one is chosen unmeasured: mean and what it may err beyond.

        The least of many means is one that errs in its own favour, most of all far from what was measured, where no
        out-of-fold residual has held the members to account. So a deviation counts, `caution` times, as far as it is
        above what is ordinary among left-out rows. At 1 a member of less than half of the weight that promises far more
        than the others adds more to the deviation than it takes from the mean.
        """
        predicted = self.predict(weights)
        ordinary = ORDINARY * self._calibration.spread * np.sqrt(self._calibration.error)
        ranked: FloatArray = predicted.mean + caution * np.maximum(predicted.deviation - ordinary, 0.0)
        return ranked

    @property
    def constant(self) -> bool:
        """Whether it predicts one number for every mixture."""
        return all(member.constant for member in self._members.values())

    @property
    def diagnostics(self) -> dict[str, Any]:
        """The number of rows and for each member its weight and how its out-of-fold predictions fared."""
        return self._diagnostics

    @property
    def out_of_fold(self) -> OutOfFold | None:
        """Predictions of the rows of the last `fit`; None after `from_json` and where only the mean was learnt."""
        return self._out_of_fold

    def to_json(self) -> dict[str, Any]:
        """Return all that `from_json` needs, as plain JSON values."""
        return {
            "calibration": asdict(self._calibration),
            "weights": self._weights,
            "members": {name: member.to_json() for name, member in self._members.items()},
            "diagnostics": self._diagnostics,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any], families: Mapping[Family, type[Member]]) -> Self:
        """Return a stack that predicts what the one of the state predicts; it cannot be fitted again."""
        stack = cls({}, folds=0, seed=0)
        stack._calibration = Calibration(**state["calibration"])
        stack._members = {name: families[name].from_json(member) for name, member in sorted(state["members"].items())}
        stack._weights = {name: state["weights"][name] for name in stack._members}
        stack._diagnostics = state["diagnostics"]
        return stack


def _fit(fit: FitMember, weights: FloatArray, losses: FloatArray, trust: FloatArray) -> Member:
    """Return a member; where all rows count 1 it is not told, so that its sums are those of an unweighted fit."""
    return fit(weights, losses, trust=None if (trust == 1).all() else trust)


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return the context in which sums have one order: those of several threads differ in the last bit."""
    return cast(AbstractContextManager[Any], _find_blas().limit(limits=1, user_api="blas"))


@functools.cache
def _find_blas() -> "ThreadpoolController":
    """Return what holds the threads of NumPy's BLAS and SciPy's; looking for them goes through every loaded library."""
    import scipy.linalg  # noqa: F401 - brings a BLAS of its own; only those that are loaded are held
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def assign_folds(weights: FloatArray, folds: int, seed: int) -> npt.NDArray[np.int64]:
    """Return the fold (n,) of each of the mixtures (n, K); equal ones share it, or they would tell on each other."""
    different, group_of = np.unique(weights, axis=0, return_inverse=True)
    count = len(different)
    folds = count if count < LEAVE_ONE_OUT_BELOW else min(folds, count)
    fold_of: npt.NDArray[np.int64] = (generator(seed, "folds").permutation(count) % folds)[group_of]
    return fold_of


def weigh(means: FloatArray, losses: FloatArray, trust: FloatArray) -> FloatArray:
    """Return the members' weights (m,): not negative, sum 1, least squared error of their weighted mean.

    Scaled to sum 1, the non-negative least-squares solution with one further row, "the sum is 1", is exact. Rows of the
    identity shrink towards equal weights, because the errors of few rows separate members badly.

    Parameters
    ----------
    means, losses, trust
        Out-of-fold predictions (m, n), what was measured (n,), and how much each row counts (n,).
    """
    from scipy.optimize import nnls

    errors = np.sqrt(trust) * (means - losses)
    shrinkage = np.sqrt(SHRINKAGE * np.sum(errors**2) / len(means)) * np.eye(len(means))
    members = np.vstack([errors.T, shrinkage, np.ones(len(means))])
    shares, _ = nnls(members, np.r_[np.zeros(len(members) - 1), 1.0])
    weights: FloatArray = shares / shares.sum()
    return weights


def combine(means: FloatArray, variances: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean (n,) and variance (n,) of the mixture of members: their own variances and their disagreement.

    Parameters
    ----------
    means, variances
        What each member says (m, n).
    weights
        Of the members (m,), sum 1.
    """
    mean = weights @ means
    return mean, weights @ (variances + (means - mean) ** 2)


def rank_correlation(predicted: FloatArray, measured: FloatArray) -> float | None:
    """Return Spearman's correlation of two series (n,); None where one is constant or there are fewer than three."""
    from scipy.stats import spearmanr

    if len(measured) < 3 or np.ptp(predicted) == 0 or np.ptp(measured) == 0:
        return None
    return float(spearmanr(predicted, measured).statistic)

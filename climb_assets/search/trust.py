"""How far the rows of a search's evidence are believed: by what they moved, and by what the search's own rows say.

What belongs here: one number for each row of a history, from 0 to 1. The rows come from `climb_assets.search.evidence`;
what a fit does with the number belongs to each family of predictors.

The losses of the search and of each source are functions drawn from one Gaussian process, and the function of a source
correlates with that of the search by a number that is fitted (a coregionalised kernel of rank 1: Cao et al. 2010,
"Adaptive transfer learning"). A row's doubt, the share of its text that its mixture no longer says, adds a variance
that is fitted too, and so does a source whose measurements scatter more than those of the search. The most probable
numbers are taken (ML-II with weak priors). Whether a source says anything at all is asked directly: by how much it
raises the density of what the search has measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from climb_assets.search.gaussian_process import BIAS, BOUNDS, CENTRE, SPREAD, matern, squared_distances
from climb_assets.search.stack import one_blas_thread
from climb_assets.simplex.mixtures import FloatArray

OWN = ""  # the source of what the search has measured itself
OWN_ROWS = 3  # fewer judge no source
HALF = 0.5  # a row that is believed less is no mark to beat, and a source that is believed less is named
LEAST = 0.05  # a row that is believed less enters no fit
MISFIT = 0.1  # of the variance of the function, which no fit explains: a row is not asked to be truer than that
LIFT = (1.0, 2.0)  # logarithm of a density: what chance gives, and the slope of the belief there
MOVED = (np.log(4.0), 1.5)  # prior of the variance of a row whose whole text moved; losses have variance 1
KINDRED = (5.0, 3.0)  # prior of the logit of a source's correlation: .99, and below .3 only where losses say so
FAULTY = (np.log(0.003), 2.5)  # prior of the variance that a source's measurements have beyond those of the search
KNOWN = 0.5  # standard deviation of the logarithm of a variance that was measured on a few repeats
SMOOTH = (np.log(0.7), np.log(30.0))  # bounds of the length: what changes faster explains any table
STARTS = ((KINDRED[0], FAULTY[0]), (-3.0, FAULTY[0]), (KINDRED[0], 0.0))  # as good as told; of no use; mostly scatter
STEPS = 60  # of each fit


@dataclass(frozen=True)
class Trust:
    """How far the rows of a history are believed.

    Parameters
    ----------
    rows
        For each row a number from 0 to 1 (n,): how much it counts in a fit, where one of the search's own counts 1.
    sources
        For each source a number from 0 to 1: the square of its correlation with the search times the probability that
        it says anything; None where the search has too few rows of its own to tell.
    """

    rows: FloatArray
    sources: Mapping[str, float | None]


class _Law(NamedTuple):
    """What the losses follow, standardised.

    Length, and the variances of the function, of a measurement and of a row all of whose text moved; for each source
    its correlation (s,) and the variance of its scatter (s,).
    """

    length: float
    signal: float
    noise: float
    moved: float
    correlation: FloatArray
    scatter: FloatArray


class _Rows(NamedTuple):
    """Roots of mixtures (n, K), standardised losses (n,), the number of each row's source or -1 (n,), doubts (n,)."""

    inputs: FloatArray
    losses: FloatArray
    source: npt.NDArray[np.int64]
    doubt: FloatArray

    def among(self, chosen: npt.NDArray[np.bool_]) -> "_Rows":
        """Return some of the rows."""
        return _Rows(self.inputs[chosen], self.losses[chosen], self.source[chosen], self.doubt[chosen])


def judge_sources(
    weights: FloatArray, losses: FloatArray, sources: Sequence[str], doubt: FloatArray, noise: float | None = None
) -> Trust:
    """Return how far each row is believed, as far as one task goes.

    Parameters
    ----------
    weights, losses
        Mixtures (n, K) and their finite losses (n,) of the task.
    sources
        Where each row comes from (n), `OWN` for the search.
    doubt
        Total variation (n,) between what a row's model was trained on and what its mixture says; 0 for its own rows.
    noise
        Standard deviation between models of one mixture, where it was measured.
    """
    names = sorted(set(sources) - {OWN})
    if not names or np.ptp(losses) == 0:
        return Trust(np.ones(len(losses)), dict.fromkeys(names))
    index = np.array([-1 if source == OWN else names.index(source) for source in sources])
    rows = _Rows(np.sqrt(weights), (losses - losses.mean()) / losses.std(), index, doubt)
    own = index < 0
    judged = bool(own.sum() >= OWN_ROWS)
    with one_blas_thread():
        law = _fit(rows, len(names), judged, np.log(noise / losses.std()) * 2 if noise else None)
        tells = [_tells(rows, law, source) if judged else 1.0 for source in range(len(names))]
    believed = law.correlation**2 * tells
    signal = min(law.signal, 1.0)  # of the losses themselves; far from all rows the function may vary more
    borne = law.noise + MISFIT * signal
    beyond = law.moved * doubt**2 + law.scatter[index] + signal * (1 - law.correlation[index] ** 2)
    trust = np.where(own, 1.0, believed[index] * borne / (borne + beyond))
    told = {name: float(value) if judged else None for name, value in zip(names, believed, strict=True)}
    return Trust(np.where(trust < LEAST, 0.0, trust), told)


def _fit(rows: _Rows, sources: int, judged: bool, noise: float | None) -> _Law:
    """Return the most probable law; sources that are not judged correlate wholly and scatter no more."""
    from scipy.optimize import minimize

    free = sources if judged else 0
    centre = np.concatenate([CENTRE, [MOVED[0]], np.repeat([KINDRED[0], FAULTY[0]], free)])
    spread = np.concatenate([SPREAD, [MOVED[1]], np.repeat([KINDRED[1], FAULTY[1]], free)])
    if noise is not None:
        centre[2], spread[2] = noise, KNOWN
    read, squared = partial(_read, sources=sources, judged=judged), squared_distances(rows.inputs, rows.inputs)

    def surprise(point: FloatArray) -> float:
        offset = (point - centre) / spread
        return float(0.5 * offset @ offset) - _density(rows, read(point), squared)

    bounds = [SMOOTH, *BOUNDS[1:], BOUNDS[1], *[(-6.0, 6.0)] * free, *[(np.log(1e-3), np.log(30.0))] * free]
    starts = [np.concatenate([centre[:4], np.repeat(start, free)]) for start in (STARTS if judged else STARTS[:1])]
    found = [
        minimize(surprise, start, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}) for start in starts
    ]
    return read(min(found, key=lambda result: float(result.fun)).x)


def _read(point: FloatArray, sources: int, judged: bool) -> _Law:
    """Return the law of a point: logarithms (4,), and of judged sources logits (s,) and logarithms (s,)."""
    from scipy.special import expit

    length, signal, noise, moved = (float(value) for value in np.exp(point[:4]))
    if not judged:
        return _Law(length, signal, noise, moved, np.ones(sources), np.zeros(sources))
    return _Law(length, signal, noise, moved, expit(point[4 : 4 + sources]), np.exp(point[4 + sources :]))


def _density(rows: _Rows, law: _Law, squared: FloatArray) -> float:
    """Return the logarithm of the density of losses of rows with these squared distances, but for a constant a row."""
    from scipy.linalg import solve_triangular

    own = rows.source < 0
    correlation = np.where(own, 1.0, law.correlation[rows.source])
    together = rows.source[:, None] == rows.source[None, :]
    kindred = np.where(together, 1.0, np.outer(correlation, correlation))
    covariance = kindred * (BIAS + law.signal * matern(squared / law.length**2)[0])
    scatter = law.noise + law.moved * rows.doubt**2 + np.where(own, 0.0, law.scatter[rows.source])
    covariance[np.diag_indices_from(covariance)] += scatter
    factor = np.linalg.cholesky(covariance)
    solved = solve_triangular(factor, rows.losses, lower=True)
    return -0.5 * float(solved @ solved) - float(np.log(np.diag(factor)).sum())


def _tells(rows: _Rows, law: _Law, source: int) -> float:
    """Return the probability that a source says anything of the search's own losses: by how much likelier they are."""
    from scipy.special import expit

    def density(chosen: npt.NDArray[np.bool_]) -> float:
        some = rows.among(chosen)
        return _density(some, law, squared_distances(some.inputs, some.inputs))

    own, its = rows.source < 0, rows.source == source
    lift = density(own | its) - density(its) - density(own)
    return float(expit(LIFT[1] * (lift - LIFT[0])))

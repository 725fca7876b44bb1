"""Confidence: which of the confirmed mixtures is the answer, and what may be said of it.

What belongs here: decisions and intervals from a table of losses and its noise, which is
`climb_assets.search.seed_table`. Which mixtures are confirmed is `climb_assets.search.confirmation`.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from climb_assets.errors import ComputeError
from climb_assets.search.noise import SeedNoise
from climb_assets.search.seed_table import SeedTable
from climb_assets.simplex.mixtures import FloatArray

DRAWS = 40_000  # of a simulated distribution; a 95 % quantile is then known to about half a percent of itself

Verdict = Literal["better than", "no better than", "worse than"]


@dataclass(frozen=True)
class Gap:
    """The answer against one baseline; bits per byte, negative is better.

    Parameters
    ----------
    baseline
        Name of the other mixture.
    difference, low, high
        Answer minus baseline, and its interval.
    verdict
        'better than' or 'worse than' where the interval leaves out zero.
    """

    baseline: str
    difference: float
    low: float
    high: float
    verdict: Verdict


class Interval(NamedTuple):
    """A difference with its interval, bits per byte, and what that would cover if it were the only one."""

    difference: float
    low: float
    high: float
    confidence: float


def choose_answer(
    table: SeedTable,
    measured: Sequence[str],
    predicted: Sequence[str],
    confidence: float,
    surcharge: Mapping[str, float] | None = None,
) -> str:
    """Return the mixture that is the answer: the best that the search measured, unless a predicted one is better.

    Both were trained again with fresh seeds and are compared by that. A predicted mixture must be ahead by more than
    noise explains: by a one-sided t quantile of the difference, `confidence` for all predicted ones together
    (Bonferroni). Of equals the first in its list is taken.

    Parameters
    ----------
    measured, predicted
        Names of the mixtures that the search had trained, and of those it only predicted.
    surcharge
        What settings add to the loss of each of them; nothing where it is None.

    Raises
    ------
    ComputeError
        Both lists are empty.
    """
    from scipy.stats import t

    if not measured and not predicted:
        raise ComputeError("no mixture was confirmed, so none can be chosen; lower proxy.learning_rate if all diverged")
    means = {name: mean + (surcharge or {}).get(name, 0.0) for name, mean in table.means.items()}
    ahead = min(predicted, key=means.__getitem__, default=None)
    if ahead is None or not measured:
        return ahead or min(measured, key=means.__getitem__)
    best = min(measured, key=means.__getitem__)
    noise = table.paired_noise(list(itertools.product(predicted, measured)))
    error, degrees = table.error_of_difference(ahead, best, noise)
    quantile = float(t.ppf(1 - (1 - confidence) / len(predicted), degrees))
    return ahead if means[ahead] < means[best] - quantile * error else best


def judge(
    table: SeedTable,
    answer: str,
    candidates: Sequence[str],
    baselines: Sequence[str],
    confidence: float,
    rng: np.random.Generator,
) -> list[Gap]:
    """Return the gap of the answer to each baseline, with intervals that hold whichever candidate was chosen.

    To be better than the best baseline is to be better than each of them, so the upper ends pay for the number of
    candidates, by whose losses one was chosen, and not for that of the baselines (an intersection-union test, Berger
    1982). The lower ends hold for all pairs at once. So the interval of the largest gap is one for the distance to the
    best baseline, whichever that truly is. Critical values are quantiles of the largest studentised difference of such
    pairs when all mixtures are equal (Dunnett's idea with several controls), simulated, because the distribution has no
    closed form.

    Parameters
    ----------
    answer, candidates
        The chosen mixture, and all that it was chosen from.
    confidence
        That an interval holds, such as 0.95: half of the errors on either side.
    """
    level, means = (1 + confidence) / 2, table.means
    noise = compared_noise(table, candidates, baselines)
    studentised = _draw_studentised(table, noise, candidates, baselines, rng)
    below = float(np.quantile(studentised.max(axis=(0, 1)), level))
    gaps = []
    for column, baseline in enumerate(baselines):
        difference, (error, _) = means[answer] - means[baseline], table.error_of_difference(answer, baseline, noise)
        above = float(np.quantile(-studentised[:, column].min(axis=0), level))
        low, high = difference - below * error, difference + above * error
        verdict: Verdict = "better than" if high < 0 else "worse than" if low > 0 else "no better than"
        gaps.append(Gap(baseline, difference, low, high, verdict))
    return gaps


def compare_with_all(
    table: SeedTable, name: str, others: Sequence[str], confidence: float, rng: np.random.Generator
) -> dict[str, Interval]:
    """Return the difference of one mixture to each other, by the other's name, with intervals that hold together.

    They are Dunnett's two-sided ones (1955), for the correlations and degrees of freedom of this table, by simulation.
    """
    from scipy.stats import t

    noise = compared_noise(table, [name], others)
    studentised = _draw_studentised(table, noise, [name], others, rng)
    quantile = float(np.quantile(np.abs(studentised).max(axis=(0, 1)), confidence))
    intervals = {}
    for other in others:
        difference, (error, degrees) = (
            table.means[name] - table.means[other],
            table.error_of_difference(name, other, noise),
        )
        half, alone = quantile * error, float(2 * t.cdf(quantile, degrees) - 1)
        intervals[other] = Interval(difference, difference - half, difference + half, alone)
    return intervals


def compared_noise(table: SeedTable, ours: Sequence[str], theirs: Sequence[str]) -> SeedNoise:
    """Return the noise of one model in the differences of each of ours to each of theirs."""
    return table.paired_noise([pair for pair in itertools.product(ours, theirs) if pair[0] != pair[1]])


def _draw_studentised(
    table: SeedTable, noise: SeedNoise, ours: Sequence[str], theirs: Sequence[str], rng: np.random.Generator
) -> FloatArray:
    """Return draws (ours, theirs, DRAWS) of the differences of equal mixtures, each in its estimated standard errors.

    All have the degrees of freedom of the pair that has fewest.
    """
    names = list(dict.fromkeys([*ours, *theirs]))
    at = [table.names.index(name) for name in names]
    covariance = table.covariance_of_means(noise)[np.ix_(at, at)]
    drawn = _root(covariance) @ rng.standard_normal((len(names), DRAWS))
    rows, columns = ([names.index(name) for name in some] for some in (ours, theirs))
    differences: FloatArray = drawn[rows, None] - drawn[None, columns]
    variance = np.diag(covariance)[rows, None] + np.diag(covariance)[columns] - 2 * covariance[np.ix_(rows, columns)]
    different = [pair for pair in itertools.product(ours, theirs) if pair[0] != pair[1]]
    degrees = min(table.error_of_difference(*pair, noise).degrees for pair in different)
    scale = np.sqrt(rng.chisquare(degrees, DRAWS) / degrees)
    inverse = np.divide(1, np.sqrt(variance), out=np.zeros_like(variance), where=variance > 0)
    differences *= inverse[:, :, None]
    differences /= scale
    return differences


def _root(covariance: FloatArray) -> FloatArray:
    """Return the symmetric root of a covariance."""
    values, vectors = np.linalg.eigh(covariance)
    root: FloatArray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def conclude(gaps: Sequence[Gap]) -> str:
    """Return what may be said of the answer against the best baseline, in one sentence."""
    best = best_baseline(gaps)
    return (
        f"{best.verdict} {best.baseline}, the best baseline: {best.difference:+.4f} bits per byte "
        f"({best.low:+.4f} to {best.high:+.4f})"
    )


def best_baseline(gaps: Sequence[Gap]) -> Gap:
    """Return the gap to the baseline of least loss; better than that one is better than all."""
    return max(gaps, key=lambda gap: gap.difference)


def mean_interval(table: SeedTable, answer: str, candidates: int, confidence: float) -> tuple[float, float]:
    """Return an interval of the answer's loss; Bonferroni's, for having been chosen among `candidates` mixtures.

    What a seed or the items do to all mixtures is in it; the former is known from as few seeds as there are.
    """
    from scipy.stats import t

    error, degrees = table.error_of_mean(answer)
    half = float(t.ppf(1 - (1 - confidence) / (2 * candidates), degrees)) * error
    return table.means[answer] - half, table.means[answer] + half


def probability_best(table: SeedTable, rng: np.random.Generator) -> dict[str, float]:
    """Return for each mixture the probability that its true loss is the least of all in the table.

    Draws from the t posterior of the means under a flat prior, with the degrees of freedom of the pair that has fewest.
    A flat prior expects mixtures to differ: simulated with seven of them, the leader's figure was right where they
    spread three times as far as the noise of a model, 4 points too high where they spread as far, and 22 where they
    spread a third of that.
    """
    noise, pairs = table.paired_noise(), itertools.combinations(table.names, 2)
    degrees = min((table.error_of_difference(*pair, noise).degrees for pair in pairs), default=noise.degrees)
    scale = np.sqrt(degrees / rng.chisquare(degrees, (DRAWS, 1)))
    errors = rng.standard_normal((DRAWS, len(table.names))) @ _root(table.covariance_of_means(noise))
    drawn = table.losses.mean(axis=1) + scale * errors
    shares = np.bincount(drawn.argmin(axis=1), minlength=len(table.names)) / DRAWS
    return dict(zip(table.names, shares.tolist(), strict=True))

"""The verdict: which of the confirmed mixtures is the answer, and what may be said of it.

What belongs here: statistics on a table of losses, mixtures by fresh seeds. Which mixtures are confirmed is
`climb_assets.search.confirmation`; the noise of the anchors is measured in `climb_assets.training`.

The model of the table: loss = mixture + seed + error, errors normal, independent and equally wide for all mixtures.
Seeds are fresh, so the noise that put a mixture on the list is not in the table. Simulated with 2 seeds, 4 candidates
and 3 or 7 baselines, the 95 % interval to the best baseline held in 98 % of tables or more; where errors were three
times as wide for two of the mixtures, in 93 to 97 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from climb_assets.errors import ComputeError
from climb_assets.simplex.mixtures import FloatArray

DRAWS = 40_000  # of a simulated distribution; a 95 % quantile is then known to about half a percent of itself

Verdict = Literal["better than", "no better than", "worse than"]


class SeedNoise(NamedTuple):
    """Standard deviation between seeds of one mixture, bits per byte, and the degrees of freedom it rests on."""

    deviation: float
    degrees: float


@dataclass(frozen=True)
class SeedTable:
    """Losses of mixtures by seed, and the noise in them.

    Parameters
    ----------
    names
        Of the mixtures (A).
    losses
        Of each mixture and seed (A, S), bits per byte.
    total
        Noise of one model about its mixture: what a mean is uncertain by.
    paired
        Noise of one model after what its seed does to all mixtures is taken out: what a difference is uncertain by.
    """

    names: tuple[str, ...]
    losses: FloatArray
    total: SeedNoise
    paired: SeedNoise

    @property
    def means(self) -> dict[str, float]:
        """Mean loss of each mixture."""
        return dict(zip(self.names, self.losses.mean(axis=1).tolist(), strict=True))

    @property
    def difference_error(self) -> float:
        """Standard error of the difference of two means."""
        return self.paired.deviation * float(np.sqrt(2 / self.losses.shape[1]))


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


def tabulate_seeds(losses: Mapping[str, Mapping[int, float]], anchors: SeedNoise | None) -> SeedTable:
    """Return the table of mixtures that were trained with the same seeds, with the noise of all that is known.

    The noise of the table and that of the anchors of the search are pooled by their degrees of freedom. Anchors have
    what a seed does to all mixtures in them, so they make the interval of a difference wider rather than narrower.

    Parameters
    ----------
    losses
        For each mixture and each seed the loss.
    anchors
        Noise between seeds from elsewhere, None where that was not measured.

    Raises
    ------
    ComputeError
        A mixture lacks a seed or has a loss that is not finite, or nothing tells the noise.
    """
    seeds = sorted({seed for by_seed in losses.values() for seed in by_seed})
    for name, by_seed in losses.items():
        if sorted(by_seed) != seeds or not np.isfinite(list(by_seed.values())).all():
            raise ComputeError(f"mixture {name} lacks a finite loss of some seed; train it again or leave it out")
    table = np.array([[by_seed[seed] for seed in seeds] for by_seed in losses.values()])
    common, own = _mean_squares(table)
    known = [anchors] if anchors else []
    return SeedTable(tuple(losses), table, _pool([_add(common, own, len(table)), *known]), _pool([own, *known]))


def _mean_squares(table: FloatArray) -> tuple[SeedNoise, SeedNoise]:
    """Return the roots of the mean squares of a table (A, S): of its seeds, and of what is left of each loss.

    A seed's mean square expects the variance of one error plus A times that of what a seed does to all mixtures.
    """
    rows, columns = table.shape
    about_mean = table - table.mean(axis=1, keepdims=True)
    of_seed = about_mean.mean(axis=0)
    left = about_mean - of_seed
    between, within = columns - 1, (rows - 1) * (columns - 1)
    return (
        SeedNoise(float(np.sqrt(rows * (of_seed**2).sum() / max(between, 1))), between),
        SeedNoise(float(np.sqrt((left**2).sum() / max(within, 1))), within),
    )


def _add(common: SeedNoise, own: SeedNoise, rows: int) -> SeedNoise:
    """Return the noise of one model, the part that its seed does to all mixtures included.

    Its variance is a sum of two mean squares; the degrees of freedom are Satterthwaite's, and near those of the seeds
    where these decide.
    """
    parts = [(common.deviation**2 / rows, common.degrees), (own.deviation**2 * (1 - 1 / rows), own.degrees)]
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / degrees for part, degrees in parts if degrees)
    return SeedNoise(float(np.sqrt(variance)), variance**2 / spread if spread else 0)


def _pool(noises: Sequence[SeedNoise]) -> SeedNoise:
    """Return one noise from several of the same size, by their squares and degrees of freedom."""
    degrees = sum(noise.degrees for noise in noises)
    if not degrees:
        raise ComputeError("the noise between seeds is not known; raise search.choice.seeds or search.repeats to 2")
    return SeedNoise(float(np.sqrt(sum(noise.deviation**2 * noise.degrees for noise in noises) / degrees)), degrees)


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
    quantile = float(t.ppf(1 - (1 - confidence) / len(predicted), table.paired.degrees))
    return ahead if means[ahead] < means[best] - quantile * table.difference_error else best


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
    below, above = _critical_values(len(candidates), len(baselines), table.paired.degrees, confidence, rng)
    means = table.means
    gaps = []
    for baseline in baselines:
        difference = means[answer] - means[baseline]
        low, high = difference - below * table.difference_error, difference + above * table.difference_error
        verdict: Verdict = "better than" if high < 0 else "worse than" if low > 0 else "no better than"
        gaps.append(Gap(baseline, difference, low, high, verdict))
    return gaps


def _critical_values(
    candidates: int, baselines: int, degrees: float, confidence: float, rng: np.random.Generator
) -> tuple[float, float]:
    """Return how many standard errors lie below a gap and above it."""
    ours, theirs = rng.standard_normal((DRAWS, candidates)), rng.standard_normal((DRAWS, baselines))
    scale = np.sqrt(2 * rng.chisquare(degrees, DRAWS) / degrees)
    any_pair = (ours.max(axis=1) - theirs.min(axis=1)) / scale
    one_baseline = (theirs[:, 0] - ours.min(axis=1)) / scale
    level = (1 + confidence) / 2
    return float(np.quantile(any_pair, level)), float(np.quantile(one_baseline, level))


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

    What a seed does to all mixtures is in it, and is known from as few seeds as there are. Simulated with two seeds and
    seven mixtures, the 95 % interval held in 96 % of tables or more where that was up to twice as wide as the error of
    one model, and in 94 % where it was four times as wide; with anchors always in 97 %.
    """
    from scipy.stats import t

    quantile = float(t.ppf(1 - (1 - confidence) / (2 * candidates), table.total.degrees))
    half = quantile * table.total.deviation / float(np.sqrt(table.losses.shape[1]))
    return table.means[answer] - half, table.means[answer] + half


def probability_best(table: SeedTable, rng: np.random.Generator) -> dict[str, float]:
    """Return for each mixture the probability that its true loss is the least of all in the table.

    Draws from the t posterior of the means under a flat prior, noise unknown and common to all. A flat prior expects
    mixtures to differ: simulated with seven of them, the leader's figure was right where they spread three times as far
    as the noise of a model, 4 points too high where they spread as far, and 22 where they spread a third of that.
    """
    rows, seeds = table.losses.shape
    scale = table.paired.deviation * np.sqrt(table.paired.degrees / rng.chisquare(table.paired.degrees, (DRAWS, 1)))
    drawn = table.losses.mean(axis=1) + scale / np.sqrt(seeds) * rng.standard_normal((DRAWS, rows))
    shares = np.bincount(drawn.argmin(axis=1), minlength=rows) / DRAWS
    return dict(zip(table.names, shares.tolist(), strict=True))

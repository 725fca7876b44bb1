"""Fidelity: whether small models rank mixtures as large ones do.

What belongs here: rank correlations, their intervals and the answer they give. What is trained is `fidelity_runs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets import config
from climb_assets.correlation import pearson, percentile_interval
from climb_assets.randomness import generator
from climb_assets.search.noise import Kind, named_measures
from climb_assets.search.objectives import objective_loss
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.tables import read_table, write_rows

LEAST_MIXTURES = 4  # fewer have no rank correlation worth a number: of three, one order in six is perfect by chance
FLOPS = 6  # operations of training, a parameter and a token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)

FIDELITY = pa.schema(
    [
        pa.field("setting", pa.string(), nullable=False),
        pa.field("parameters", pa.int64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("learning_rate", pa.float64(), nullable=False),
        pa.field("compute", pa.float64(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("measure", pa.string(), nullable=False),
        pa.field("mixtures", pa.int32(), nullable=False),
        ("spearman", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        pa.field("top_mixtures", pa.int32(), nullable=False),
        ("top_spearman", pa.float64()),
        ("top_low", pa.float64()),
        ("top_high", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Trained:
    """What the models of one setting came to, on the same n mixtures as all others.

    Parameters
    ----------
    setting, parameters, learning_rate
        The setting's name, the size of its models, their peak learning rate.
    losses
        For each number of training tokens and each task the losses (n,) in bits per byte; NaN where one diverged.
    """

    setting: str
    parameters: int
    learning_rate: float
    losses: Mapping[int, Mapping[str, FloatArray]]


@dataclass(frozen=True)
class Correlation:
    """A rank correlation with its interval; None where there are too few mixtures or all are equal."""

    mixtures: int
    spearman: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Agreement:
    """How one setting ranks mixtures on one measure, compared with the target models.

    Parameters
    ----------
    setting, parameters, tokens, learning_rate, compute
        The setting, its tokens so far, and what these cost in floating-point operations.
    kind, measure
        Task or objective, and its name.
    mixtures, spearman, low, high
        Rank correlation of losses over all mixtures, and its bootstrap interval.
    top_mixtures, top_spearman, top_low, top_high
        The same within the quarter of the mixtures that the target models find best.
    """

    setting: str
    parameters: int
    tokens: int
    learning_rate: float
    compute: float
    kind: Kind
    measure: str
    mixtures: int
    spearman: float | None
    low: float | None
    high: float | None
    top_mixtures: int
    top_spearman: float | None
    top_low: float | None
    top_high: float | None


def compare_ranks(
    settings: Sequence[Trained],
    target: Mapping[str, FloatArray],
    objectives: Mapping[str, Mapping[str, float]],
    fidelity: config.Fidelity,
    seed: int,
) -> list[Agreement]:
    """Return one row for each setting, number of tokens and measure: every task, then every objective.

    Parameters
    ----------
    target
        For each task the target models' mean losses (n,); NaN where one diverged. Such a mixture is left out.
    """
    rows = []
    for trained in settings:
        for tokens, losses in sorted(trained.losses.items()):
            compute = float(FLOPS * trained.parameters * tokens)
            what = (trained.setting, trained.parameters, tokens, trained.learning_rate, compute)
            for kind, measure, weights in named_measures(sorted(target), objectives):
                small, large = objective_loss(losses, weights), objective_loss(target, weights)
                kept = np.isfinite(small) & np.isfinite(large)
                whole, top = correlate(small[kept], large[kept], fidelity, seed)
                rows.append(Agreement(*what, kind, measure, *asdict(whole).values(), *asdict(top).values()))
    return rows


def correlate(
    small: FloatArray, large: FloatArray, fidelity: config.Fidelity, seed: int
) -> tuple[Correlation, Correlation]:
    """Return the rank correlation of two losses (n,) over all mixtures, and within the best quarter by the second.

    The interval is the percentile bootstrap over mixtures, whatever their order. With few mixtures it is too narrow,
    and where both losses give the same order it is a point: four mixtures do that by chance once in 24 times.
    """
    order = np.lexsort((small, large))
    small, large = small[order], large[order]
    quarter = -(-len(large) // 4)
    return (
        _correlation(small, large, fidelity, seed),
        _correlation(small[:quarter], large[:quarter], fidelity, seed),
    )


def _correlation(small: FloatArray, large: FloatArray, fidelity: config.Fidelity, seed: int) -> Correlation:
    """Bootstrap by hand: SciPy's gives no interval at all where one resample has no correlation."""
    count = len(small)
    found = _spearman(small, large) if count >= LEAST_MIXTURES else np.array(np.nan)
    if not np.isfinite(found):
        return Correlation(count)
    drawn = generator(seed, "fidelity").integers(count, size=(fidelity.resamples, count))
    resampled = _spearman(small[drawn], large[drawn])
    return Correlation(count, float(found), *percentile_interval(resampled, fidelity.confidence))


def _spearman(small: FloatArray, large: FloatArray) -> FloatArray:
    """Return the rank correlations (...) of losses (..., n); NaN where all of a row are equal."""
    from scipy.stats import rankdata

    return pearson(rankdata(small, axis=-1), rankdata(large, axis=-1))


def of_setting(rows: Sequence[Agreement], setting: str) -> dict[str, Agreement]:
    """Return each objective's row of one setting, fully trained."""
    last = max((row.tokens for row in rows if row.setting == setting), default=0)
    return {row.measure: row for row in rows if (row.setting, row.tokens, row.kind) == (setting, last, "objective")}


def answer(rows: Sequence[Agreement], wanted: float) -> dict[str, dict[str, Any]]:
    """Return for each objective the cheapest setting whose rank correlation reaches `wanted`, and the best one seen.

    A setting counts by what it comes to at its end, the best one by any of its snapshots. Of many settings that are
    tried on few mixtures one may reach it by chance: the interval says how easily.
    """
    rows_of: dict[str, list[Agreement]] = {}
    for row in rows:
        if row.kind == "objective":
            rows_of.setdefault(row.measure, []).append(row)
    answers = {}
    for name, of_objective in sorted(rows_of.items()):
        # A snapshot tells how the correlation grows; a run of that many tokens would have decayed its learning rate.
        ends = {row.setting: row.tokens for row in sorted(of_objective, key=lambda row: row.tokens)}
        known = [(row.spearman, row) for row in of_objective if row.spearman is not None]
        enough = [row for spearman, row in known if row.tokens == ends[row.setting] and spearman >= wanted]
        cheapest = min(enough, key=lambda row: row.compute, default=None)
        _, best = max(known, key=lambda found: (found[0], -found[1].compute), default=(None, None))
        answers[name] = {
            "wanted": wanted,
            "reached": asdict(cheapest) if cheapest else None,
            "best": asdict(best) if best else None,
        }
    return answers


def in_words(mixtures: int, spearman: float | None, low: float | None, high: float | None) -> str:
    """Return a rank correlation as people read it."""
    known = spearman is not None
    return (f"{spearman:.2f} ({low:.2f} .. {high:.2f})" if known else "not known") + f", {mixtures} mixtures"


def write_fidelity(path: Path, rows: Sequence[Agreement]) -> None:
    """Write the table, one row for each setting, number of tokens and measure."""
    write_rows(path, [asdict(row) for row in rows], FIDELITY)


def read_fidelity(path: Path) -> list[Agreement]:
    """Read what `write_fidelity` wrote."""
    return [Agreement(**row) for row in read_table(path).to_pylist()]

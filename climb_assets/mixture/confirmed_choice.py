"""The choice: one mixture for an objective, with the evidence for it.

What belongs here: the two rules, published and confirmed, and an honest account of what a choice rests on. The
statistics are `climb_assets.search.confidence`; which target models are then trained on the mixture is
`climb_assets.mixture.comparison`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.mixture.published_choice import PublishedChoice
from climb_assets.search.confidence import (
    Gap,
    choose_answer,
    compared_noise,
    conclude,
    judge,
    mean_interval,
    probability_best,
)
from climb_assets.search.confirmation import Arm, Listed, mean_losses, objective_by_seed
from climb_assets.search.noise import Noise
from climb_assets.search.objectives import NoRegression
from climb_assets.search.seed_table import SeedTable, tabulate_items, tabulate_seeds
from climb_assets.search.shadow_prices import ShadowPrice
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.files import write_atomically
from climb_assets.tables import write_rows

REFERENCE = "proportional"  # the baseline that no-regression floors compare with

WEIGHTS = pa.schema(
    [
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("confirmed", pa.float64(), nullable=False),
        pa.field("prior", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Evidence:
    """What the fresh seeds of the confirmation say; losses are in bits per byte.

    Parameters
    ----------
    seeds
        Fresh seeds of each mixture.
    mean, interval
        The answer's mean loss, and an interval that allows for its having been chosen.
    means, probability_best
        Of each mixture, baselines included: its mean loss, and the probability that its true loss is the least.
    gaps
        The answer against each baseline.
    conclusion
        What may be said against the best baseline.
    noise, degrees
        Standard deviation between seeds that the gaps rest on, and its degrees of freedom.
    of_items
        The largest standard error that the sampling of items alone gives a gap.
    excess
        By how much the answer breaks the no-regression floor of its worst task; 0 where it holds them all.
    diverged
        Mixtures that are out because one of their models diverged.
    """

    seeds: int
    mean: float
    interval: tuple[float, float]
    means: Mapping[str, float]
    probability_best: Mapping[str, float]
    gaps: tuple[Gap, ...]
    conclusion: str
    noise: float
    degrees: float
    of_items: float
    excess: float
    diverged: tuple[str, ...]


@dataclass(frozen=True)
class Selection:
    """The chosen mixture of an objective and all the evidence.

    Parameters
    ----------
    objective, key, weights
        What was chosen for what.
    today, adapted_by
        The weights within the limits of what the domains hold today, which the data set is made by, and the total
        variation between the two.
    origin
        Where the mixture comes from, in words.
    published
        The pick of the published rule.
    evidence
        The confirmation, None where the published rule was asked for.
    prices
        What each limit that the mixture sits on costs.
    noise, degrees
        Standard deviation of the measured loss between seeds of one mixture in the search, what they do to all mixtures
        taken out, and its degrees of freedom; None and 0 where it was not measured. Differences of this size say
        nothing.
    """

    objective: str
    key: str
    weights: tuple[float, ...]
    origin: str
    published: PublishedChoice
    today: tuple[float, ...] = ()
    adapted_by: float = 0.0
    evidence: Evidence | None = None
    prices: tuple[ShadowPrice, ...] = ()
    noise: float | None = None
    degrees: float = 0


def select_published(objective: str, published: PublishedChoice, noise: Noise | None) -> Selection:
    """Return the published choice: the least prediction, trained by nobody (paper section 2.2)."""
    origin = f"best predicted of {published.pool} mixtures; no model was trained to confirm it"
    return _with_noise(Selection(objective, published.key, published.weights, origin, published), noise)


def select_confirmed(
    objective: str,
    weights: Mapping[str, float],
    listed: Sequence[Listed],
    arms: Mapping[str, Arm],
    published: PublishedChoice,
    noise: Noise | None,
    settings: config_search.Choice,
    rng: np.random.Generator,
    surcharge: Mapping[str, float] | None = None,
) -> Selection:
    """Return the answer that the fresh seeds allow, with what may be said of it against the baselines.

    A mixture with a diverged model is out. Of the short list only those can be the answer whose mean losses keep the
    no-regression floors against the proportional baseline, noise included; where none does, the one that breaks them
    least.

    Parameters
    ----------
    weights
        The objective: weights of its tasks. Other tasks decide nothing, apart from `settings.no_regression`.
    listed
        The short list.
    arms
        Losses of the short list and of the baselines, by name.
    surcharge
        What settings add to the loss of each mixture of the short list before one is chosen. The evidence is of losses
        as they are.

    Raises
    ------
    ComputeError
        Every mixture of the short list, every baseline, or the reference of a no-regression floor diverged.
    """
    planned = {seed for arm in arms.values() for seed in arm["losses"]}
    sound = {name: arm for name, arm in arms.items() if set(arm["losses"]) == planned}
    candidates = [entry for entry in listed if entry.name in sound]
    baselines = [name for name in sound if name not in {entry.name for entry in listed}]
    if not planned or not candidates or not baselines:
        raise ComputeError("every model of the short list or of the baselines diverged; lower proxy.learning_rate")
    excess = _broken_floors(sound, candidates, settings)
    able = [entry for entry in candidates if excess[entry.name] == min(excess.values())]
    alike = _find_copies(sound)
    single = {name: arm for name, arm in sound.items() if alike[name] == name}
    items = tabulate_items({name: arm["items"] for name, arm in single.items()}, weights)
    table = tabulate_seeds(objective_by_seed(single, weights), noise.table if noise else None, items)
    measured = [entry.name for entry in able if entry.measured]
    predicted = [entry.name for entry in able if not entry.measured]
    answer = choose_answer(table, measured, predicted, settings.confidence, surcharge)
    names = [entry.name for entry in candidates]
    others = list(dict.fromkeys(alike[name] for name in baselines if alike[name] != answer))
    between_seeds = compared_noise(table, names, others) if others else table.paired_noise()
    judged = judge(table, answer, names, others, settings.confidence, rng) if others else []
    gap_to = {gap.baseline: gap for gap in judged} | {answer: Gap(answer, 0.0, 0.0, 0.0, "no better than")}
    gaps = [replace(gap_to[alike[name]], baseline=name) for name in baselines]
    likely = probability_best(table, rng)
    lost = [name for name in arms if name not in {*sound, *(entry.name for entry in listed)}]
    evidence = Evidence(
        seeds=len(planned),
        mean=table.means[answer],
        interval=mean_interval(table, answer, len(names), settings.confidence),
        means={name: table.means[alike[name]] for name in sound},
        probability_best={name: likely[alike[name]] for name in sound},
        gaps=tuple(gaps),
        conclusion=conclude(gaps) + _add_floors(excess, answer, able) + _add_lost(lost),
        noise=between_seeds.deviation,
        degrees=between_seeds.degrees,
        of_items=max((_item_error(table, answer, gap.baseline) for gap in judged), default=0.0),
        excess=excess[answer],
        diverged=tuple(name for name in arms if name not in sound),
    )
    arm = sound[answer]
    selection = Selection(objective, arm["key"], arm["weights"], arm["origin"], published, evidence=evidence)
    return _with_noise(selection, noise)


def _item_error(table: SeedTable, first: str, second: str) -> float:
    """Return the standard error of a difference of means that comes from items alone."""
    return float(np.sqrt(table.items.of_differences[table.names.index(first), table.names.index(second)]))


def _find_copies(arms: Mapping[str, Arm]) -> dict[str, str]:
    """Return for each arm the first one of the same mixture: its losses are the same numbers, and count once."""
    first: dict[str, str] = {}
    return {name: first.setdefault(arm["key"], name) for name, arm in arms.items()}


def _broken_floors(
    arms: Mapping[str, Arm], candidates: Sequence[Listed], settings: config_search.Choice
) -> dict[str, float]:
    """Return by how much each candidate breaks the no-regression floors, by its mean losses."""
    if settings.no_regression and REFERENCE not in arms:
        raise ComputeError(
            f"search.choice.no_regression needs the {REFERENCE} baseline, which diverged; train it again"
        )
    reference = mean_losses(arms[REFERENCE]) if settings.no_regression else {}
    guard = NoRegression(settings.no_regression, reference)
    return {entry.name: float(guard.excess(mean_losses(arms[entry.name]))) for entry in candidates}


def _add_floors(excess: Mapping[str, float], answer: str, able: Sequence[Listed]) -> str:
    if excess[answer]:
        return f"; every mixture breaks a no-regression floor, this one by {excess[answer]:.4f} bits per byte"
    if len(able) < len(excess) and len(able) == 1:
        return f"; of {len(excess)} mixtures only this one keeps the no-regression floors"
    return ""


def _add_lost(lost: Sequence[str]) -> str:
    return f"; not compared, because a model of it diverged: {', '.join(lost)}" if lost else ""


def _with_noise(selection: Selection, noise: Noise | None) -> Selection:
    if noise is None:
        return selection
    deviation, degrees = noise.within_repeat
    return replace(selection, noise=deviation, degrees=degrees)


def write_selection(out: Path, selection: Selection, names: Sequence[str], prior: FloatArray) -> None:
    """Write ``selection.json`` and ``weights.parquet`` (domain, name, weight, confirmed, prior) into the folder.

    Parameters
    ----------
    prior
        Share of each domain (K,) in the corpus as it is today.
    """
    text = json.dumps(asdict(selection), indent=1, sort_keys=True, allow_nan=False)
    write_atomically(out / "selection.json", text.encode())
    rows = [
        {"domain": domain, "name": name, "weight": weight, "confirmed": confirmed, "prior": float(share)}
        for domain, (name, weight, confirmed, share) in enumerate(
            zip(names, selection.today, selection.weights, prior, strict=True)
        )
    ]
    write_rows(out / "weights.parquet", rows, WEIGHTS)

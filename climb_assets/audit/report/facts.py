"""What a report tells of: read from the artefacts that an answer was made from, whatever is current in the lake today.

What belongs here: reading, and the few numbers that no artefact holds. Words are `climb_assets.audit.report.words`, the
page is `climb_assets.audit.report.writer`. What was not made is None and said to be so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from climb_assets import config_search
from climb_assets.audit.lineage import Lineage
from climb_assets.config import SEARCH_PROXY
from climb_assets.pictures.plots import Response
from climb_assets.search.baselines import read_baselines
from climb_assets.search.history import History
from climb_assets.search.iteration import fit_predictors, predict_objective
from climb_assets.search.noise import Noise, noise_of_objectives
from climb_assets.search.objectives import objective_loss
from climb_assets.search.prediction import Prediction, remove_noise
from climb_assets.search.predictor import load_predictor
from climb_assets.search.shadow_prices import ShadowPrice
from climb_assets.simplex.limits import SLACK, Limits, discount_repeats, find_limits
from climb_assets.simplex.mixtures import FloatArray, project
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.fidelity import Agreement, of_setting, read_fidelity

POINTS = 33  # of the response to one domain
BITS = "bits per byte"
BEYOND = 1.25  # times the largest share that was tried; farther out a predictor only guesses


@dataclass(frozen=True)
class Step:
    """One iteration: its number, mixtures, proxies and how many of them diverged, tokens of each, and what it gained.

    The gain, in bits per byte, is by how much its least measured loss is below those before; None for the first.
    """

    number: int
    mixtures: int
    proxies: int
    diverged: int
    tokens: int
    gain: float | None


@dataclass(frozen=True, eq=False)
class Facts:
    """All that a report tells of an objective, but for documents; losses in bits per byte.

    Parameters
    ----------
    tasks
        The weight of each task in the objective.
    domains
        Rows of the supply: what each domain holds today.
    weights, confirmed, prior
        Shares (K,) of the answer, of what was confirmed, and of the corpus.
    selection, advice
        What `optimal_mixture` recorded.
    comparison, realised
        Rows of the target models' comparison and of the data set; None where they are not made.
    predicted, measured, groups
        Of each mixture of the fit: what members said that had not seen it, what its proxy measured, its iteration.
    rank
        How well predictions rank, as the last `predictor_state` recorded it; None where it was not to be told.
    settings
        What the answer was made with.
    """

    objective: str
    tasks: Mapping[str, float]
    domains: Sequence[Mapping[str, Any]]
    weights: FloatArray
    confirmed: FloatArray
    prior: FloatArray
    selection: Mapping[str, Any]
    advice: Mapping[str, Any]
    baselines: Mapping[str, Sequence[float]]
    comparison: Sequence[Mapping[str, Any]] | None
    realised: Sequence[Mapping[str, Any]] | None
    history: History
    losses: FloatArray
    steps: Sequence[Step]
    predicted: FloatArray | None
    measured: FloatArray
    groups: Sequence[int]
    rank: float | None
    noise: Noise | None
    fidelity: Agreement | None
    responses: Sequence[Response]
    limits: Limits
    prices: Sequence[ShadowPrice]
    settings: Mapping[str, Any]
    proxy: Mapping[str, Any]
    target: Mapping[str, Any] | None
    seeds: int
    corpus: Mapping[str, Any]
    pruned: Mapping[str, Any]
    artefacts: Mapping[str, Artifact]

    @property
    def names(self) -> list[str]:
        """The names of the domains (K)."""
        return [str(row["name"]) for row in self.domains]

    @property
    def order(self) -> list[int]:
        """The numbers of the domains, those with most of the answer first."""
        return [int(place) for place in np.lexsort((-self.prior, -self.weights))]

    @property
    def primary(self) -> list[Mapping[str, Any]]:
        """The comparisons by which target models judge the answer."""
        return [row for row in self.comparison or [] if row.get("family") == "primary"]


def read_facts(objective: str, lineage: Lineage) -> Facts:
    """Read what a report tells of an objective; see `Facts`.

    Parameters
    ----------
    lineage
        What `optimal_mixture` of the objective rests on, and what was made from it as far as it is there.
    """
    made = lineage.artefacts
    answer = made[f"optimal_mixture@{objective}"]
    state = made[max(name for name in made if name.startswith("predictor_state@"))]
    settings, selection = answer.manifest["config"], answer.json("selection.json")
    table = read_table(answer.file("weights.parquet"))
    weights, confirmed, prior = (table[name].to_numpy() for name in ("weight", "confirmed", "prior"))
    domains = read_table(made["domain_supply"].file("supply.parquet")).to_pylist()
    history, tasks = History.load(state.file("history.parquet")), settings["objective"]
    losses, kept = history.objective(tasks), ~history.diverged
    noise = noise_of_objectives(state.file("noise.parquet")).get(objective)
    supply = read_table(made["training_tokens"].file("supply.parquet"))
    limits = _limits(settings, supply["prior"].to_numpy(), supply["tokens"].to_numpy(), table["name"].to_pylist())
    results = {int(name[-2:]): made[name] for name in made if name.startswith("proxy_results@")}
    target, comparison = _rows(made, f"target_comparison@{objective}", "comparison.parquet")
    _, realised = _rows(made, f"mixed_corpus@{objective}", "realised.parquet")
    return Facts(
        objective=objective,
        tasks=tasks,
        domains=domains,
        weights=weights,
        confirmed=confirmed,
        prior=prior,
        selection=selection,
        advice=answer.json("advice.json"),
        baselines=read_baselines(made[f"baseline_mixtures@{objective}"].file("baselines.parquet")),
        comparison=comparison,
        realised=realised,
        history=history,
        losses=losses,
        steps=[_step(number, results[number], history, losses) for number in sorted(results)],
        predicted=_predict_unseen(state, history, tasks),
        measured=losses[kept],
        groups=history.iteration[kept].tolist(),
        rank=state.summary["out_of_fold_spearman"].get(objective),
        noise=noise,
        fidelity=_fidelity(made.get("proxy_fidelity"), objective),
        responses=_responses(state, settings, confirmed, limits, supply["tokens"].to_numpy(), history, noise),
        limits=limits,
        prices=[ShadowPrice(**price) for price in selection["prices"]],
        settings=settings,
        proxy=results[min(results)].manifest["config"]["proxy"],
        target=None if target is None else target.manifest["config"]["target"]["training"],
        seeds=0 if target is None else int(target.summary["seeds"]),
        corpus=made["corpus_manifest"].summary,
        pruned=made["domains"].summary,
        artefacts=made,
    )


def _rows(made: Mapping[str, Artifact], name: str, file: str) -> tuple[Artifact | None, list[dict[str, Any]] | None]:
    artifact = made.get(name)
    return artifact, None if artifact is None else read_table(artifact.file(file)).to_pylist()


def _limits(settings: Mapping[str, Any], prior: FloatArray, supply: FloatArray, names: Sequence[str]) -> Limits:
    """Return the limits within which an answer was searched for."""
    kept = {key: settings["search"][key] for key in ("limits", "max_usage", "min_weight")}
    budget = settings["budget"]
    search = config_search.Search.model_validate(kept)
    return find_limits(prior, supply.astype(np.float64), budget["tokens"], budget["max_epochs"], search, names)


def _step(number: int, results: Artifact, history: History, losses: FloatArray) -> Step:
    marks = np.where(history.own, losses, np.nan)
    before, now = marks[history.iteration < number], marks[history.iteration == number]
    before, now = before[np.isfinite(before)], now[np.isfinite(now)]
    gain = max(0.0, float(before.min() - now.min(initial=np.inf))) if len(before) else None
    told = results.summary
    tried = int((history.own & (history.iteration == number)).sum())
    return Step(number, tried, int(told["proxies"]), int(told["diverged"]), int(told["tokens_per_proxy"]), gain)


def _predict_unseen(state: Artifact, history: History, tasks: Mapping[str, float]) -> FloatArray | None:
    """Return what members that had not seen a mixture said of it (n,), of those that did not diverge.

    It is fitted again, since no artefact holds it; None where the rows teach only their mean, or where some were
    brought along, as how far these were believed is decided while a search runs.
    """
    if not history.own.all():
        return None
    fitted = state.manifest["config"]
    settings = config_search.Predictor.model_validate(fitted["predictor"])
    unseen = {
        task: one.out_of_fold for task, one in fit_predictors(history, list(tasks), settings, fitted["seed"]).items()
    }
    known = {task: found.mean for task, found in unseen.items() if found is not None}
    return objective_loss(known, tasks) if len(known) == len(tasks) else None


def _fidelity(report: Artifact | None, objective: str) -> Agreement | None:
    if report is None:
        return None
    return of_setting(read_fidelity(report.file("fidelity.parquet")), SEARCH_PROXY).get(objective)


def _responses(
    state: Artifact,
    settings: Mapping[str, Any],
    answer: FloatArray,
    limits: Limits,
    supply: FloatArray,
    history: History,
    noise: Noise | None,
) -> list[Response]:
    """Return for each domain what is predicted as its share moves and the others make room, within their limits.

    The band is two standard deviations of what a mixture is worth, the noise of one proxy taken out.
    """
    tasks, scale = settings["objective"], settings["search"]["limits"]["repetition_scale"]
    predictors = {task: load_predictor(state.file(f"{task}.json")) for task in tasks}
    within = 0.0 if noise is None else noise.within_repeat.deviation

    def predict(mixtures: FloatArray) -> Prediction:
        budget = settings["budget"]["tokens"]
        worth = mixtures if scale is None else discount_repeats(mixtures, supply.astype(np.float64), budget, scale)
        return remove_noise(predict_objective(predictors, tasks, worth), within)

    found = []
    for domain in range(len(answer)):
        tried = history.weights[:, domain]
        low = max(limits.floor[domain], 1 - (limits.ceiling.sum() - limits.ceiling[domain]))
        high = min(limits.ceiling[domain], 1 - (limits.floor.sum() - limits.floor[domain]))
        high = max(min(high, max(float(tried.max()), answer[domain]) * BEYOND), low + SLACK)
        shares = np.linspace(low, high, POINTS)
        floor, ceiling = (np.repeat(side[None], POINTS, axis=0) for side in (limits.floor, limits.ceiling))
        floor[:, domain] = ceiling[:, domain] = shares
        mean, deviation = predict(np.stack([project(answer, *ends) for ends in zip(floor, ceiling, strict=True)]))
        above = mean - predict(answer[None]).mean
        curve = list(zip(shares.tolist(), above.tolist(), (2 * deviation).tolist(), strict=True))
        found.append(Response(curve, float(answer[domain]), sorted(set(np.round(tried, 4).tolist()))))
    return found

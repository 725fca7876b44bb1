"""The search space as the lake has it, and what a search knows of it so far.

What belongs here: reading domains, histories and predictors out of artefacts. The mathematics lies beside, in
`proposal` and `iteration`, and in `climb_assets.simplex`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from climb_assets.config import Config
from climb_assets.config_tasks import Task
from climb_assets.errors import ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.search.history import History
from climb_assets.search.iteration import (
    fit_predictors,
    judge_evidence,
    least_trust,
    predict_objective,
    rank_objective,
)
from climb_assets.search.noise import noise_of_objectives
from climb_assets.search.prediction import Prediction, remove_noise
from climb_assets.search.predictor import Predictor, load_predictor
from climb_assets.search.proposal import Candidate, Predict, draw_pool, propose_first, propose_next
from climb_assets.search.stack import LEAST_ROWS
from climb_assets.search.stop_rule import Advice, advise, last_gain, nothing_left
from climb_assets.simplex.limits import Limits, discount_repeats, divergence_penalty, find_limits
from climb_assets.simplex.mixtures import FloatArray, is_among
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table


@dataclass(frozen=True, eq=False)
class Space:
    """The mixtures that a search may propose.

    Parameters
    ----------
    names
        Of the domains (K).
    prior
        Token share of each domain (K,).
    supply
        Training tokens of each domain (K,).
    limits
        What every mixture keeps.
    """

    names: tuple[str, ...]
    prior: FloatArray
    supply: FloatArray
    limits: Limits
    config: Config

    def draw(self) -> FloatArray:
        """Return the pool (n, K); see `climb_assets.search.proposal.draw_pool`."""
        return draw_pool(self.prior, self.limits, self.config.search)

    def penalty(self, mixtures: FloatArray) -> FloatArray:
        """Return what `search.limits.divergence` adds to the loss of mixtures (n, K), in bits per byte."""
        return divergence_penalty(mixtures, self.prior, self.config.search.limits)


def read_space(climb: Materializer) -> Space:
    """Return the search space over the current domains, within the limits of what they held when the search was begun.

    Raises
    ------
    ConfigError
        The configuration names a domain that is not there.
    ComputeError
        No mixture keeps the limits.
    """
    return _space_within(climb, "training_tokens")


def read_space_today(climb: Materializer) -> Space:
    """Return the space of mixtures over the same domains within the limits of what they hold today; see `read_space`.

    A domain that has lost all its text has a ceiling of 0.
    """
    return _space_within(climb, "domain_supply")


def _space_within(climb: Materializer, asset: str) -> Space:
    config = climb.config
    table = read_table(climb.get(asset).file("supply.parquet"), ["name", "prior", "tokens"])
    names = tuple(table["name"].to_pylist())
    prior, supply = table["prior"].to_numpy(), table["tokens"].to_numpy().astype(np.float64)
    limits = find_limits(prior, supply, config.mixture.tokens, config.mixture.max_epochs, config.search, names)
    return Space(names, prior, supply, limits, config)


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known after an iteration: the rows, the predictors fitted on them, and the noise of each objective.

    An objective whose noise was not measured is not in `noise`.
    """

    history: History
    predictors: Mapping[str, Predictor]
    noise: Mapping[str, float]
    space: Space

    @property
    def predict(self) -> dict[str, Predict]:
        """The prediction of each objective, for mixtures (n, K)."""
        return {name: partial(self._predict, weights) for name, weights in self.space.config.objectives.items()}

    def predict_tasks(self, mixtures: FloatArray) -> dict[str, FloatArray]:
        """Return the predicted loss (n,) of every task, for mixtures (n, K)."""
        worth = self._worth(mixtures)
        return {task: predictor.predict(worth).mean for task, predictor in self.predictors.items()}

    def predict_worth(self, objective: str, mixtures: FloatArray) -> Prediction:
        """Return the prediction of an objective for mixtures (n, K), what a proxy's seed adds to it taken out."""
        return remove_noise(self.predict[objective](mixtures), self.noise.get(objective, 0.0))

    def rank(self, objective: str, mixtures: FloatArray) -> FloatArray:
        """Return what mixtures (n, K) are ranked by where the best predicted of an objective are chosen (n,)."""
        weights, caution = self.space.config.objectives[objective], self.space.config.search.choice.caution
        return rank_objective(self.predictors, weights, self._worth(mixtures), caution)

    def surcharge(self, objective: str, mixtures: FloatArray) -> FloatArray:
        """Return what is added to measured losses of mixtures (n, K) before they are ranked (n,).

        The penalty for their divergence from the prior; and where repeats are discounted, what the predictor says that
        they cost: proxies that did not repeat their data have not measured it.
        """
        added = self.space.penalty(mixtures)
        if self.space.config.search.limits.repetition_scale is None:
            return added
        as_measured = predict_objective(self.predictors, self.space.config.objectives[objective], mixtures).mean
        return added + self.predict[objective](mixtures).mean - as_measured

    @property
    def best(self) -> dict[str, float]:
        """The least predicted loss of a tried mixture with its penalty, for each objective.

        Not the least measured loss: that one was lucky too.
        """
        tried = self.history.weights[self.marks]
        penalty = self.space.penalty(tried)
        return {name: float((predict(tried).mean + penalty).min()) for name, predict in self.predict.items()}

    @property
    def around(self) -> dict[str, FloatArray]:
        """The best measured mixture (K,) of each objective."""
        return {
            name: self.history.weights[int(np.nanargmin(np.where(self.marks, self.history.objective(weights), np.nan)))]
            for name, weights in self.space.config.objectives.items()
        }

    @property
    def marks(self) -> npt.NDArray[np.bool_]:
        """Whether each row is a mark to beat (n,): it keeps the limits, did not diverge and is believed."""
        return self.allowed & ~self.history.diverged & self.history.believed

    @property
    def allowed(self) -> npt.NDArray[np.bool_]:
        """Whether each row keeps the limits (n,); those of the evidence may not, and are no mark to beat then."""
        return self.space.limits.kept_by(self.history.weights)

    def _predict(self, weights: Mapping[str, float], mixtures: FloatArray) -> Prediction:
        return predict_objective(self.predictors, weights, self._worth(mixtures))

    def _worth(self, mixtures: FloatArray) -> FloatArray:
        """Return the mixtures as predictors are asked about them: with repeats discounted, where that is configured."""
        config, scale = self.space.config, self.space.config.search.limits.repetition_scale
        return (
            mixtures if scale is None else discount_repeats(mixtures, self.space.supply, config.mixture.tokens, scale)
        )


def read_knowledge(space: Space, state: Artifact) -> Knowledge:
    """Return what an artefact of `predictor_state` holds."""
    history = History.load(state.file("history.parquet"))
    predictors = {task: load_predictor(state.file(f"{task}.json")) for task in history.losses}
    measured = noise_of_objectives(state.file("noise.parquet"))
    noise = {name: row.within_repeat.deviation for name, row in measured.items()}
    return Knowledge(history, predictors, noise, space)


def learn(space: Space, evidence: History) -> Knowledge | None:
    """Return what rows teach that a search begins with; None where they are too few, or none keeps the limits."""
    config = space.config
    trust = judge_evidence(evidence) if len(evidence.keys) else {}
    believed = evidence.believed_as(least_trust(evidence, trust)) if trust else evidence
    if (believed.trust > 0).sum() < LEAST_ROWS:
        return None
    predictors = fit_predictors(believed, sorted(believed.losses), config.search.predictor, config.search.seed, trust)
    learnt = Knowledge(believed, predictors, {}, space)
    return learnt if learnt.marks.any() else None


def propose_initial(
    space: Space, pool: FloatArray, count: int, evidence: History, learnt: Knowledge | None
) -> list[Candidate]:
    """Return the first iteration's candidates, out of what the evidence has not tried of the pool (n, K).

    Where the evidence has taught something, half of them are proposed by that, after the others: evidence that is wrong
    costs no more than half of the first iteration, and the rows that show it are there then.

    Parameters
    ----------
    evidence
        The rows that the search begins with.
    learnt
        What they taught, None where they are too few.
    """
    untried = pool[~is_among(pool, evidence.weights)]
    if learnt is None or count < 2:
        return propose_first(untried, count, space.config.search)
    foretold = propose_further(learnt, pool, count // 2, iteration=1)
    others = untried[~is_among(untried, np.array([candidate.weights for candidate in foretold]))]
    return propose_first(others, count - len(foretold), space.config.search) + foretold


def propose_further(known: Knowledge, pool: FloatArray, count: int, iteration: int) -> list[Candidate]:
    """Return the candidates of an iteration after the first, out of the pool (n, K); see `propose_next`."""
    space = known.space
    return propose_next(
        pool,
        known.history.weights,
        {name: partial(known.predict_worth, name) for name in space.config.objectives},
        known.best,
        known.around,
        count,
        space.config.search,
        iteration,
        space.limits,
        space.prior,
    )


def propose_at_most(known: Knowledge, pool: FloatArray, count: int, iteration: int) -> list[Candidate]:
    """Return `count` candidates or as many as the pool (n, K) has left; see `propose_further`."""
    count = min(count, int((~is_among(pool, known.history.weights)).sum()))
    return propose_further(known, pool, count, iteration) if count else []


def advise_on(known: Knowledge, further: Sequence[Candidate], objective: str) -> Advice:
    """Return what training these candidates promises an objective; see `climb_assets.search.stop_rule`."""
    history, weights = known.history, known.space.config.objectives[objective]
    losses = history.objective(weights) + known.surcharge(objective, history.weights)
    gained = last_gain(np.where(known.marks, losses, np.nan), history.iteration)
    noise = known.noise.get(objective)
    if not further:
        return nothing_left(gained, noise)
    mixtures = np.array([candidate.weights for candidate in further])  # every proxy serves every objective
    mean, deviation = known.predict_worth(objective, mixtures)
    return advise(Prediction(mean + known.space.penalty(mixtures), deviation), known.best[objective], gained, noise)


def obey_stop_rule(known: Knowledge, pool: FloatArray, iteration: int) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates of an iteration after the first; or none, and for each objective why.

    Where the iteration before had none the search has ended, and no later one begins it again.

    Parameters
    ----------
    known
        What the iteration before left.
    pool
        The mixtures (n, K) they are taken from.
    """
    config = known.space.config
    if known.history.iteration.max() < iteration - 1:
        return [], dict.fromkeys(sorted(config.objectives), f"iteration {iteration - 1} has ended the search")
    further = propose_at_most(known, pool, config.search.iterations[iteration - 1], iteration)
    advice = {objective: advise_on(known, further, objective) for objective in sorted(config.objectives)}
    if all(one.stop for one in advice.values()):
        return [], {objective: one.sentence for objective, one in advice.items()}
    return further, {}


def propose_candidates(
    space: Space, evidence: History, known: Knowledge | None, pool: FloatArray, iteration: int
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates of an iteration: drawn from the prior where nothing is known yet, else by the predictors.

    With `search.stop: obey` there may be none, and then for each objective why; see `obey_stop_rule`.

    Parameters
    ----------
    evidence
        The rows that the search begins with.
    known
        What the iteration before left, None in the first.
    pool
        The mixtures (n, K) they are taken from.

    Raises
    ------
    ComputeError
        A candidate breaks a limit, which would be a defect of the proposal.
    """
    count, stopped = space.config.search.iterations[iteration - 1], dict[str, str]()
    if known is None:
        candidates = propose_initial(space, pool, count, evidence, learn(space, evidence))
    elif space.config.search.stop == "obey":
        candidates, stopped = obey_stop_rule(known, pool, iteration)
    else:
        candidates = propose_further(known, pool, count, iteration)
    weights = np.array([candidate.weights for candidate in candidates]).reshape(-1, len(space.names))
    if not space.limits.kept_by(weights).all():
        raise ComputeError(f"a candidate of iteration {iteration} breaks a limit, which is a defect; report this")
    return candidates, stopped


def deciding_tasks(config: Config) -> dict[str, Task]:
    """Return the tasks that decide; those for the report are shown to no search."""
    return {name: task for name, task in config.tasks.items() if task.split == "search_eval"}

"""Proposals: which mixtures are trained next.

What belongs here: the space of mixtures A, and the candidates of an iteration. Which of the ranked mixtures are taken
is `climb_assets.search.acquisition`; what is asked of a predictor is one function from mixtures to losses, and fitting
it is `climb_assets.search.iteration`.

The search space A is one finite pool, drawn once from the prior, the limits and the seed, as the paper's A is one set:
the first candidates and the later ones are members of it, but for the local moves that a setting adds.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.randomness import generator
from climb_assets.search.acquisition import acquire
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.limits import Limits, divergence_penalty
from climb_assets.simplex.mixtures import FloatArray, affinity, check_simplex, content_numbers, is_among, mixture_key
from climb_assets.tables import read_table, write_rows

DRAWS_PER_ROUND = 20_000  # bounds the memory of one round of draws
MAX_ROUNDS_PER_POOL = 10  # a pool gives up after this many times its size in draws: the grid has no more
LEAST_SURVIVING = 0.1  # share of the draws within the limits, below which they are projected and not rejected

Predict = Callable[[FloatArray], Prediction]

CANDIDATES = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("weights", pa.list_(pa.float64()), nullable=False),
        pa.field("objective", pa.string()),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("predicted", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Candidate:
    """A mixture put up for evaluation, and why.

    Parameters
    ----------
    key
        Name of the mixture; see `mixture_key`.
    weights
        Share of each domain, in domain order.
    origin
        The rule that proposed it.
    objective, predicted
        The objective it was proposed for and its predicted loss; None where no predictor was asked.
    """

    key: str
    weights: tuple[float, ...]
    origin: str
    objective: str | None = None
    predicted: float | None = None


def draw_pool(prior: FloatArray, limits: Limits, settings: config_search.Search) -> FloatArray:
    """Return the search space A: at most `settings.pool` different mixtures (n, K) in the order they were drawn.

    NVIDIA's stage 5 (RegMix's synthesize_mixture; docs/sources.md): the prior to the power of the temperature, times
    a strength drawn from a log-spaced grid, is the concentration of a Dirichlet; a mixture above a ceiling is rejected;
    small weights become 0, the rest is rounded; a second of the same is rejected.

    Departures, recorded: NVIDIA's stage 8 draws its pool from Dirichlet(prior) without temperature and cap, so a
    quarter of it breaks the cap of stage 5 (docs/sources.md); here both are one pool. Rounding keeps the limits, where
    theirs comes after the check. Floors shrink the simplex that is drawn from. Where the ceilings are so tight that
    hardly a draw survives, draws are projected onto them instead. With few domains the grid may hold fewer mixtures
    than `settings.pool`; then the pool is smaller.

    Parameters
    ----------
    prior
        Token share of each domain (K,), all positive.
    limits
        What every mixture of the pool keeps.

    Raises
    ------
    ComputeError
        The prior is not on the simplex or has a domain without tokens.
    """
    prior = check_simplex(prior, len(prior))
    if (prior <= 0).any():
        raise ComputeError(f"domain {int(np.argmin(prior))} has no tokens to draw from; leave it out of the domains")
    if settings.min_weight * len(prior) > 1:
        raise ComputeError(f"{len(prior)} domains cannot all reach search.min_weight {settings.min_weight:g}; lower it")
    rng = generator(settings.seed, "pool")
    rows = min(settings.pool, DRAWS_PER_ROUND)
    distinct: dict[bytes, None] = {}
    for _ in range(MAX_ROUNDS_PER_POOL * settings.pool // rows):
        distinct.update((mixture.tobytes(), None) for mixture in _draw(prior, limits, rows, settings, rng))
        if len(distinct) >= settings.pool:
            break
    return np.frombuffer(b"".join(distinct)).reshape(-1, len(prior))[: settings.pool]


def _draw(
    prior: FloatArray, limits: Limits, rows: int, settings: config_search.Search, rng: np.random.Generator
) -> FloatArray:
    """Return at most `rows` draws (m, K) within the limits, on the grid."""
    tempered = prior**settings.temperature
    tempered /= tempered.sum()
    strengths = np.geomspace(*settings.strength, settings.strengths)
    chosen = rng.integers(len(strengths), size=rows)
    draws = np.empty((rows, len(prior)))
    for index, strength in enumerate(strengths):
        of_strength = np.flatnonzero(chosen == index)
        draws[of_strength] = rng.dirichlet(tempered * strength, size=len(of_strength))
    draws = limits.floor + (1 - limits.floor.sum()) * draws
    kept = limits.kept_by(draws)
    if kept.mean() >= LEAST_SURVIVING:
        draws = draws[kept]
    return limits.round(draws, settings.min_weight)


def propose_first(pool: FloatArray, count: int, settings: config_search.Search) -> list[Candidate]:
    """Return the first iteration's candidates: `count` members of the pool.

    ``prior``: drawn evenly (paper section 2.2, S_1). ``spread``: one drawn evenly, and each further one the farthest
    from its nearest predecessor in Hellinger distance (a maximin design), so that they fill the space.

    Raises
    ------
    ComputeError
        The pool holds fewer than `count` mixtures.
    """
    _check_supply(len(pool), count, 1)
    rng = generator(settings.seed, "first candidates")
    if settings.first == "prior":
        picked = rng.permutation(len(pool))[:count]  # fewer are the first of more
    else:
        picked = _spread(pool, count, int(rng.integers(len(pool))))
    return [_candidate(pool[index], settings.first) for index in picked]


def _spread(pool: FloatArray, count: int, start: int) -> npt.NDArray[np.int64]:
    """Return `count` rows of the pool (n, K), far from one another."""
    roots = np.sqrt(pool)
    picked = np.full(count, start, dtype=np.int64)
    closeness = np.full(len(pool), -np.inf)  # affinity to the nearest one picked, the less the farther
    for place in range(1, count):
        closeness = np.maximum(closeness, affinity(roots, roots[picked[place - 1]]))
        closeness[picked[place - 1]] = np.inf
        picked[place] = np.argmin(closeness)
    return picked


def propose_next(
    pool: FloatArray,
    tried: FloatArray,
    predict: Mapping[str, Predict],
    best: Mapping[str, float],
    around: Mapping[str, FloatArray],
    count: int,
    settings: config_search.Search,
    iteration: int,
    limits: Limits,
    prior: FloatArray,
) -> list[Candidate]:
    """Return the candidates of a later iteration: what the acquisition takes of the pool, for each objective in turn.

    One swarm serves all objectives: `count` is shared evenly by them, in the order of their names. Nothing that was
    tried is proposed again (the paper's rule; NVIDIA's code does not take out the tried mixtures).

    Parameters
    ----------
    pool
        The search space (n, K) of `draw_pool`.
    tried
        Mixtures (m, K) that were evaluated or proposed before.
    predict
        For each objective, the prediction of mixtures (n, K); lower is better.
    best
        For each objective, what an expected improvement is counted from: the least predicted loss of a tried mixture,
        with the penalty for its divergence from the prior.
    around
        For each objective, the mixture (K,) that local moves start from.
    count
        Number of candidates over all objectives.
    iteration
        Number of the iteration, from 2; it only names the random streams.
    limits
        What local moves keep, as the pool does.
    prior
        Token share of each domain (K,), which `settings.limits.divergence` counts from.

    Raises
    ------
    ComputeError
        Fewer than `count` mixtures of the pool are untried.
    """
    pool = pool[~is_among(pool, tried)]
    _check_supply(len(pool), count, iteration)
    taken = np.empty((0, len(prior)))
    candidates: list[Candidate] = []
    for position, objective in enumerate(sorted(predict)):
        quota = (count * (position + 1)) // len(predict) - (count * position) // len(predict)
        if not quota:
            continue
        rng = generator(settings.seed, "next candidates", iteration, objective)
        ranked = pool[~is_among(pool, taken)]
        members = len(ranked)
        if settings.acquisition.local_moves:
            moves = _move(around[objective], members, settings, limits, prior, rng)
            known = np.concatenate([pool, tried, taken])
            ranked = np.concatenate([ranked, moves[~is_among(moves, known)]])
        predicted = predict[objective](ranked)
        wanted = Prediction(predicted.mean + divergence_penalty(ranked, prior, settings.limits), predicted.deviation)
        chosen = acquire(ranked, wanted, best[objective], quota, settings.acquisition, rng, taken)
        for index in chosen:
            rule = "local move" if index >= members else settings.acquisition.kind
            candidates.append(_candidate(ranked[index], rule, objective, float(predicted.mean[index])))
        taken = np.concatenate([taken, ranked[chosen]])
    return candidates


def _move(
    mixture: FloatArray,
    members: int,
    settings: config_search.Search,
    limits: Limits,
    prior: FloatArray,
    rng: np.random.Generator,
) -> FloatArray:
    """Return different mixtures (m, K) around one (K,): `local_moves` of all that are ranked, with the pool's members.

    They are drawn from a Dirichlet, to which the prior adds a strength of 1, so that what was left out can return.
    """
    share = settings.acquisition.local_moves
    rows = int(members * share / (1 - share))
    draws = rng.dirichlet(settings.acquisition.local_strength * mixture + prior, size=rows)
    moves = limits.round(draws, settings.min_weight)
    _, different = np.unique(content_numbers(moves), return_index=True)
    return moves[different]


def _candidate(
    weights: FloatArray, origin: str, objective: str | None = None, predicted: float | None = None
) -> Candidate:
    return Candidate(mixture_key(weights), tuple(weights.tolist()), origin, objective, predicted)


def _check_supply(untried: int, count: int, iteration: int) -> None:
    if untried < count:
        raise ComputeError(
            f"iteration {iteration} asks for {count} mixtures and {untried} different ones are left; "
            "raise search.pool or search.max_usage, or lower search.iterations"
        )


def write_candidates(path: Path, candidates: list[Candidate]) -> None:
    """Write candidates in their order."""
    write_rows(path, [asdict(candidate) | {"weights": list(candidate.weights)} for candidate in candidates], CANDIDATES)


def read_candidates(path: Path) -> list[Candidate]:
    """Read what `write_candidates` wrote."""
    return [Candidate(**(row | {"weights": tuple(row["weights"])})) for row in read_table(path).to_pylist()]

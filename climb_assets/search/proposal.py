"""Proposals: which mixtures are trained next.

What belongs here: the space of mixtures A, and rules that draw candidates from it. What a rule asks of a
predictor is one function from mixtures to losses; fitting it is `climb_assets.search.iteration`.

The search space A is one finite pool, drawn once from the prior and the seed, as the paper's A is one set: the
first candidates, the later ones and the final mixture are all members of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from climb_assets import config
from climb_assets.errors import ComputeError
from climb_assets.randomness import generator
from climb_assets.search.simplex import FloatArray, check_simplex, floor_and_round, is_among, mixture_key
from climb_assets.tables import read_table, write_rows

DRAWS_PER_ROUND = 20_000  # bounds the memory of one round of draws
MAX_ROUNDS_PER_POOL = 20  # a pool gives up after this many times its size in draws: an acceptance of 5 %

Predict = Callable[[FloatArray], FloatArray]

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


class Proposal(Protocol):
    """A rule for every iteration after the first; see `propose_next`, the published one."""

    def __call__(
        self,
        pool: FloatArray,
        tried: FloatArray,
        predict: Mapping[str, Predict],
        count: int,
        settings: config.Search,
        iteration: int,
    ) -> list[Candidate]:
        """Return `count` candidates from the pool that are not among the tried ones."""
        ...


def draw_pool(prior: FloatArray, settings: config.Search) -> FloatArray:
    """Return the search space A: at most `settings.pool` different mixtures (n, K) in the order they were drawn.

    NVIDIA's stage 5 (RegMix's synthesize_mixture; docs/sources.md): the prior to the power of the temperature, times
    a strength drawn from a log-spaced grid, is the concentration of a Dirichlet; small weights become 0, the rest is
    rounded; a mixture that asks a domain for more than `max_usage` times its prior is rejected, and so is a second
    of the same.

    Departures, recorded: NVIDIA's stage 8 draws its pool from Dirichlet(prior) without temperature and cap, so a
    quarter of it breaks the cap of stage 5 (docs/sources.md); here both are one pool and the cap always holds. The cap
    is checked after rounding, where theirs is before. With few domains the grid may hold fewer mixtures
    than `settings.pool`; then the pool is smaller.

    Parameters
    ----------
    prior
        Token share of each domain (K,), all positive.

    Raises
    ------
    ComputeError
        The prior is not on the simplex or has a domain without tokens, or no mixture keeps the cap.
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
        distinct.update((mixture.tobytes(), None) for mixture in _draw(prior, rows, settings, rng))
        if len(distinct) >= settings.pool:
            break
    if not distinct:
        raise ComputeError(
            f"no mixture keeps every domain under search.max_usage {settings.max_usage:g} times its share of tokens; "
            "raise search.max_usage or search.strength"
        )
    return np.frombuffer(b"".join(distinct)).reshape(-1, len(prior))[: settings.pool]


def _draw(prior: FloatArray, rows: int, settings: config.Search, rng: np.random.Generator) -> FloatArray:
    """Return those of `rows` draws (m, K) that keep the cap."""
    tempered = prior**settings.temperature
    tempered /= tempered.sum()
    strengths = np.geomspace(*settings.strength, settings.strengths)
    chosen = rng.integers(len(strengths), size=rows)
    draws = np.empty((rows, len(prior)))
    for index, strength in enumerate(strengths):
        of_strength = np.flatnonzero(chosen == index)
        draws[of_strength] = rng.dirichlet(tempered * strength, size=len(of_strength))
    cap = np.minimum(settings.max_usage * prior, 1.0)
    draws = draws[(draws <= cap).all(axis=1)]  # as published, before rounding: spares the rounding of what is lost
    draws = floor_and_round(draws, settings.min_weight)
    return draws[(draws <= cap).all(axis=1)]


def propose_first(pool: FloatArray, count: int, settings: config.Search) -> list[Candidate]:
    """Return the first iteration's candidates: `count` members of the pool, drawn evenly (paper section 2.2, S_1).

    Raises
    ------
    ComputeError
        The pool holds fewer than `count` mixtures.
    """
    _check_supply(len(pool), count, 1)
    picked = generator(settings.seed, "first candidates").choice(len(pool), size=count, replace=False)
    return [_candidate(pool[index], "prior") for index in picked]


def propose_next(
    pool: FloatArray,
    tried: FloatArray,
    predict: Mapping[str, Predict],
    count: int,
    settings: config.Search,
    iteration: int,
) -> list[Candidate]:
    """Return the candidates of a later iteration by the published rule (paper equation 3; NVIDIA's 8_predict.py).

    Of the pool without the tried mixtures, M are drawn at random from the N = max(M * M, `settings.top`) that are
    predicted best. `count` is shared evenly by the objectives, in the order of their names; M is an objective's share.
    NVIDIA's code does not take out the tried mixtures; the paper does.

    Parameters
    ----------
    pool
        The search space (n, K) of `draw_pool`.
    tried
        Mixtures (m, K) that were evaluated or proposed before.
    predict
        For each objective, the predicted loss (n,) of mixtures (n, K).
    count
        Number of candidates over all objectives.
    iteration
        Number of the iteration, from 2; it only names the random stream.

    Raises
    ------
    ComputeError
        Fewer than `count` mixtures of the pool are untried.
    """
    pool = pool[~is_among(pool, tried)]
    _check_supply(len(pool), count, iteration)
    candidates: list[Candidate] = []
    free = np.ones(len(pool), dtype=np.bool_)
    for position, objective in enumerate(sorted(predict)):
        quota = (count * (position + 1)) // len(predict) - (count * position) // len(predict)
        if not quota:
            continue
        predicted = predict[objective](pool)
        order = np.argsort(predicted, kind="stable")
        head = order[free[order]][: max(quota * quota, settings.top)]
        rng = generator(settings.seed, "next candidates", iteration, objective)
        for index in rng.choice(head, size=quota, replace=False):
            free[index] = False
            candidates.append(_candidate(pool[index], f"top {len(head)}", objective, float(predicted[index])))
    return candidates


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

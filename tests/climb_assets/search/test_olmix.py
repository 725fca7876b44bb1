"""Olmix's proposal is the minimum of a convex problem, under the caps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.mixing_law import MixingLaw
from climb_assets.search.olmix import minimise_laws, propose_olmix
from climb_assets.simplex.limits import Limits, divergence
from climb_assets.simplex.mixtures import FloatArray, check_simplex, normalise

LAW = config_search.MixingLaw()
PRIOR = np.array([0.1, 0.2, 0.3, 0.4])
OPEN = Limits(np.zeros(4), np.ones(4))
SWARM = np.random.default_rng(0).dirichlet(np.ones(4), size=60)
LOSSES = {
    "likes_first": 1 + np.exp(0.5 - 2 * SWARM[:, 0]),
    "likes_last": 1 + np.exp(0.5 - 2 * SWARM[:, 3]),
    "indifferent": np.ones(60),
}


def propose(objective: dict[str, float], limits: Limits = OPEN, weight: float = 0.0) -> FloatArray:
    """Return the proposal for the swarm above."""
    return propose_olmix(SWARM, LOSSES, objective, PRIOR, limits, weight, LAW)


def test_without_a_divergence_the_best_domain_gets_all_that_it_may() -> None:
    assert propose({"likes_first": 1}) == pytest.approx([1, 0, 0, 0], abs=1e-3)
    capped = Limits(np.array([0, 0.05, 0.05, 0.05]), np.array([0.4, 1, 1, 1]))
    found = propose({"likes_first": 1}, capped)
    assert found[0] == pytest.approx(0.4)
    assert capped.kept_by(found)


def test_an_objective_is_a_weighted_mean_of_its_tasks() -> None:
    both = propose({"likes_first": 1, "likes_last": 1})
    assert both[[0, 3]] == pytest.approx([0.5, 0.5], abs=0.02)
    assert propose({"likes_first": 3, "likes_last": 3}) == pytest.approx(both)
    assert propose({"likes_first": 2, "likes_last": 1})[0] > both[0] + 0.05


def test_a_heavier_divergence_stays_nearer_to_the_prior() -> None:
    distances = [divergence(propose({"likes_first": 1}, weight=weight), PRIOR) for weight in (0, 0.05, 0.5, 5, 500)]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 2
    assert distances[-1] < 1e-5


def test_a_task_that_no_mixture_changes_leaves_the_prior() -> None:
    assert propose({"indifferent": 1}, weight=0.05) == pytest.approx(PRIOR, abs=1e-6)


def test_the_same_swarm_gives_the_same_bits() -> None:
    objective = {"likes_first": 1, "likes_last": 2}
    turned = dict(reversed(objective.items()))
    assert propose(objective, weight=0.05).tobytes() == propose(turned, weight=0.05).tobytes()


def test_a_diverged_proxy_is_refused() -> None:
    losses = {"task": np.where(np.arange(60) == 3, np.nan, 1.0)}
    with pytest.raises(ComputeError, match="diverged"):
        propose_olmix(SWARM, losses, {"task": 1}, PRIOR, OPEN, 0.05, LAW)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[tuple[MixingLaw, float]], FloatArray, Limits, float]:
    """Return laws with their shares, a prior, limits that some mixture keeps, and the weight of the divergence."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    domains = draw(st.integers(2, 24))
    prior = normalise(random.dirichlet(np.full(domains, 0.5)) + 1e-6)
    steepness = draw(st.floats(0.1, 8))
    laws = [
        (MixingLaw(0.0, float(random.normal()), steepness * random.normal(size=domains)), float(random.random()))
        for _ in range(draw(st.integers(0, 4)))
    ]
    inside = random.dirichlet(np.ones(domains))
    floor = inside * draw(st.floats(0, 1))
    ceiling = np.minimum(1.0, inside * draw(st.floats(1, 20)))
    return laws, prior, Limits(floor, ceiling), draw(st.sampled_from([0.0, 0.005, 0.05, 1.0]))


@settings(max_examples=40, deadline=None)
@given(problems())
def test_no_other_mixture_within_the_limits_is_better(
    problem: tuple[list[tuple[MixingLaw, float]], FloatArray, Limits, float],
) -> None:
    laws, prior, limits, weight = problem

    def cost(mixtures: FloatArray) -> FloatArray:
        total = weight * divergence(mixtures, prior)
        for law, share in laws:
            total = total + share * law.predict(mixtures).mean
        return total

    found = minimise_laws(laws, prior, limits, weight)
    check_simplex(found, len(prior))
    assert limits.kept_by(found)
    random = np.random.default_rng(0)
    others = limits.project(random.dirichlet(np.full(len(prior), 0.3), size=300))
    nearby = limits.project(normalise(found * np.exp(0.05 * random.normal(size=(300, len(prior))))))
    best = cost(np.vstack([others, nearby])).min()
    least = cost(found[None])[0]
    assert least <= best + 3e-4 * max(1.0, abs(least))

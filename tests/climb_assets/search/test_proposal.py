"""Candidates keep the limits, are new, and are the same for the same seed."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.prediction import Prediction
from climb_assets.search.proposal import draw_pool, propose_first, propose_next, read_candidates, write_candidates
from climb_assets.simplex.limits import Limits, find_limits
from climb_assets.simplex.mixtures import check_simplex, is_among, mixture_key, normalise

KINDS = ["greedy", "published", "expected_improvement", "lower_bound"]
SEARCH = config_search.Search(pool=2000, acquisition={"kind": "published", "top": 16})
PRIOR = normalise([5, 3, 2, 1, 1, 0.5])
FREE = Limits(np.zeros(6), np.ones(6))
CAPPED = Limits(np.zeros(6), np.minimum(15 * PRIOR, 1))


def first_domain(mixtures):
    return Prediction(-mixtures[:, 0], np.full(len(mixtures), 0.05))


def second_domain(mixtures):
    return Prediction(-mixtures[:, 1], np.full(len(mixtures), 0.05))


def weights_of(candidates):
    return np.array([candidate.weights for candidate in candidates])


def with_acquisition(kind, **values):
    return SEARCH.model_copy(update={"acquisition": config_search.Acquisition(kind=kind, **values)})


def propose(pool, tried, predict, count, search, iteration, limits=FREE, prior=PRIOR):
    """Call `propose_next` with the best of the pool's first ten as what is known."""
    known = {name: int(np.argmin(predict[name](pool[:10]).mean)) for name in predict}
    best = {name: float(predict[name](pool[:10]).mean[row]) for name, row in known.items()}
    around = {name: pool[row] for name, row in known.items()}
    return propose_next(pool, tried, predict, best, around, count, search, iteration, limits, prior)


@st.composite
def searches(draw):
    """A prior, settings and the limits that come of them: loose ones, tight ones, with floors and without."""
    prior = normalise(draw(st.lists(st.floats(0.1, 1), min_size=2, max_size=12)))
    search = config_search.Search(
        pool=300,
        seed=draw(st.integers(0, 3)),
        max_usage=draw(st.sampled_from([1.5, 4.0, 15.0])),
        limits={"floor": draw(st.sampled_from([0.0, 0.0, 0.001, 0.01]))},
        acquisition={
            "kind": draw(st.sampled_from(KINDS)),
            "top": 16,
            "local_moves": draw(st.sampled_from([0.0, 0.5])),
        },
    )
    names = [f"domain {place}" for place in range(len(prior))]
    return prior, search, find_limits(prior, prior * 1e6, draw(st.sampled_from([1e5, 3.5e6])), 4.0, search, names)


@settings(max_examples=60, deadline=None)
@given(searches())
def test_every_mixture_of_the_pool_is_on_the_simplex_within_its_limits_and_different(case):
    prior, search, limits = case
    pool = draw_pool(prior, limits, search)
    check_simplex(pool, len(prior))
    assert (pool <= limits.ceiling).all()
    assert (pool >= limits.floor).all()
    assert len({mixture_key(mixture) for mixture in pool}) == len(pool)
    assert ((pool == 0) | (pool >= 2e-4 - 1e-12)).all()


@settings(max_examples=60, deadline=None)
@given(searches(), st.sampled_from(["prior", "spread"]))
def test_every_candidate_is_new_and_within_its_limits_and_there_are_as_many_as_asked_for(case, first):
    prior, search, limits = case
    search = search.model_copy(update={"first": first})
    pool = draw_pool(prior, limits, search)
    assume(len(pool) >= 40)
    tried = propose_first(pool, 12, search)
    predict = {"a": first_domain, "b": second_domain}
    later = propose(pool, weights_of(tried), predict, 7, search, 2, limits, prior)
    candidates = weights_of(tried + later)
    check_simplex(candidates, len(prior))
    assert (candidates <= limits.ceiling).all()
    assert (candidates >= limits.floor).all()
    assert len({candidate.key for candidate in tried + later}) == 19
    assert later == propose(pool, weights_of(tried), predict, 7, search, 2, limits, prior)


def test_the_pool_depends_on_the_seed_alone():
    np.testing.assert_array_equal(draw_pool(PRIOR, CAPPED, SEARCH), draw_pool(PRIOR, CAPPED, SEARCH))
    other = draw_pool(PRIOR, CAPPED, SEARCH.model_copy(update={"seed": 7}))
    assert is_among(draw_pool(PRIOR, CAPPED, SEARCH), other).mean() < 0.5  # sparse mixtures may meet


def test_few_domains_give_a_smaller_pool_than_asked_for():
    pool = draw_pool(np.array([0.5, 0.5]), Limits(np.zeros(2), np.ones(2)), config_search.Search(pool=20_000))
    assert 1000 < len(pool) <= 5001  # the grid has no more


def test_where_hardly_a_draw_survives_the_pool_is_full_nevertheless_and_not_of_one_kind():
    tight = Limits(np.full(6, 0.01), PRIOR * 1.1)
    pool = draw_pool(PRIOR, tight, SEARCH)
    assert len(pool) == SEARCH.pool
    assert (pool.max(axis=0) - pool.min(axis=0) > 0.5 * (tight.ceiling - PRIOR * 0.9)).all()


def test_a_floor_keeps_every_domain_in_and_changes_nothing_else():
    floored = draw_pool(PRIOR, Limits(np.full(6, 0.02), np.ones(6)), SEARCH)
    assert floored.min() >= 0.02
    free = draw_pool(PRIOR, FREE, SEARCH)
    np.testing.assert_allclose(floored.mean(axis=0), 0.02 + 0.88 * free.mean(axis=0), atol=0.03)


def test_a_domain_without_tokens_is_refused():
    with pytest.raises(ComputeError, match="domain 1"):
        draw_pool(np.array([1.0, 0.0]), Limits(np.zeros(2), np.ones(2)), SEARCH)


def test_first_candidates_are_different_members_of_the_pool():
    pool = draw_pool(PRIOR, CAPPED, SEARCH)
    candidates = propose_first(pool, 64, SEARCH)
    members = {mixture_key(mixture) for mixture in pool}
    assert len({candidate.key for candidate in candidates}) == 64
    assert {candidate.key for candidate in candidates} <= members
    assert propose_first(pool, 64, SEARCH) == candidates


def test_spread_candidates_are_farther_apart_than_drawn_ones():
    pool = draw_pool(PRIOR, CAPPED, SEARCH)

    def least_distance(first):
        roots = np.sqrt(weights_of(propose_first(pool, 16, SEARCH.model_copy(update={"first": first}))))
        return np.linalg.norm(roots[:, None] - roots[None], axis=2)[np.triu_indices(16, 1)].min()

    assert least_distance("spread") > 3 * least_distance("prior")


def test_asking_for_more_than_the_pool_holds_is_refused():
    with pytest.raises(ComputeError, match="iteration 1 asks for 10"):
        propose_first(draw_pool(PRIOR, CAPPED, SEARCH)[:5], 10, SEARCH)


def test_published_candidates_come_from_the_best_untried_ones():
    pool = draw_pool(PRIOR, CAPPED, SEARCH)
    best = pool[np.argsort(-pool[:, 0], kind="stable")]
    candidates = propose(pool, best[:10], {"general": first_domain}, 4, SEARCH, 2)
    least = np.sort(-best[10:, 0])[15]
    assert all(-candidate.weights[0] <= least for candidate in candidates)
    assert all(candidate.predicted == -candidate.weights[0] for candidate in candidates)
    assert not is_among(weights_of(candidates), best[:10]).any()


@pytest.mark.parametrize("kind", KINDS)
def test_tried_mixtures_are_never_proposed_again(kind):
    pool, search = draw_pool(PRIOR, CAPPED, SEARCH)[:40], with_acquisition(kind)
    tried = pool[:0]
    for iteration, count in ((2, 16), (3, 16), (4, 8)):
        new = weights_of(propose(pool, tried, {"general": first_domain}, count, search, iteration))
        tried = np.concatenate([tried, new])
    assert len({mixture_key(mixture) for mixture in tried}) == 40
    with pytest.raises(ComputeError, match="0 different ones are left"):
        propose(pool, tried, {"general": first_domain}, 1, search, 5)


@pytest.mark.parametrize(("count", "shares"), [(9, [3, 3, 3]), (8, [2, 3, 3]), (2, [0, 1, 1])])
@pytest.mark.parametrize("kind", KINDS)
def test_objectives_share_the_candidates_evenly_without_repeats(count, shares, kind):
    predict = {"b": first_domain, "c": second_domain, "a": first_domain}
    pool = draw_pool(PRIOR, CAPPED, SEARCH)[:60]
    candidates = propose(pool, np.empty((0, 6)), predict, count, with_acquisition(kind), 2)
    assert [sum(c.objective == name for c in candidates) for name in "abc"] == shares
    assert len({candidate.key for candidate in candidates}) == count


def test_two_objectives_that_agree_do_not_pick_near_identical_mixtures():
    pool = draw_pool(PRIOR, CAPPED, SEARCH)
    one, two = weights_of(
        propose(pool, pool[:0], {"a": first_domain, "b": first_domain}, 2, with_acquisition("greedy"), 2)
    )
    assert one[0] == pool[:, 0].max()
    assert np.abs(one - two).sum() / 2 >= 0.02


def test_the_same_seed_and_iteration_give_the_same_candidates():
    pool, predict = draw_pool(PRIOR, CAPPED, SEARCH), {"general": first_domain}
    again = [propose(pool, pool[:0], predict, 4, SEARCH, iteration) for iteration in (2, 2, 3)]
    assert again[0] == again[1] != again[2]


def test_local_moves_surround_the_best_within_the_limits():
    limits = Limits(np.full(6, 0.001), np.array([0.5, 0.5, 0.2, 0.2, 0.1, 0.1]))
    pool = draw_pool(PRIOR, limits, SEARCH)[:200]
    search = with_acquisition("greedy", local_moves=0.9, local_strength=300.0, separation=0.0)
    candidates = propose(pool, pool[:0], {"general": first_domain}, 40, search, 2, limits)
    moved = weights_of([candidate for candidate in candidates if candidate.origin == "local move"])
    start = pool[:10][np.argmax(pool[:10, 0])]
    assert len(moved) > 5
    assert limits.kept_by(moved).all()
    assert (np.abs(moved - start).sum(axis=1) / 2).max() < 0.3
    assert not is_among(moved, pool).any()


def test_distance_from_the_prior_costs_what_the_setting_says():
    pool = draw_pool(PRIOR, CAPPED, SEARCH)

    def share(divergence):
        search = with_acquisition("greedy").model_copy(update={"limits": config_search.Limits(divergence=divergence)})
        return weights_of(propose(pool, pool[:0], {"general": first_domain}, 8, search, 2))[:, 0].mean()

    assert share(0.0) > share(0.5) > share(10.0) > 0.5 * PRIOR[0]
    assert abs(share(10.0) - PRIOR[0]) < 0.15


def test_candidates_do_not_depend_on_the_number_of_threads():
    script = (
        "import numpy as np; from climb_assets import config_search as c\n"
        "from climb_assets.search import proposal as p\n"
        "from climb_assets.simplex.limits import Limits; from climb_assets.search.prediction import Prediction\n"
        "s = c.Search(pool=20000, first='spread', acquisition={'kind': 'expected_improvement'})\n"
        "prior, limits = np.full(12, 1 / 12), Limits(np.zeros(12), np.ones(12))\n"
        "pool = p.draw_pool(prior, limits, s); first = p.propose_first(pool, 16, s)\n"
        "predict = lambda m: Prediction(m[:, 0] ** 2 - m[:, 1], 0.1 + m[:, 2])\n"
        "later = p.propose_next(pool, pool[:0], {'o': predict}, {'o': 0.0}, {'o': prior}, 16, s, 2, limits, prior)\n"
        "print([k.key for k in first + later])"
    )
    printed = []
    for threads in ("1", "4"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, threads)
        printed.append(
            subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True).stdout
        )
    assert printed[0] == printed[1]


def test_candidates_survive_their_file(tmp_path):
    pool = draw_pool(PRIOR, CAPPED, SEARCH)
    candidates = propose_first(pool, 3, SEARCH) + propose(pool, pool[:0], {"g": first_domain}, 2, SEARCH, 2)
    write_candidates(tmp_path / "candidates.parquet", candidates)
    assert read_candidates(tmp_path / "candidates.parquet") == candidates

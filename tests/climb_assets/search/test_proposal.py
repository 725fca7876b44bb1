"""Candidates keep the caps, are new, and are the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets import config
from climb_assets.errors import ComputeError
from climb_assets.search.proposal import draw_pool, propose_first, propose_next, read_candidates, write_candidates
from climb_assets.search.simplex import check_simplex, is_among, mixture_key, normalise

SEARCH = config.Search(pool=2000, top=16)
PRIOR = normalise([5, 3, 2, 1, 1, 0.5])


def first_domain(mixtures):
    return -mixtures[:, 0]


def second_domain(mixtures):
    return -mixtures[:, 1]


def weights_of(candidates):
    return np.array([candidate.weights for candidate in candidates])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.02, 1), min_size=2, max_size=12), st.integers(0, 3), st.sampled_from([1.5, 4.0, 15.0]))
def test_every_mixture_of_the_pool_is_on_the_simplex_under_the_cap_and_different(raw, seed, cap):
    prior = normalise(raw)
    pool = draw_pool(prior, config.Search(pool=300, seed=seed, max_usage=cap, strength=(1.0, 50.0)))
    check_simplex(pool, len(prior))
    assert (pool <= np.minimum(cap * prior, 1)).all()
    assert len({mixture_key(mixture) for mixture in pool}) == len(pool)
    assert ((pool == 0) | (pool >= 2e-4 - 1e-12)).all()


def test_the_pool_depends_on_the_seed_alone():
    np.testing.assert_array_equal(draw_pool(PRIOR, SEARCH), draw_pool(PRIOR, SEARCH))
    other = draw_pool(PRIOR, SEARCH.model_copy(update={"seed": 7}))
    assert is_among(draw_pool(PRIOR, SEARCH), other).mean() < 0.5  # sparse mixtures may meet


def test_few_domains_give_a_smaller_pool_than_asked_for():
    pool = draw_pool(np.array([0.5, 0.5]), config.Search(pool=20_000))
    assert 1000 < len(pool) <= 5001  # the grid has no more


def test_a_cap_that_binds_small_domains_still_gives_candidates():
    prior = np.array([0.85, 0.05, 0.05, 0.05])
    candidates = propose_first(draw_pool(prior, SEARCH), 4, SEARCH)
    weights = weights_of(candidates)
    assert len(candidates) == 4
    assert (weights[:, 1:] <= 0.75).all()


def test_an_impossible_cap_is_refused_with_advice():
    with pytest.raises(ComputeError, match="max_usage"):
        draw_pool(np.full(20, 0.05), config.Search(pool=200, max_usage=1.0001))


def test_a_domain_without_tokens_is_refused():
    with pytest.raises(ComputeError, match="domain 1"):
        draw_pool(np.array([1.0, 0.0]), SEARCH)


def test_first_candidates_are_different_members_of_the_pool():
    pool = draw_pool(PRIOR, SEARCH)
    candidates = propose_first(pool, 64, SEARCH)
    members = {mixture_key(mixture) for mixture in pool}
    assert len({candidate.key for candidate in candidates}) == 64
    assert {candidate.key for candidate in candidates} <= members
    assert propose_first(pool, 64, SEARCH) == candidates


def test_asking_for_more_than_the_pool_holds_is_refused():
    with pytest.raises(ComputeError, match="iteration 1 asks for 10"):
        propose_first(draw_pool(PRIOR, SEARCH)[:5], 10, SEARCH)


def test_next_candidates_come_from_the_best_untried_ones():
    pool = draw_pool(PRIOR, SEARCH)
    best = pool[np.argsort(first_domain(pool), kind="stable")]
    candidates = propose_next(pool, best[:10], {"general": first_domain}, 4, SEARCH, 2)
    allowed = {mixture_key(mixture) for mixture in best[10 : 10 + 16]}
    assert len({candidate.key for candidate in candidates} & allowed) == 4
    assert all(candidate.predicted == -candidate.weights[0] for candidate in candidates)


def test_tried_mixtures_are_never_proposed_again():
    pool = draw_pool(PRIOR, SEARCH)[:40]
    tried = pool[:0]
    for iteration, count in ((2, 16), (3, 16), (4, 8)):
        new = weights_of(propose_next(pool, tried, {"general": first_domain}, count, SEARCH, iteration))
        tried = np.concatenate([tried, new])
    assert len({mixture_key(mixture) for mixture in tried}) == 40
    with pytest.raises(ComputeError, match="0 different ones are left"):
        propose_next(pool, tried, {"general": first_domain}, 1, SEARCH, 5)


@pytest.mark.parametrize(("count", "shares"), [(9, [3, 3, 3]), (8, [2, 3, 3]), (2, [0, 1, 1])])
def test_objectives_share_the_candidates_evenly_without_repeats(count, shares):
    predict = {"b": first_domain, "c": second_domain, "a": first_domain}
    candidates = propose_next(draw_pool(PRIOR, SEARCH)[:60], np.empty((0, 6)), predict, count, SEARCH, 2)
    assert [sum(c.objective == name for c in candidates) for name in "abc"] == shares
    assert len({candidate.key for candidate in candidates}) == count


def test_two_objectives_that_agree_do_not_pick_the_same_mixture():
    pool = draw_pool(PRIOR, SEARCH)
    narrow = SEARCH.model_copy(update={"top": 1})
    one, two = propose_next(pool, pool[:0], {"a": first_domain, "b": first_domain}, 2, narrow, 2)
    best = pool[np.argsort(first_domain(pool), kind="stable")]
    assert [one.key, two.key] == [mixture_key(best[0]), mixture_key(best[1])]


def test_the_same_seed_and_iteration_give_the_same_candidates():
    pool, predict = draw_pool(PRIOR, SEARCH), {"general": first_domain}
    again = [propose_next(pool, pool[:0], predict, 4, SEARCH, iteration) for iteration in (2, 2, 3)]
    assert again[0] == again[1] != again[2]


def test_candidates_survive_their_file(tmp_path):
    pool = draw_pool(PRIOR, SEARCH)
    candidates = propose_first(pool, 3, SEARCH) + propose_next(pool, pool[:0], {"g": first_domain}, 2, SEARCH, 2)
    write_candidates(tmp_path / "candidates.parquet", candidates)
    assert read_candidates(tmp_path / "candidates.parquet") == candidates

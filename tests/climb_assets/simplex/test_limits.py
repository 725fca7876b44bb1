"""No answer breaks a cap, and what cannot be kept is refused with advice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets import config_search
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.simplex.limits import Limits, discount_repeats, divergence, find_limits
from climb_assets.simplex.mixtures import check_simplex, normalise

NAMES = ("law", "music", "physics", "sports")
PRIOR = np.array([0.4, 0.3, 0.2, 0.1])
SUPPLY = PRIOR * 1e6


def limits_of(budget=1e6, max_epochs=4.0, max_usage=15.0, **own):
    search = config_search.Search(max_usage=max_usage, limits=config_search.Limits(**own))
    return find_limits(PRIOR, SUPPLY, budget, max_epochs, search, NAMES)


@st.composite
def mixtures_and_limits(draw):
    domains = draw(st.integers(2, 8))
    numbers = st.lists(st.floats(0, 1), min_size=domains, max_size=domains)
    inside = normalise(np.array(draw(numbers)) + 1e-3)
    floor = inside * draw(numbers) * draw(st.sampled_from([0, 1]))
    ceiling = np.minimum(inside + np.array(draw(numbers)) * draw(st.sampled_from([0.05, 1])) + 1e-3, 1.0)
    rows = [np.array(draw(numbers)) ** draw(st.sampled_from([1, 40])) for _ in range(3)]
    return normalise(np.array(rows) + np.eye(domains)[0] * 1e-6), Limits(floor, ceiling)


@settings(max_examples=200, deadline=None)
@given(mixtures_and_limits())
def test_a_projection_keeps_the_limits_and_the_proportions_of_what_is_free(case):
    mixtures, limits = case
    projected = limits.project(mixtures)
    check_simplex(projected, mixtures.shape[1])
    np.testing.assert_allclose(projected.sum(axis=1), 1, atol=1e-9)
    assert limits.kept_by(projected).all()
    free = (projected > limits.floor + 1e-6) & (projected < limits.ceiling - 1e-6) & (mixtures > 1e-6)
    for before, after, row in zip(mixtures, projected, free, strict=True):
        np.testing.assert_allclose(after[row] * before[row].sum(), before[row] * after[row].sum(), atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(mixtures_and_limits())
def test_no_move_onto_the_limits_is_shorter_than_the_excess(case):
    mixtures, limits = case
    excess, projected = limits.excess(mixtures), limits.project(mixtures)
    assert (excess <= np.abs(projected - mixtures).sum(axis=1) / 2 + 1e-9).all()
    assert not excess[limits.kept_by(mixtures)].round(8).any() and (excess[~limits.kept_by(mixtures)] > 0).all()
    assert not limits.excess(projected).round(9).any()


def test_the_excess_is_what_has_to_move():
    limits = Limits(np.array([0.0, 0.2, 0.0]), np.array([0.5, 1.0, 1.0]))
    assert limits.excess(np.array([[0.6, 0.3, 0.1], [0.6, 0.1, 0.3], [0.5, 0.2, 0.3]])).round(9).tolist() == [
        0.1,
        0.1,
        0.0,
    ]


@settings(max_examples=100, deadline=None)
@given(mixtures_and_limits())
def test_what_keeps_the_limits_is_left_alone(case):
    mixtures, limits = case
    once = limits.project(mixtures)
    np.testing.assert_allclose(limits.project(once), once, atol=1e-12)


@settings(max_examples=200, deadline=None)
@given(mixtures_and_limits(), st.sampled_from([2e-4, 1e-5]))
def test_rounding_never_breaks_a_limit_by_a_single_bit(case, min_weight):
    mixtures, limits = case
    try:
        rounded = limits.round(mixtures, min_weight)
    except ComputeError as error:
        assert "min_weight" in str(error)  # limits between two steps of the grid
        return
    check_simplex(rounded, mixtures.shape[1])
    assert (rounded <= limits.ceiling).all()
    assert (rounded >= limits.floor).all()


def test_what_a_ceiling_cuts_off_goes_to_the_others_in_proportion():
    limits = Limits(np.zeros(4), np.array([0.5, 1, 1, 1]))
    np.testing.assert_allclose(limits.project(np.array([[0.7, 0.2, 0.1, 0]])), [[0.5, 1 / 3, 1 / 6, 0]])
    np.testing.assert_allclose(limits.project(np.array([[1.0, 0, 0, 0]])), [[0.5, 1 / 6, 1 / 6, 1 / 6]])


def test_the_tightest_of_usage_epochs_and_the_users_ceiling_counts():
    limits = limits_of(budget=4e6, max_epochs=8, max_usage=3.0, ceilings={"law": 0.25, "1": 0.5})
    np.testing.assert_allclose(limits.ceiling, [0.25, 0.5, 0.4, 0.2])
    assert limits.causes == ("search.limits.ceilings", "search.limits.ceilings", *["mixture.max_epochs"] * 2)
    assert limits_of(max_usage=3.0).causes == ("", *["search.max_usage"] * 3)


def test_floors_hold_for_all_domains_or_for_one_by_name():
    np.testing.assert_allclose(limits_of(floor=0.02, floors={"music": 0.1, "3": 0.03}).floor, [0.02, 0.1, 0.02, 0.03])


def test_a_domain_that_does_not_exist_is_refused_with_the_names():
    with pytest.raises(ConfigError, match=r"ceilings names 'opera'.*0 law, 1 music, 2 physics, 3 sports"):
        limits_of(ceilings={"opera": 0.5})
    twice = config_search.Search(limits=config_search.Limits(floors={"law": 0.1}))
    with pytest.raises(ConfigError, match="more than one domain; use its number"):
        find_limits(PRIOR, SUPPLY, 1e6, 4, twice, ("law", "law", "a", "b"))


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"budget": 1e7}, "hold 0.4 of a mixture.*raise mixture.max_epochs, or lower mixture.tokens"),
        ({"floors": {"law": 0.6, "music": 0.6}}, "floors of search.limits sum to 1.2"),
        ({"floors": {"sports": 0.3}, "budget": 2e6}, "sports has floor 0.3 and mixture.max_epochs allows it 0.2"),
        ({"floors": {"law": 0.25003}, "ceilings": {"law": 0.25007}}, "min_weight"),
    ],
)
def test_limits_that_no_mixture_keeps_are_refused_with_advice(wrong, advice):
    with pytest.raises(ComputeError, match=advice):
        limits_of(**wrong)


def test_the_divergence_of_the_prior_is_none_and_of_one_domain_its_surprise():
    found = divergence(np.stack([PRIOR, np.eye(4)[3]]), PRIOR)
    np.testing.assert_allclose(found, [0, np.log(10)], atol=1e-12)


def test_repeated_tokens_count_for_less():
    mixture = np.array([[0.4, 0.2, 0.2, 0.2]])
    once = discount_repeats(mixture, SUPPLY, 5e5, 15.4)
    np.testing.assert_allclose(once, mixture)  # nothing is seen twice
    twice = discount_repeats(mixture, SUPPLY, 2e6, 15.4)  # sports is seen four times, music 4/3 times
    worth = 1 + 15.4 * (1 - np.exp(-3 / 15.4))
    assert 3.7 < worth < 3.8  # arXiv 2305.16264: four epochs are nearly as good as new tokens
    np.testing.assert_allclose(twice[0, 3] / twice[0, 2], worth / (2 * (1 + 15.4 * (1 - np.exp(-1 / 15.4)))))
    assert twice[0, 3] < 0.2 < twice[0, 1]

"""A plan keeps the cap and the budget, and what is reported is what was written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.errors import ComputeError
from climb_assets.mixture.realisation import measure, realise
from climb_assets.simplex.mixtures import normalise

domains = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 10_000)), min_size=1, max_size=8).filter(
    lambda pairs: sum(weight for weight, _ in pairs) > 1e-3
)
budgets = st.integers(1, 100_000)
caps = st.floats(0.5, 8)


@given(domains, budgets, caps)
def test_plans_keep_the_cap_and_add_up(pairs, budget, cap):
    weights, supply = normalise([w for w, _ in pairs]), np.array([s for _, s in pairs])
    if np.floor(cap * supply)[weights > 0].sum() < 1:
        return
    plan = realise(weights, supply, budget, cap)
    assert (plan.tokens <= cap * supply).all()
    assert (plan.epochs <= cap).all()
    assert plan.tokens.sum() == budget - plan.shortfall
    assert (plan.tokens[weights == 0] == 0).all()
    assert plan.shortfall == max(0, budget - np.floor(cap * supply)[weights > 0].sum())
    free = ~plan.capped & (weights > 0)
    if free.sum() > 1:  # what is not capped keeps its proportions, to the token
        shares = weights[free] / weights[free].sum() * plan.tokens[free].sum()
        assert (np.abs(plan.tokens[free] - shares) <= 1 + 1e-6).all()


@given(domains, budgets, budgets, caps)
def test_a_larger_budget_takes_no_tokens_away(pairs, one, other, cap):
    weights, supply = normalise([w for w, _ in pairs]), np.array([s for _, s in pairs])
    if np.floor(cap * supply)[weights > 0].sum() < 1:
        return
    small, large = (realise(weights, supply, budget, cap).tokens for budget in sorted([one, other]))
    assert (small <= large + 1).all()


def test_what_a_capped_domain_cannot_give_goes_to_the_others_in_proportion():
    plan = realise([0.5, 0.3, 0.2], [10, 1000, 1000], 1000, 4)
    assert plan.tokens.tolist() == [40, 576, 384]
    assert plan.epochs[0] == 4
    assert plan.capped.tolist() == [True, False, False]
    assert plan.distance == pytest.approx(0.46 + 0.276 + 0.184)


def test_a_budget_that_fits_is_met_exactly():
    plan = realise([0.25, 0.75], [1000, 1000], 1000, 4)
    assert plan.tokens.tolist() == [250, 750]
    assert (plan.distance, plan.shortfall) == (0, 0)


def test_a_budget_that_is_too_large_is_reduced_and_said():
    plan = realise([0.5, 0.5, 0.0], [100, 50, 900], 10_000, 2)
    assert plan.tokens.tolist() == [200, 100, 0]
    assert plan.shortfall == 9_700


def test_a_mixture_of_empty_domains_is_refused():
    with pytest.raises(ComputeError, match="no tokens"):
        realise([1.0, 0.0], [0, 10], 100, 4)


def test_what_is_reported_is_what_was_chosen_and_not_what_was_planned() -> None:
    weights = normalise([1, 1])
    written = measure(weights, np.array([300, 400]), 1_000)  # the longest documents did not fit
    assert written.distance_to_weights == pytest.approx(2 / 14)
    assert written.shortfall == 300


def test_a_data_set_of_nothing_is_refused() -> None:
    with pytest.raises(ComputeError, match=r"raise mixture\.tokens"):
        measure(normalise([1, 1]), np.array([0, 0]), 10)

"""A plan keeps the cap and the budget; the sample meets the plan and holds no document that may not be trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.errors import ComputeError
from climb_assets.mixture.realisation import measure, realise, sample_documents
from climb_assets.simplex.mixtures import normalise
from climb_assets.tables import read_table

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


def sample_of(corpus, planned, tmp_path, shards=None, seed=1):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    chosen = sample_documents(shards or corpus.shards, corpus.clusters, corpus.splits, np.array(planned), seed, out)
    return chosen, read_table(out / "sample.parquet").to_pylist(), (out / "sample.parquet").read_bytes()


def test_the_sample_is_within_one_document_of_the_plan(corpus, tmp_path):
    supply = corpus.supply
    planned = [supply[0] // 3, 2 * supply[1] + supply[1] // 2, supply[2]]
    chosen, rows, _ = sample_of(corpus, planned, tmp_path)
    longest = max(tokens for _, tokens, _ in corpus.known.values())
    assert (chosen <= planned).all()
    assert (np.array(planned) - chosen < longest).all()
    assert chosen.tolist() == [sum(r["tokens"] * r["copies"] for r in rows if r["domain"] == d) for d in range(3)]
    assert {r["copies"] for r in rows if r["domain"] == 0} == {1}
    assert {r["copies"] for r in rows if r["domain"] == 1} == {2, 3}
    assert {r["copies"] for r in rows if r["domain"] == 2} == {1}


def test_only_training_documents_that_are_no_duplicates_are_sampled(corpus, tmp_path):
    _, rows, _ = sample_of(corpus, 2 * corpus.supply, tmp_path)
    usable = {key: domain for key, (domain, _, usable) in corpus.known.items() if usable}
    assert {(row["shard"], row["id"]): row["domain"] for row in rows} == usable
    assert ("beta", corpus.repeated) not in usable


def test_neither_the_order_of_shards_nor_another_run_changes_the_sample(corpus, tmp_path):
    planned = corpus.supply // 2
    first = sample_of(corpus, planned, tmp_path)[2]
    assert sample_of(corpus, planned, tmp_path, corpus.shards[::-1])[2] == first
    assert sample_of(corpus, planned, tmp_path, seed=2)[2] != first


def test_a_domain_that_lost_its_documents_is_named(corpus, tmp_path):
    with pytest.raises(ComputeError, match="domain 3"):
        sample_of(corpus, [10, 10, 10, 10], tmp_path)


def test_what_is_reported_is_what_was_chosen_and_not_what_was_planned() -> None:
    weights = normalise([1, 1])
    written = measure(weights, np.array([300, 400]), 1_000)  # the longest documents did not fit
    assert written.distance_to_weights == pytest.approx(2 / 14)
    assert written.shortfall == 300


def test_a_data_set_of_nothing_is_refused() -> None:
    with pytest.raises(ComputeError, match=r"raise mixture\.tokens"):
        measure(normalise([1, 1]), np.array([0, 0]), 10)

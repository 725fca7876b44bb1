"""Evidence is believed as far as it is true: true evidence is used, wrong evidence loses its weight and is named."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from climb_assets.search.trust import HALF, LEAST, OWN, judge_sources

ROWS, OWN_ROWS, DOMAINS = 40, 20, 8
NOISES = (0.02, 0.1, 0.4)  # shares of the spread between mixtures


def law(rng):
    """Return a smooth function of mixtures."""
    slopes, point = rng.normal(size=DOMAINS), rng.random(DOMAINS)
    return lambda weights: np.sqrt(weights) @ slopes + 0.5 * np.log(weights @ point + 0.05)


def judge(seed, spoil, own=OWN_ROWS, doubt=None, noise=0.4):
    """Return the trust in evidence of a random truth, its losses spoilt by a function of (losses, weights, rng)."""
    rng = np.random.default_rng(seed)
    truth = law(rng)
    brought, measured = (rng.dirichlet(np.full(DOMAINS, 0.5), size=rows) for rows in (ROWS, own))
    spread = truth(brought).std()
    losses = spoil(truth(brought), brought, rng) + rng.normal(size=ROWS) * noise * spread
    losses = np.concatenate([losses, truth(measured) + rng.normal(size=own) * noise * spread])
    doubts = np.concatenate([np.zeros(ROWS) if doubt is None else doubt, np.zeros(own)])
    sources = ["brought"] * ROWS + [OWN] * own
    return judge_sources(np.vstack([brought, measured]), losses, sources, doubts, noise * spread)


def as_it_is(losses, weights, rng):
    return losses


WRONG = {
    "a permuted table": lambda losses, weights, rng: rng.permutation(losses),
    "runs of another corpus": lambda losses, weights, rng: law(rng)(weights),
    "a changed task": lambda losses, weights, rng: -losses,
    "noise": lambda losses, weights, rng: rng.normal(size=len(losses)) * losses.std(),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("seed", range(3))
def test_true_evidence_is_believed(seed, noise):
    trust = judge(seed, as_it_is, noise=noise)
    assert trust.sources["brought"] > 0.9
    assert trust.rows[:ROWS].mean() > HALF
    np.testing.assert_array_equal(trust.rows[ROWS:], 1)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("how", WRONG)
def test_wrong_evidence_loses_its_weight_and_is_named(how, noise):
    found = [judge(seed, WRONG[how], noise=noise) for seed in range(3)]
    believed = np.array([trust.sources["brought"] for trust in found])
    assert np.median(believed) < HALF / 2
    assert np.median([trust.rows[:ROWS].mean() for trust in found]) < LEAST
    assert all((trust.rows[ROWS:] == 1).all() for trust in found)


def test_of_two_sources_the_wrong_one_is_named():
    rng = np.random.default_rng(5)
    truth, other = law(rng), law(rng)
    right, wrong, own = (rng.dirichlet(np.full(DOMAINS, 0.5), size=rows) for rows in (30, 30, 20))
    losses = np.concatenate([truth(right), other(wrong), truth(own)])
    losses += rng.normal(size=80) * 0.3 * losses.std()
    sources = ["right"] * 30 + ["wrong"] * 30 + [OWN] * 20
    trust = judge_sources(np.vstack([right, wrong, own]), losses, sources, np.zeros(80), 0.3 * losses.std())
    assert trust.sources["right"] > HALF > trust.sources["wrong"]


def test_the_more_of_its_text_moved_the_less_a_row_counts():
    doubt = np.linspace(0, 0.5, ROWS)
    rows = judge(1, as_it_is, doubt=doubt).rows[:ROWS]
    assert (np.diff(rows) <= 0).all() and rows[0] > 1.5 * rows[-1]


def test_a_search_without_rows_of_its_own_believes_what_hardly_moved():
    assert judge(3, as_it_is, own=0, doubt=np.full(ROWS, 0.15)).rows.min() >= HALF
    scattered = judge(3, lambda losses, weights, rng: rng.permutation(losses), own=0, doubt=np.full(ROWS, 0.45))
    assert scattered.sources == {"brought": None}  # alone they cannot be told from a noisy task


def test_few_rows_of_its_own_judge_no_source():
    trust = judge(0, as_it_is, own=2)
    assert trust.sources == {"brought": None}
    np.testing.assert_array_equal(trust.rows, 1)


def test_without_evidence_all_rows_count():
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=5)
    trust = judge_sources(weights, np.arange(5.0), [OWN] * 5, np.zeros(5))
    assert trust.sources == {} and (trust.rows == 1).all()


def test_the_number_of_threads_changes_no_byte():
    rng = np.random.default_rng(7)
    weights = rng.dirichlet(np.ones(DOMAINS), size=120)
    losses, sources = weights[:, 0] + rng.normal(size=120) * 0.05, ["a"] * 100 + [OWN] * 20
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, "blas"):
            found.append(judge_sources(weights, losses, sources, np.zeros(120)).rows)
    np.testing.assert_array_equal(*found)


def test_the_order_of_rows_changes_nothing():
    rng = np.random.default_rng(2)
    weights, order = rng.dirichlet(np.ones(DOMAINS), size=30), rng.permutation(30)
    losses, sources = weights[:, 0] + rng.normal(size=30) * 0.05, ["a"] * 12 + ["b"] * 8 + [OWN] * 10
    straight = judge_sources(weights, losses, sources, np.zeros(30))
    turned = judge_sources(weights[order], losses[order], [sources[row] for row in order], np.zeros(30))
    np.testing.assert_allclose(turned.rows, straight.rows[order], atol=0.02)

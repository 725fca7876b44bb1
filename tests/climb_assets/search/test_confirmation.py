"""The short list holds the best measured and predicted mixtures, and nothing that breaks a limit or a floor."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from climb_assets.config_search import Choice, Search
from climb_assets.errors import ComputeError
from climb_assets.search.confirmation import (
    fresh_seeds,
    gather_arms,
    mean_losses,
    objective_by_seed,
    read_shortlist,
    shortlist,
    write_shortlist,
)
from climb_assets.search.history import History
from climb_assets.search.objectives import NoRegression
from climb_assets.simplex.limits import Limits
from climb_assets.simplex.mixtures import check_simplex, floor_and_round, is_among, mixture_key

SETTINGS = Search(choice=Choice(measured=2, average=8))
FREE = Limits(np.zeros(3), np.ones(3))
UNGUARDED = NoRegression({}, {})
WEIGHTS = {"piqa": 1.0}


def mixtures(rows, seed):
    return floor_and_round(np.random.default_rng(seed).dirichlet(np.ones(3), rows), 2e-4)


def losses_of(weights):
    """Return task losses: piqa is best at a weight of 0.7 for the first domain, code at 1 for the second."""
    return {"piqa": 1 + (weights[:, 0] - 0.7) ** 2, "code": 2 - weights[:, 1]}


def history(weights, diverged=()):
    keys = [mixture_key(row) for row in weights]
    columns = {"key": keys * 2, "task": ["piqa"] * len(keys) + ["code"] * len(keys)}
    columns["loss"] = np.concatenate(list(losses_of(weights).values()))
    columns["diverged"] = [row in diverged for row in range(len(keys))] * 2
    return History.empty(3, ["piqa", "code"]).extend(keys, weights, pa.table(columns), 1)


TRIED, POOL = mixtures(20, 1), mixtures(300, 2)


def listed(
    tried=TRIED, pool=POOL, limits=FREE, today=FREE, guard=UNGUARDED, settings=SETTINGS, diverged=(), surcharge=None
):
    surcharge = np.zeros(len(tried)) if surcharge is None else surcharge
    scores = losses_of(pool)["piqa"]
    known = history(tried, diverged)
    return shortlist(known, WEIGHTS, pool, scores, surcharge, losses_of, limits, today, guard, settings)


def test_a_surcharge_counts_where_measured_mixtures_are_ranked():
    best = int(np.argmin(losses_of(TRIED)["piqa"]))
    dear = np.where(np.arange(len(TRIED)) == best, 1.0, 0.0)
    assert listed(surcharge=dear)[0].key == listed()[1].key != listed()[0].key


def test_it_holds_the_best_measured_the_best_predicted_and_their_average():
    first, second, predicted, average = listed()
    order = np.argsort(losses_of(TRIED)["piqa"])
    np.testing.assert_array_equal([first.weights, second.weights], TRIED[order[:2]])
    head = POOL[np.argsort(losses_of(POOL)["piqa"])[:8]]
    np.testing.assert_array_equal(predicted.weights, head[0])
    np.testing.assert_allclose(average.weights, head.mean(axis=0), atol=2e-4)
    assert [entry.measured for entry in (first, second, predicted, average)] == [True, True, False, False]
    assert (first.origin, average.origin) == (
        "number 1 of the measured mixtures",
        "average of the 8 best predicted mixtures",
    )


def test_no_average_is_listed_where_none_is_asked_for():
    settings = SETTINGS.model_copy(update={"choice": Choice(average=0)})
    assert [entry.name for entry in listed(settings=settings)] == ["measured 1", "measured 2", "predicted"]


def test_a_mixture_that_is_best_in_both_ways_is_listed_once():
    entries = listed(pool=np.concatenate([TRIED[[np.argmin(losses_of(TRIED)["piqa"])]], TRIED]))
    assert [entry.name for entry in entries] == ["measured 1", "measured 2", "average"]


def test_equal_predictions_are_ordered_by_key_and_not_by_place():
    def pick(pool):
        scores, free = np.ones(len(pool)), np.zeros(len(TRIED))
        entries = shortlist(history(TRIED), WEIGHTS, pool, scores, free, losses_of, FREE, FREE, UNGUARDED, SETTINGS)
        return [entry.key for entry in entries]

    assert pick(POOL) == pick(POOL[::-1])


def test_diverged_mixtures_are_not_listed():
    best = int(np.argmin(losses_of(TRIED)["piqa"]))
    assert mixture_key(TRIED[best]) not in {entry.key for entry in listed(diverged=[best])}
    with pytest.raises(ComputeError, match="diverged"):
        listed(diverged=range(20))


@hypothesis_settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.lists(st.floats(0.34, 1.0), min_size=3, max_size=3), st.floats(0, 0.1))
def test_nothing_on_the_list_breaks_a_limit(seed, ceiling, floor):
    limits = Limits(np.full(3, floor), np.array(ceiling))
    pool = limits.round(mixtures(60, seed), SETTINGS.min_weight)
    entries = listed(tried=mixtures(12, seed + 1), pool=pool, limits=limits)
    weights = np.array([entry.weights for entry in entries])
    check_simplex(weights, 3)
    assert limits.kept_by(weights).all()
    assert len({entry.key for entry in entries}) == len(entries)


def test_nothing_that_breaks_a_floor_is_listed_while_something_keeps_it():
    guard = NoRegression({"code": 0.1}, {"code": 1.8})
    entries = listed(guard=guard)
    weights = np.array([entry.weights for entry in entries])
    assert (weights[:, 1] >= 0.1 - 1e-9).all()
    assert any(entry.measured for entry in entries) and not any(entry.excess for entry in entries)
    assert {entry.key for entry in entries} != {entry.key for entry in listed()}


def test_where_every_mixture_breaks_a_floor_the_least_bad_stands_alone_and_says_so():
    (entry,) = listed(guard=NoRegression({"code": 0.0}, {"code": 0.9}))
    assert entry.weights == tuple(TRIED[np.argmax(TRIED[:, 1])])
    assert entry.excess == pytest.approx(1.1 - TRIED[:, 1].max())
    assert entry.origin.startswith("every mixture breaks a no-regression floor")


def test_the_corpus_as_it_is_is_listed_beside_floors_and_alone_where_nothing_else_keeps_them():
    corpus = (0.2, 0.1, 0.7)
    strict = NoRegression({"code": 0.0}, {"code": 0.9}, corpus)
    (entry,) = listed(guard=strict)
    assert (entry.name, entry.weights, entry.measured, entry.excess) == ("corpus", corpus, True, 0.0)
    beside = listed(guard=NoRegression({"code": 0.1}, {"code": 1.8}, corpus))
    assert [entry.name for entry in beside if entry.name != "corpus"] == [
        entry.name for entry in listed(guard=NoRegression({"code": 0.1}, {"code": 1.8}))
    ]
    assert beside[-1].weights == corpus
    forbidden = listed(guard=strict, limits=Limits(np.zeros(3), np.array([1, 1, 0.6])))
    assert [entry.name for entry in forbidden] == ["measured 1"] and forbidden[0].excess > 0


def test_limits_that_nothing_keeps_are_refused():
    with pytest.raises(ComputeError, match="keeps the limits"):
        listed(limits=Limits(np.array([0.999, 0, 0]), np.ones(3)))


def test_the_list_stays_while_the_limits_of_today_are_near_and_changes_where_they_are_not():
    """The best mixtures have 0.7 of the first domain; a ceiling just below that moves none of them far."""
    near = listed(today=Limits(np.zeros(3), np.array([0.72, 1, 1])))
    assert [(entry.name, entry.key) for entry in near] == [(entry.name, entry.key) for entry in listed()]
    far = Limits(np.zeros(3), np.array([0.5, 1, 1]))
    weights = np.array([entry.weights for entry in listed(today=far)])
    assert (far.excess(weights) <= SETTINGS.choice.tolerance + 1e-6).all() and len(weights) == 4
    with pytest.raises(ComputeError, match="climb renew search"):
        none = SETTINGS.model_copy(update={"choice": Choice(tolerance=0)})
        listed(today=Limits(np.array([0.999, 0, 0]), np.ones(3)), settings=none)


def test_tasks_that_only_report_change_nothing():
    unseen = history(TRIED)
    unseen = replace(unseen, losses={**unseen.losses, "code": unseen.losses["code"][::-1].copy()})
    scores, free = losses_of(POOL)["piqa"], np.zeros(len(TRIED))
    again = shortlist(unseen, WEIGHTS, POOL, scores, free, losses_of, FREE, FREE, UNGUARDED, SETTINGS)
    assert again == listed()


def test_the_list_survives_its_file(tmp_path):
    entries = listed()
    write_shortlist(tmp_path / "shortlist.parquet", entries)
    assert read_shortlist(tmp_path / "shortlist.parquet") == entries
    assert is_among(np.array([entries[0].weights]), TRIED).all()


def test_fresh_seeds_were_used_by_no_proxy_of_the_search():
    assert fresh_seeds(Search(repeats=2, choice=Choice(seeds=3))) == (3, 4, 5)
    assert fresh_seeds(Search(repeats=0)) == (1, 2)


def test_arms_hold_the_losses_of_their_seeds_alone():
    entry = listed()[0]
    uniform = (1 / 3, 1 / 3, 1 / 3)
    losses = {(entry.key, seed): {"piqa": 1.0 + seed, "code": 3.0} for seed in (0, 3, 4)}
    losses[mixture_key(uniform), 3] = {"piqa": 2.0, "code": 1.0}
    items = {model: {"piqa": model} for model in losses} | {(mixture_key(uniform), 4): {"piqa": "diverged"}}
    arms = gather_arms([entry], {"uniform": uniform}, losses, items, (3, 4))
    assert arms["measured 1"]["items"] == {seed: {"piqa": (entry.key, seed)} for seed in (3, 4)}
    assert list(arms["uniform"]["items"]) == [3]
    assert arms["measured 1"]["losses"] == {3: {"piqa": 4.0, "code": 3.0}, 4: {"piqa": 5.0, "code": 3.0}}
    assert list(arms["uniform"]["losses"]) == [3]  # its other model diverged
    assert objective_by_seed(arms, {"piqa": 1, "code": 1})["measured 1"] == {3: 3.5, 4: 4.0}
    assert mean_losses(arms["measured 1"]) == {"piqa": 4.5, "code": 3.0}

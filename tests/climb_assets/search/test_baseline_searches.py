"""Baselines that search keep the limits and the budget, share what they can, and find something."""

import numpy as np
import pytest

from climb_assets.config_file import load_config
from climb_assets.search.baseline_searches import search_baselines
from climb_assets.search.proposal import propose_first
from climb_assets.search.search_state import Space
from climb_assets.simplex.limits import find_limits
from climb_assets.simplex.mixtures import mixture_key

PRIOR = np.array([0.4, 0.2, 0.15, 0.1, 0.1, 0.05])
NAMES = ("law", "music", "physics", "sports", "cooking", "travel")
BEST = {"first_text": np.array([0.1, 0.5, 0.1, 0.1, 0.1, 0.1]), "second_text": np.array([0, 0.2, 0.6, 0.1, 0, 0.1])}
OBJECTIVE = {"first_text": 1.0, "second_text": 2.0}
ITERATIONS = (48, 24, 12)
SEARCHED = frozenset({"regmix", "olmix", "climb"})


@pytest.fixture
def space(tmp_path):
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    config = load_config(tmp_path / "climb.yaml")
    search = config.search.model_copy(update={"iterations": ITERATIONS, "pool": 2000})
    config = config.model_copy(update={"search": search})
    supply = PRIOR * 4000
    limits = find_limits(PRIOR, supply, config.mixture.tokens, config.mixture.max_epochs, search, NAMES)
    return Space(NAMES, PRIOR, supply, limits, config)


def losses_of(mixtures):
    """Return smooth losses of two tasks that want different mixtures."""
    return {task: 3 + ((np.sqrt(mixtures) - np.sqrt(best)) ** 2).sum(axis=1) for task, best in BEST.items()}


def objective_of(mixtures):
    losses = losses_of(np.atleast_2d(mixtures))
    return (losses["first_text"] + 2 * losses["second_text"]) / 3


class Proxies:
    """Stands for the training of proxies: what was asked for whom, and the loss; every `diverging`-th diverges."""

    def __init__(self, diverging=None):
        self.asked, self.diverging = {}, diverging

    def __call__(self, mixtures, who):
        self.asked.setdefault(who, []).append(mixtures)
        losses = losses_of(mixtures)
        if self.diverging:
            for loss in losses.values():
                loss[:: self.diverging] = np.nan
        return losses


def keys_of(mixtures):
    return [mixture_key(mixture) for mixture in mixtures]


def test_answers_keep_the_limits_and_are_better_than_chance(space):
    answers = search_baselines(SEARCHED, space, OBJECTIVE, Proxies())
    assert set(answers) == SEARCHED
    chance = np.median(objective_of(space.draw()))
    for mixture in answers.values():
        assert mixture.sum() == pytest.approx(1)
        assert space.limits.kept_by(mixture)
        assert objective_of(mixture) < chance
    assert mixture_key(answers["climb"]) in keys_of(space.draw())


def test_each_has_the_budget_of_the_search(space):
    proxies = Proxies()
    search_baselines(SEARCHED, space, OBJECTIVE, proxies)
    sizes = {who: [len(mixtures) for mixtures in asked] for who, asked in proxies.asked.items()}
    assert sizes == {"random swarm": [sum(ITERATIONS)], "CLIMB as published": list(ITERATIONS)}
    for asked in proxies.asked.values():
        keys = keys_of(np.concatenate(asked))
        assert len(set(keys)) == len(keys)


def test_the_first_iteration_is_the_searchs_own_and_the_same_work_for_all(space):
    proxies = Proxies()
    search_baselines(SEARCHED, space, OBJECTIVE, proxies)
    (swarm,), (first, *later) = proxies.asked["random swarm"], proxies.asked["CLIMB as published"]
    own = propose_first(space.draw(), ITERATIONS[0], space.config.search)
    assert keys_of(swarm[: ITERATIONS[0]]) == keys_of(first) == [candidate.key for candidate in own]
    assert objective_of(np.concatenate(later)).mean() < objective_of(first).mean()


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ({"uniform", "proportional", "unimax", "doremi"}, set()),
        ({"uniform", "olmix"}, {"random swarm"}),
        ({"climb"}, {"CLIMB as published"}),
    ],
)
def test_nothing_is_trained_for_what_is_not_wanted(space, wanted, asked):
    proxies = Proxies()
    answers = search_baselines(frozenset(wanted), space, OBJECTIVE, proxies)
    assert set(answers) == wanted & SEARCHED
    assert set(proxies.asked) == asked


def test_only_the_objective_decides(space):
    one, other = (search_baselines(SEARCHED, space, {task: 1.0}, Proxies()) for task in BEST)
    assert all(mixture_key(one[name]) != mixture_key(other[name]) for name in SEARCHED)


def test_diverged_proxies_are_left_out_and_equal_work_gives_equal_answers(space):
    first, second = (search_baselines(SEARCHED, space, OBJECTIVE, Proxies(diverging=9)) for _ in range(2))
    chance = np.median(objective_of(space.draw()))
    for name in SEARCHED:
        assert first[name].tobytes() == second[name].tobytes()
        assert space.limits.kept_by(first[name]) and objective_of(first[name]) < chance

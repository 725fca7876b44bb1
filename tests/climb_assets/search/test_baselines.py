"""The baselines are mixtures, each by its own rule."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.errors import ComputeError
from climb_assets.search.baselines import (
    BASELINES,
    breaks,
    read_baselines,
    regmix,
    token_proportional,
    uniform,
    unimax,
    write_baselines,
)
from climb_assets.simplex.limits import Limits
from climb_assets.simplex.mixtures import check_simplex
from climb_assets.tables import read_table

OPEN = Limits(np.zeros(3), np.ones(3))
TOKENS = st.lists(st.integers(1, 10**12), min_size=1, max_size=12)


def test_uniform_gives_every_domain_the_same() -> None:
    assert uniform(4).tolist() == [0.25] * 4


def test_proportional_follows_the_tokens() -> None:
    weights = token_proportional([10, 30, 60])
    assert check_simplex(weights, 3).tolist() == [0.1, 0.3, 0.6]


@pytest.mark.parametrize(
    ("tokens", "budget", "epochs", "expected"),
    [
        ([100, 200, 700], 300, 1, [1 / 3, 1 / 3, 1 / 3]),
        ([10, 200, 700], 300, 1, [10 / 300, 145 / 300, 145 / 300]),
        ([700, 10, 200], 300, 4, [130 / 300, 40 / 300, 130 / 300]),
        ([10, 20, 70], 1000, 4, [0.1, 0.2, 0.7]),  # more than all of it four times
    ],
)
def test_unimax_by_hand(tokens: list[int], budget: float, epochs: float, expected: list[float]) -> None:
    assert unimax(tokens, budget, epochs) == pytest.approx(expected)


@given(tokens=TOKENS, share=st.floats(0.001, 1), epochs=st.floats(0.5, 20))
def test_unimax_repeats_nothing_too_often_and_what_it_holds_back_is_short(
    tokens: list[int], share: float, epochs: float
) -> None:
    budget = share * epochs * sum(tokens)
    weights = check_simplex(unimax(tokens, budget, epochs), len(tokens))
    repeated = weights * budget / np.array(tokens)
    assert (repeated <= epochs * (1 + 1e-9)).all()
    short = repeated >= epochs * (1 - 1e-9)
    assert np.ptp(weights[~short]) < 1e-9 if (~short).any() else share > 0.99


@given(tokens=TOKENS, share=st.floats(0.001, 3), order=st.randoms(use_true_random=False))
def test_unimax_does_not_depend_on_the_order_of_domains(tokens: list[int], share: float, order) -> None:
    places = list(range(len(tokens)))
    order.shuffle(places)
    moved = unimax([tokens[place] for place in places], share * sum(tokens), 1)
    assert moved == pytest.approx(unimax(tokens, share * sum(tokens), 1)[places])


def test_unimax_without_a_budget_says_what_to_set() -> None:
    with pytest.raises(ComputeError, match=r"mixture\.tokens"):
        unimax([1, 2], 0, 4)


def swarm(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random mixtures of four domains and losses that only the third lowers."""
    weights = np.random.default_rng(rows).dirichlet(np.ones(4), size=rows)
    return weights, 3 - weights[:, 2]


def test_regmix_finds_the_domain_that_helps() -> None:
    pool, seen = swarm(5000)[0], swarm(112)
    weights = check_simplex(regmix(*seen, pool, seed=1), 4)
    assert weights.argmax() == 2
    assert weights[2] > 0.6
    assert weights.tobytes() == regmix(*seen, pool, seed=1).tobytes()


def test_regmix_averages_more_than_one_mixture() -> None:
    pool = swarm(5000)[0]
    weights = regmix(*swarm(112), pool, seed=1)
    assert np.abs(pool - weights).sum(axis=1).min() > 0
    assert weights[2] < pool[:, 2].max()


def test_regmix_with_too_few_mixtures_knows_nothing() -> None:
    """Leaves of 20, LightGBM's default, cannot split 28 rows; the published recipe says nothing then."""
    pool = swarm(5000)[0]
    assert regmix(*swarm(28), pool, seed=1) == pytest.approx(pool[:128].mean(axis=0))


def test_regmix_refuses_a_diverged_proxy() -> None:
    weights, losses = swarm(50)
    losses[3] = np.nan
    with pytest.raises(ComputeError, match="diverged"):
        regmix(weights, losses, weights, seed=1)


def test_baselines_survive_their_file_whatever_their_order(tmp_path: Path) -> None:
    mixtures = {"uniform": uniform(3), "proportional": token_proportional([10, 30, 60])}
    write_baselines(tmp_path / "one.parquet", mixtures, OPEN)
    write_baselines(tmp_path / "two.parquet", dict(reversed(mixtures.items())), OPEN)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert read_baselines(tmp_path / "one.parquet") == {name: tuple(weights) for name, weights in mixtures.items()}


def test_the_table_says_which_baseline_breaks_a_limit(tmp_path: Path) -> None:
    limits = Limits(np.zeros(3), np.array([0.2, 1.0, 1.0]))
    mixtures = {"uniform": uniform(3), "proportional": token_proportional([10, 30, 60])}
    write_baselines(tmp_path / "baselines.parquet", mixtures, limits)
    table = read_table(tmp_path / "baselines.parquet")
    assert table.schema == BASELINES
    said = dict(zip(table["name"].to_pylist(), table["breaks_limits"].to_pylist(), strict=True))
    assert said == {"uniform": True, "proportional": False}
    assert not breaks(uniform(3), OPEN)

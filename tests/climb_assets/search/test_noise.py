"""The noise between seeds is the spread within mixtures, whatever lies between them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.search.noise import (
    losses_of,
    measure_noise,
    noise_of_objectives,
    read_noise,
    two_way_noise,
    write_noise,
)

OBJECTIVES = {"general": {"piqa": 1.0, "arc": 3.0}}
FINITE = st.floats(-10, 10, allow_nan=False)


def models(*rows):
    """Return losses of one task from (key, repeat, loss)."""
    return {(key, repeat): {"piqa": loss} for key, repeat, loss in rows}


def test_it_is_pooled_over_mixtures():
    losses = models(("a", 0, 1.0), ("a", 1, 1.2), ("b", 0, 5.0), ("b", 1, 5.1), ("b", 2, 5.2), ("c", 0, 9.0))
    (row,) = measure_noise(losses, {})
    squares = 2 * 0.1**2 + 2 * 0.1**2  # one degree of freedom in a, two in b, none in c
    assert row.noise == pytest.approx(np.sqrt(squares / 3))
    assert (row.measure, row.kind) == ("piqa", "task")
    assert 1 < row.degrees < 3  # fewer than there are second models: their repeats may move them together
    assert row.spread == pytest.approx(np.std([1.0, 5.0, 9.0], ddof=1))
    assert row.ratio == pytest.approx(row.spread / row.within_repeat.deviation)


def table(common, own, mixtures=4, repeats=5, seed=0):
    """Return losses by mixture and repeat: what a repeat does to all, and what it does to each."""
    random = np.random.default_rng(seed)
    shift, error = random.normal(0, common, repeats), random.normal(0, own, (mixtures, repeats))
    return {(str(m), r): 3.0 * m + shift[r] + error[m, r] for m in range(mixtures) for r in range(repeats)}


def test_what_a_repeat_does_to_all_mixtures_is_in_the_total_and_not_in_the_paired_noise():
    apart, together = two_way_noise(table(0.0, 0.1)), two_way_noise(table(10.0, 0.1))
    assert together.paired == pytest.approx(apart.paired)
    assert together.paired.degrees == 3 * 4
    assert together.total.deviation > 20 * apart.total.deviation
    assert together.total.degrees == pytest.approx(4, abs=0.01)  # as many as repeats tell, however many mixtures


@given(st.integers(0, 1000), st.floats(0, 3))
def test_a_full_table_has_the_mean_squares_of_the_analysis_of_variance(seed, common):
    losses = np.array(list(table(common, 1.0, seed=seed).values())).reshape(4, 5)
    about = losses - losses.mean(axis=1, keepdims=True)
    left = about - about.mean(axis=0)
    between, within = 4 * (about.mean(axis=0) ** 2).sum() / 4, (left**2).sum() / 12
    variance = between / 4 + within * 3 / 4
    satterthwaite = variance**2 / ((between / 4) ** 2 / 4 + (within * 3 / 4) ** 2 / 12)
    total, paired = two_way_noise(table(common, 1.0, seed=seed))
    assert (total.deviation**2, total.degrees) == pytest.approx((variance, satterthwaite))
    assert (paired.deviation**2, paired.degrees) == pytest.approx((within, 12))


def test_a_model_that_is_missing_costs_its_degree_of_freedom():
    losses = table(1.0, 0.1)
    del losses["2", 3]
    whole, without = two_way_noise(table(1.0, 0.1)), two_way_noise(losses)
    assert without.paired.degrees == whole.paired.degrees - 1
    assert without.paired.deviation == pytest.approx(whole.paired.deviation, rel=0.3)


def test_mixtures_of_different_repeats_cannot_be_paired():
    noise = two_way_noise({("a", 0): 1.0, ("a", 1): 1.1, ("b", 2): 2.0, ("b", 3): 2.3})
    assert noise.paired is None
    assert noise.total.degrees == 2


def test_an_objective_is_measured_as_the_search_sees_it():
    random = np.random.default_rng(0)
    tasks = {(key, repeat): {"piqa": 0.0, "arc": random.normal()} for key in "abc" for repeat in range(3)}
    arc, piqa, general = measure_noise(tasks, OBJECTIVES)
    assert (piqa.noise, piqa.ratio) == (0, None)
    assert (general.measure, general.kind) == ("general", "objective")
    assert general.noise == pytest.approx(0.75 * arc.noise)


@given(st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=6), st.floats(-5, 5))
def test_shifting_a_mixture_changes_the_spread_and_not_the_noise(pairs, shift):
    rows = [(str(number), repeat, loss) for number, pair in enumerate(pairs) for repeat, loss in enumerate(pair)]
    moved = [(key, repeat, loss + shift * int(key)) for key, repeat, loss in rows]
    (before,), (after,) = measure_noise(models(*rows), {}), measure_noise(models(*moved), {})
    assert after.noise == pytest.approx(before.noise, abs=1e-9)
    assert after.paired == pytest.approx(before.paired, abs=1e-9)
    assert after.paired_degrees == before.paired_degrees == len(pairs) - 1


def test_without_repeats_nothing_is_claimed():
    assert measure_noise(models(("a", 0, 1.0), ("b", 0, 2.0)), OBJECTIVES) == []
    assert measure_noise({}, OBJECTIVES) == []


def test_one_mixture_has_noise_and_no_spread():
    (row,) = measure_noise(models(("a", 0, 1.0), ("a", 1, 2.0)), {})
    assert row.noise > 0 and row.spread is None and row.ratio is None


def test_what_diverged_is_left_out():
    results = pa.table(
        {
            "key": ["a", "a", "a", "b"],
            "repeat": [0, 1, 2, 0],
            "task": ["piqa"] * 4,
            "loss": [1.0, 1.5, None, 3.0],
            "diverged": [False, False, True, False],
        }
    )
    assert losses_of(results) == models(("a", 0, 1.0), ("a", 1, 1.5), ("b", 0, 3.0))


def test_the_table_survives_its_file(tmp_path):
    path = tmp_path / "noise.parquet"
    rows = {(key, repeat): {"piqa": repeat + 0.1, "arc": 2.0} for key in "ab" for repeat in range(2)}
    noise = measure_noise(rows, OBJECTIVES)
    write_noise(path, noise)
    assert read_noise(path) == noise
    assert list(noise_of_objectives(path)) == ["general"]
    write_noise(path, [])
    assert read_noise(path) == []

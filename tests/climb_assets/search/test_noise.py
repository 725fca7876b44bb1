"""The noise between seeds is the spread within mixtures, whatever lies between them."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.search.noise import losses_of, measure_noise, noise_of_objectives, read_noise, write_noise

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
    assert (row.measure, row.kind, row.degrees) == ("piqa", "task", 3)
    assert row.spread == pytest.approx(np.std([1.0, 5.0, 9.0], ddof=1))
    assert row.ratio == pytest.approx(row.spread / row.noise)


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
    assert after.degrees == before.degrees == len(pairs)


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

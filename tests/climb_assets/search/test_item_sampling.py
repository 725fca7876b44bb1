"""What items add to a difference is what other items would have moved it by, and nothing that seeds did."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.errors import ComputeError
from climb_assets.search.item_sampling import (
    ItemLosses,
    measure_item_noise,
    no_item_noise,
    read_items,
    write_items,
)

ONE = {"piqa": 1.0}


def items_of(bits, sizes, task="piqa"):
    """Return the items of mixtures and seeds from bits (A, S, I) and bytes (I,)."""
    return [[{task: ItemLosses(own, sizes)} for own in row] for row in bits]


def drawn(mixtures=2, seeds=3, items=50, of_item=0.3, of_seed=0.0, cross=0.0, seed=0):
    """Return bits (A, S, I) and bytes: each item has its own length, and mixtures differ from item to item."""
    random = np.random.default_rng(seed)
    sizes = random.integers(5, 60, items)
    per_byte = 2 + random.normal(0, of_item, (mixtures, 1, items)) + random.normal(0, of_seed, (mixtures, seeds, 1))
    return (per_byte + random.normal(0, cross, (mixtures, seeds, items))) * sizes, sizes


def variance_of_difference(bits, sizes):
    return measure_item_noise(items_of(bits, sizes), ONE).of_differences[0, 1]


def test_it_is_the_bootstrap_variance_of_a_difference_of_losses():
    bits, sizes = drawn(cross=0.0)
    random, losses = np.random.default_rng(1), []
    for _ in range(4000):
        chosen = random.integers(len(sizes), size=len(sizes))
        losses.append((bits.mean(axis=1)[:, chosen].sum(axis=1) / sizes[chosen].sum()) @ [1, -1])
    assert variance_of_difference(bits, sizes) == pytest.approx(np.var(losses), rel=0.1)


def test_what_a_seed_does_to_an_item_is_counted_once_and_that_is_between_seeds():
    found = [variance_of_difference(*drawn(of_item=0.0, cross=0.5, items=200, seed=seed)) for seed in range(40)]
    of_items = variance_of_difference(*drawn(of_item=0.5, cross=0.0, items=200))
    assert np.mean(found) < 0.1 * of_items  # the cross term alone, whose deviation is as large, is not in it


def test_what_a_seed_does_to_all_items_is_not_in_it():
    assert variance_of_difference(*drawn(of_item=0.0, of_seed=1.0)) == pytest.approx(0, abs=1e-20)


@given(st.floats(-1, 1), st.integers(0, 99))
def test_what_an_item_does_to_all_mixtures_moves_no_difference(shift, seed):
    bits, sizes = drawn(seed=seed)
    harder = bits + shift * sizes * np.linspace(0, 1, len(sizes))
    assert variance_of_difference(harder, sizes) == pytest.approx(variance_of_difference(bits, sizes), rel=1e-6)


def test_twice_the_items_have_half_the_variance():
    few = np.mean([variance_of_difference(*drawn(items=50, seed=seed)) for seed in range(30)])
    many = np.mean([variance_of_difference(*drawn(items=100, seed=seed)) for seed in range(30)])
    assert many == pytest.approx(few / 2, rel=0.1)


def test_the_items_of_different_tasks_are_drawn_independently():
    (bits, sizes), (more, other) = drawn(seed=1), drawn(items=20, seed=2)
    tasks = zip(items_of(bits, sizes, "a"), items_of(more, other, "b"), strict=True)
    both = [[first | second for first, second in zip(*rows, strict=True)] for rows in tasks]
    apart = [measure_item_noise(both, {task: 1.0}).of_differences[0, 1] for task in "ab"]
    found = measure_item_noise(both, {"a": 1.0, "b": 3.0})
    assert found.of_differences[0, 1] == pytest.approx((apart[0] + 9 * apart[1]) / 16)
    assert found.degrees == 19  # of the task with the fewest items


def test_one_seed_is_enough_and_errs_on_the_wide_side():
    bits, sizes = drawn(cross=0.5, items=400)
    assert variance_of_difference(bits[:, :1], sizes) > variance_of_difference(bits, sizes)


def test_a_difference_has_no_negative_variance():
    variances = [measure_item_noise(items_of(*drawn(of_item=0.0, cross=1.0, seed=seed)), ONE) for seed in range(20)]
    assert min(found.of_differences.min() for found in variances) == 0
    assert no_item_noise(3).of_differences.tolist() == np.zeros((3, 3)).tolist()


def test_models_on_different_items_or_on_one_are_refused():
    bits, sizes = drawn()
    other = items_of(bits, sizes)
    other[1][0] = {"piqa": ItemLosses(bits[1, 0], sizes + 1)}
    with pytest.raises(ComputeError, match="different items of piqa"):
        measure_item_noise(other, ONE)
    with pytest.raises(ComputeError, match="piqa has one item"):
        measure_item_noise(items_of(bits[:, :, :1], sizes[:1]), ONE)


def test_the_table_survives_its_file(tmp_path):
    bits, sizes = drawn()
    kept = {("key", 3): {"piqa": ItemLosses(bits[0, 0], sizes)}, ("key", 4): {"piqa": ItemLosses(bits[0, 1], sizes)}}
    write_items(tmp_path / "items.parquet", kept)
    read = read_items(tmp_path / "items.parquet")
    assert read.keys() == kept.keys()
    for model, tasks in read.items():
        assert tasks["piqa"].bits.tolist() == kept[model]["piqa"].bits.tolist()
        assert tasks["piqa"].sizes.tolist() == sizes.tolist()

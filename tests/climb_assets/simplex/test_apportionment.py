"""Whole numbers keep their sum and stay next to their shares."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.simplex.apportionment import apportion


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda w: sum(w) > 0.01), st.integers(0, 10**11))
def test_counts_are_within_one_of_their_share(weights: list[float], total: int) -> None:
    exact = np.array(weights) / sum(weights) * total
    counts = apportion(exact, total)
    assert counts.sum() == total
    assert (np.abs(counts - exact) < 1 + 1e-4).all()


def test_what_is_whole_stays_whatever_its_last_bit_and_equals_go_to_the_first() -> None:
    assert apportion([3.9999999999, 2.0000000001], 6).tolist() == [4, 2]
    assert apportion([[1.5, 1.5], [0.2, 2.8]], 3).tolist() == [[2, 1], [0, 3]]


@given(share=st.floats(0, 1), sequences=st.integers(200, 400))
def test_shares_of_a_few_hundred_are_within_half_a_percent(share: float, sequences: int) -> None:
    weights = np.array([share, (1 - share) / 3, (1 - share) * 2 / 3])
    assert np.abs(apportion(weights * sequences, sequences) / sequences - weights).max() <= 0.005

"""Axes name round numbers, and shown numbers say neither more nor less than they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.pictures.scales import Scale, on_axis, percent, scale_over, signed


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_a_scale_holds_all_values_and_its_ticks_are_within(values: list[float]) -> None:
    scale = scale_over(values, 10, 110)
    assert all(10 <= scale(value) <= 110 for value in values)
    ticks = scale.ticks(5)
    assert 1 <= len(ticks) <= 5 and all(scale.low - 1e-6 <= tick <= scale.high + 1e-6 for tick in ticks)


def test_neighbouring_ticks_read_differently() -> None:
    ticks = Scale(-0.113, 0.004, 0, 1).ticks()
    assert [on_axis(tick, ticks) for tick in ticks] == ["−0.10", "−0.05", "0.00"]


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0 %"), (0.0004, "< 0.1 %"), (0.0432, "4.3 %"), (0.2846, "28 %"), (0.0996, "10 %"), (1, "100 %")],
)
def test_a_share_is_read_as_percent(share: float, shown: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == shown


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    assert [signed(value) for value in (0.0532, -0.0532, -0.0001)] == ["+0.053", "−0.053", "0.000"]

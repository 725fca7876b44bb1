"""Names with numbers in them sort as the numbers do, however many there are."""

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.numbered_names import pad_number

COUNTS = st.integers(1, 10**7)


@given(COUNTS, st.data())
def test_names_sort_as_numbers_do(count: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=50))
    assert sorted(numbers) == sorted(numbers, key=lambda number: pad_number(number, count))


def test_up_to_a_hundred_thousand_names_have_five_digits() -> None:
    assert [pad_number(7, count) for count in (8, 100_000, 100_001)] == ["00007", "00007", "000007"]

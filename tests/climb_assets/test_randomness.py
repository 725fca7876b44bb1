"""Random streams: named, independent of each other, the same everywhere."""

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.randomness import derived_seed, generator

TEXTS = st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"]), max_size=6)
KEYS = st.lists(TEXTS, max_size=3)


def test_a_stream_is_the_same_on_every_machine() -> None:
    assert generator(42, "proxy", "a", 1).integers(1000, size=4).tolist() == [718, 204, 851, 100]
    assert derived_seed(42, "proxy") == 1622058935


@given(
    st.integers(0, 2**31), st.text(st.characters(exclude_characters="\x1f"), max_size=6), KEYS, st.integers(0, 9), KEYS
)
def test_streams_are_equal_exactly_when_their_names_are(seed, purpose, key, other_seed, other_key) -> None:
    first = derived_seed(seed, purpose, *key)
    assert first == derived_seed(seed, purpose, *key)
    same = (other_seed, other_key) == (seed, key)
    draws = generator(seed, purpose, *key).integers(2**62, size=2).tolist()
    assert (draws == generator(other_seed, purpose, *other_key).integers(2**62, size=2).tolist()) == same


@given(st.integers(0, 2**40), st.text(max_size=6))
def test_derived_seeds_fit_every_library(seed, purpose) -> None:
    assert 0 <= derived_seed(seed, purpose) < 2**31


def test_drawing_from_one_stream_leaves_the_others() -> None:
    alone = generator(0, "b").random(3).tolist()
    generator(0, "a").random(100)
    assert generator(0, "b").random(3).tolist() == alone

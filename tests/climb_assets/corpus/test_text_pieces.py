"""A text file is parted by one documented rule, and no character is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.corpus.text_pieces import cut_text, split_text

LETTERS = st.text(st.sampled_from("ab \n\r\f\t\u2028"), max_size=200)


@given(LETTERS, st.integers(1, 30))
def test_pieces_by_length_are_short_and_hold_everything(text: str, characters: int) -> None:
    pieces = list(cut_text([text], characters))
    assert all(len(piece) <= characters for piece in pieces)
    assert "".join(pieces) == text.replace("\r\n", "\n")


@given(LETTERS, st.sampled_from(["whole", "form_feed", "blank_lines"]))
def test_no_rule_loses_a_word_or_makes_a_blank_piece(text: str, rule: str) -> None:
    pieces = split_text(text, rule)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert len(pieces) == 1 or all(piece.strip() for piece in pieces)


@pytest.mark.parametrize(
    ("rule", "pieces"),
    [
        ("whole", ["one\n\ntwo three\n\ffour"]),
        ("form_feed", ["one\n\ntwo three\n", "four"]),
        ("blank_lines", ["one", "two three\n\ffour"]),
    ],
)
def test_rules(rule: str, pieces: list[str]) -> None:
    assert split_text("one\n\ntwo three\n\ffour", rule) == pieces


def test_a_piece_ends_at_a_blank_line_or_a_line_or_a_space() -> None:
    assert list(cut_text(["one\n\ntwo three\n\ffour"], 6)) == ["one\n\n", "two ", "three\n", "\ffour"]


@given(st.lists(LETTERS, max_size=6), st.integers(1, 30))
def test_the_parts_in_which_a_text_comes_change_no_piece(parts: list[str], characters: int) -> None:
    assert list(cut_text(parts, characters)) == list(cut_text(["".join(parts)], characters))

"""What comes from data: on one line, harmless to a terminal, and short."""

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.printable import markdown_cell, markdown_table, printable, printable_lines


def test_what_steers_a_terminal_is_escaped() -> None:
    assert printable("\x1b[2Ja\nb\u202ec\ud800") == r"\x1b[2Ja\nb\u202ec\ud800"
    assert printable("日本語 مرحبا é") == "日本語 مرحبا é"
    assert printable_lines("one\x1b\ntwo\u2066") == "one\\x1b\ntwo\\u2066"


def test_a_cell_of_a_table_holds_no_mark_up() -> None:
    assert markdown_cell("a | [b](c) <i>`d`\n# e") == r"a \| \[b\](c) \<i\>\`d\`\\n\# e"


def test_a_table_has_a_line_for_its_columns_and_one_for_each_row() -> None:
    assert markdown_table(("a", "b"), [("1", "2"), ("3", "4")]) == ["| a | b |", "|---|---|", "| 1 | 2 |", "| 3 | 4 |"]


@given(st.text(st.characters()), st.integers(8, 60))
def test_what_is_shown_is_one_short_line_of_printable_text(text: str, most: int) -> None:
    shown = printable(text, most)
    assert "\n" not in shown and "\x1b" not in shown and "\u202e" not in shown
    shown.encode("utf-8")
    assert len(shown) <= most
    if len(text) <= most and text.isascii() and text.isprintable():
        assert shown == text

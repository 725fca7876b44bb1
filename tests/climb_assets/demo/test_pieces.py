"""Articles are cut into documents without losing text, and only prose is kept."""

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.demo.pieces import MIN_CHARACTERS, cut, frequent_lines, is_prose, unwrap, without_lines

PROSE = "It was one of the best of times, and there was no reason for them to be anything but happy with it. "
word = st.text("abcde", min_size=1, max_size=12)
paragraph = st.lists(word, min_size=1, max_size=900).map(" ".join)
section = st.lists(paragraph, max_size=6).map("\n\n".join)


@given(st.lists(section, max_size=8))
def test_cutting_keeps_every_word_in_order(sections: list[str]) -> None:
    documents = cut(sections)
    assert " ".join(documents).split() == " ".join(sections).split()
    assert all(len(document) >= MIN_CHARACTERS for document in documents[1:]), "no crumbs are left"


def test_long_text_without_paragraphs_is_cut_between_sentences() -> None:
    documents = cut([PROSE * 200])
    assert len(documents) > 3
    assert all(len(document) < 6_500 and document.endswith(".") for document in documents)


def test_small_sections_are_joined() -> None:
    assert len(cut([PROSE] * 5)) == 1


def test_prose_is_told_from_code_foreign_text_and_crumbs() -> None:
    assert is_prose(PROSE * 4)
    assert not is_prose(PROSE)
    assert not is_prose("x = [1, 2, 3]; y += {4: 5} // 6 - 7;\n" * 20)
    assert not is_prose("Der schnelle braune Fuchs springt über den faulen Hund und läuft davon. " * 8)


def test_lines_of_many_articles_are_boilerplate_but_single_words_are_not() -> None:
    articles = [[f"Ingredients:\nSee also the index\ntext {number}"] for number in range(60)]
    lines = frequent_lines(articles)
    assert lines == {"See also the index"}
    assert without_lines(articles[7][0], lines) == "Ingredients:\ntext 7"
    assert frequent_lines(articles[:10]) == frozenset(), "too few articles to tell"


def test_columns_are_not_unwrapped() -> None:
    assert unwrap("one\ntwo") == "one two"
    assert unwrap("a     b\nc     d") == "a     b\nc     d"

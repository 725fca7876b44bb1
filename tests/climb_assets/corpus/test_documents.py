"""The normal form, the id and the split of one text."""

import time
import unicodedata
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.config import Corpus
from climb_assets.corpus.documents import assign_split, document_id, make_document
from climb_assets.corpus.normal_text import MARKS, normalise
from climb_assets.corpus.records import Record

AWKWARD = st.text(
    st.sampled_from("a \t\r\n\x00\x0b\x85\u2028\ufeffe\u0301\u0316\u0344é\u1100\u1161\u2000"), max_size=60
)


@given(st.text() | AWKWARD)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(character) == "Cc" and character not in "\t\n" for character in once)
    assert all(line == line.rstrip() for line in once.split("\n"))


def test_equal_texts_have_one_id() -> None:
    assert document_id(normalise("Café \r\nb\0\n")) == document_id(normalise("\ufeffCafe\u0301\nb"))
    assert document_id("a") == "ca978112ca1bbdcafac231b39a23dc4d"


def test_indentation_and_empty_lines_inside_stay() -> None:
    assert normalise("  \n  a\n\n\tb  ") == "  a\n\n\tb"


def test_a_heap_of_combining_marks_takes_no_quadratic_time() -> None:
    start = time.perf_counter()
    text = normalise("a" + "\u0316\u0301" * 100_000 + "b")
    assert time.perf_counter() - start < 5
    assert len(text) <= MARKS + 2
    assert normalise(text) == text


@given(st.text(max_size=25), st.integers(0, 3), st.sampled_from(["\u0316", "\u0301\u0316", "\u2026\u0316", "\u0344"]))
def test_no_more_marks_in_a_row_stay_than_are_allowed_wherever_they_begin(before: str, more: int, marks: str) -> None:
    text = normalise(f"{before}x{marks * MARKS}{marks[0] * more}y")
    rows = "".join("m" if unicodedata.combining(character) else " " for character in text).split()
    assert max(map(len, rows)) <= MARKS
    assert text.endswith("y")


def test_splits_have_their_shares_and_follow_the_article() -> None:
    settings = Corpus(search_eval=0.2, report_eval=0.1)
    counts = Counter(assign_split(f"article {number}", settings) for number in range(5000))
    assert 900 < counts["search_eval"] < 1100
    assert 420 < counts["report_eval"] < 580
    records = [Record(row, "x" * row, article="one") for row in range(1, 50)]
    assert len({make_document(record, "file", settings).split for record in records}) == 1


def test_another_seed_splits_otherwise() -> None:
    articles = [str(number) for number in range(500)]
    first, second = ([assign_split(a, Corpus(split_seed=seed)) for a in articles] for seed in (0, 1))
    assert first != second


def test_a_record_without_an_article_is_split_by_its_text() -> None:
    settings = Corpus(search_eval=0.3, report_eval=0.3)
    for number in range(50):
        here = make_document(Record(number, f"text {number}\r\n"), "shard/a.jsonl", settings)
        there = make_document(Record(7, f"text {number}", article=None), "b.jsonl", settings)
        assert here.article is there.article is None
        assert here.split == there.split == assign_split(here.id, settings)


def test_a_record_without_a_source_has_its_shard_as_source() -> None:
    sources = [
        make_document(Record(1, "text", source=source), "shard/deep/a.jsonl", Corpus()).source for source in ("x", None)
    ]
    assert sources == ["x", "shard"]

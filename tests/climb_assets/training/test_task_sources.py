"""Sources that the corpus lacks, or has too little of, are told together, each with its task and a cure."""

import re

import pyarrow as pa
import pytest

from climb_assets.config_tasks import ChoiceTask, Task, TextTask
from climb_assets.corpus.splits import SOURCES
from climb_assets.errors import ConfigError
from climb_assets.printable import MOST_OF_A_SENTENCE
from climb_assets.training.task_sources import count_sources, require_sources

HELD = [
    ("manuals.parquet", "search_eval", 9),
    ("manuals.parquet", "train", 90),
    ("Letters", "search_eval", 2),
    ("Letters", "report_eval", 1),
    ("\u00e9t\u00e9", "search_eval", 4),
    ("rare", "train", 12),
    ("rare", "contaminated", 1),
    ("single", "search_eval", 1),
    ("single", "report_eval", 1),
]


def sources(rows: list[tuple[str, str, int]] = HELD) -> pa.Table:
    """Return the table of sources of a corpus."""
    return pa.Table.from_pylist([dict(zip(SOURCES.names, row, strict=True)) for row in rows], schema=SOURCES)


def text(*names: str, split: str = "search_eval") -> TextTask:
    """Return a text task."""
    return TextTask.model_validate({"kind": "text", "sources": names, "split": split})


def refusal(tasks: dict[str, Task], table: pa.Table | None = None) -> str:
    """Return what is said of tasks."""
    with pytest.raises(ConfigError) as caught:
        require_sources(tasks, sources() if table is None else table)
    return str(caught.value)


def test_what_is_there_is_not_complained_about(tmp_path) -> None:
    tasks = {"a": text("manuals.parquet", "Letters"), "b": text("single", split="report_eval")}
    require_sources({**tasks, "quiz": ChoiceTask(kind="choice", path=tmp_path / "none")}, sources())


def test_all_wrong_sources_of_all_tasks_are_told_in_one_sentence() -> None:
    said = refusal({"one": text("manuals.parqet", "Letters"), "two": text("nothing like it"), "three": text("single")})
    parts = said.split("; ")
    assert parts[0] == "tasks.one.sources: search_eval holds no text of source 'manuals.parqet'"
    assert parts[1] == "choose 'manuals.parquet', or add such texts to the corpus"
    assert parts[2] == "tasks.two.sources: search_eval holds no text of source 'nothing like it'"
    assert parts[3] == "choose another, or add such texts to the corpus"
    assert parts[4].startswith("tasks.three.sources: source 'single' has 1 items, too few for a part ")
    assert parts[-1] == '`climb sql "FROM sources"` lists what there is'


@pytest.mark.parametrize(("name", "near"), [("letters", "Letters"), ("MANUALS.PARQUET", "manuals.parquet")])
def test_another_case_is_another_source_and_the_nearest(name: str, near: str) -> None:
    assert f"source '{name}'; choose '{near}', or" in refusal({"t": text(name)})


@pytest.mark.parametrize("name", ["e\u0301te\u0301", " \u00e9t\u00e9 ", "\u00e9te\u0301\n"])
def test_another_form_of_the_same_text_is_the_same_source(name: str) -> None:
    require_sources({"t": text(name)}, sources())


def test_a_source_of_which_nothing_is_held_out_is_not_said_to_be_unknown() -> None:
    said = refusal({"t": text("rare", split="report_eval")})
    assert "report_eval holds none of the 13 documents of source 'rare'; add such texts, or raise corpus.report" in said


def test_the_sentence_stays_short_and_printable() -> None:
    tasks = {f"t{number}": text("x\x1b[2J" + "y" * 500 + str(number)) for number in range(40)}
    said = refusal(tasks)
    assert len(said) <= MOST_OF_A_SENTENCE + 500 and "\x1b" not in said
    assert said.endswith('and 35 more; `climb sql "FROM sources"` lists what there is')


def test_names_are_compared_with_the_commonest_sources_of_a_corpus_of_a_source_a_document() -> None:
    rows = [(f"https://example.org/{number:06}", "search_eval", 1) for number in range(50_000)]
    said = refusal(
        {"t": text("https://example.org/sit")}, sources([*rows, ("https://example.org/site", "search_eval", 9)])
    )
    assert re.search(r"choose 'https://example\.org/site'", said)


def test_documents_are_counted_as_the_corpus_counts_them() -> None:
    held_out = pa.table({"source": ["a", "a", "b"], "split": ["search_eval", "search_eval", "report_eval"]})
    require_sources({"t": text("a"), "u": text("b", split="report_eval")}, count_sources(held_out))
    assert "'b'" in refusal({"t": text("b")}, count_sources(held_out))

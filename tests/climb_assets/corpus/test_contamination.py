"""Items of tasks are found in documents, whatever their case, punctuation and wording around them."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from climb_assets.config_corpus import Contamination
from climb_assets.corpus.choice_items import ChoiceItem
from climb_assets.corpus.contamination import MATCHES, TaskFile, collect_runs, find_contamination, find_items
from climb_assets.errors import ConfigError
from climb_assets.tables import read_table, write_table

SETTINGS = Contamination()
NUMBERS = [f"word{number}" for number in range(1, 16)]


def item(context: str, right: str, wrong: str = "something else") -> ChoiceItem:
    """An item whose second choice is right."""
    return ChoiceItem((context, context), (f" {wrong}", f" {right}"), 1, 1, "")


def found(text: str, *items: ChoiceItem) -> set[int]:
    """The items that a text holds."""
    return find_items(["nothing", text], collect_runs([items], SETTINGS)).get(1, set())


def test_thirteen_words_give_a_long_item_away_and_twelve_do_not() -> None:
    known = item(" ".join(NUMBERS[:10]), " ".join(NUMBERS[10:]))
    assert found("Before: " + ", ".join(NUMBERS[1:14]).upper() + "; after.", known) == {0}
    assert not found("before " + " ".join(NUMBERS[1:13]) + " after", known)


def test_a_shorter_item_is_looked_for_whole() -> None:
    known = item(" ".join(NUMBERS[:5]), " ".join(NUMBERS[5:9]))
    assert found(" ".join(NUMBERS[:9]), known) == {0}
    assert not found(" ".join(NUMBERS[:8]), known)
    assert not found(" ".join(NUMBERS[:7]), item(" ".join(NUMBERS[:4]), " ".join(NUMBERS[4:7])))


def test_a_context_alone_gives_an_item_away_and_a_wrong_choice_does_not() -> None:
    question = " ".join(NUMBERS[:8])
    assert found(f"quiz {question}", item(question, "fifteen")) == {0}
    short = " ".join(NUMBERS[:5])
    wrong = " ".join(NUMBERS[5:10])
    assert not found(f"{short} {wrong}", item(short, "right", wrong))


def test_the_wording_of_a_task_is_no_part_of_its_items() -> None:
    items = [item(f"Question: {' '.join(NUMBERS[start : start + 9])}?\nAnswer:", "yes") for start in (0, 4)]
    assert found("I asked: " + " ".join(NUMBERS[4:13]) + ". Nobody knew.", *items) == {1}


def test_a_partial_context_stands_with_its_own_choice() -> None:
    known = ChoiceItem((" ".join(NUMBERS[:7]), "another"), (" word8 word9", " word8 word9"), 0, 1, "")
    assert found(" ".join(NUMBERS[:9]), known) == {0}


@pytest.fixture
def tasks(tmp_path: Path) -> list[TaskFile]:
    """Two tasks that share an item."""
    files = []
    for task, starts in (("first", (0, 5)), ("second", (5,))):
        records = [{"context": " ".join(NUMBERS[s : s + 9]), "choices": [" a", " b"], "gold": 0} for s in starts]
        files.append(TaskFile(task, tmp_path / f"{task}.jsonl", "1"))
        files[-1].path.write_text("\n".join(map(json.dumps, records)))
    return files


def test_documents_are_counted_by_task(tasks: list[TaskFile], tmp_path: Path) -> None:
    texts = ["nothing", " ".join(NUMBERS), "zero " + " ".join(NUMBERS[5:15]), "the end"]
    ids = [f"{number:032x}" for number in range(len(texts))]
    write_table(tmp_path / "documents.parquet", pa.table({"id": ids, "text": texts}))
    facts = find_contamination(tmp_path / "documents.parquet", tasks, SETTINGS, tmp_path, part_documents=3)
    table = read_table(tmp_path / "contamination.parquet")
    assert table.schema == MATCHES
    rows = [(int(row["id"], 16), row["task"], row["matches"]) for row in table.to_pylist()]
    assert rows == [(1, "first", 2), (1, "second", 1), (2, "first", 1), (2, "second", 1)]
    assert facts == {"documents": 2, "by_task": {"first": 2, "second": 2}}


def test_a_task_whose_file_changed_is_read_again(tasks: list[TaskFile], tmp_path: Path) -> None:
    write_table(tmp_path / "documents.parquet", pa.table({"id": ["0" * 32], "text": ["a b c d e f g h i j"]}))

    def found(version: str) -> int:
        files = [TaskFile("first", tasks[0].path, version)]
        return find_contamination(tmp_path / "documents.parquet", files, SETTINGS, tmp_path, 3)["documents"]

    assert found("1") == 0
    tasks[0].path.write_text(json.dumps({"context": "a b c d e f g h", "choices": [" i", " j"], "gold": 0}))
    assert found("2") == 1


def test_without_tasks_nothing_is_contaminated(tmp_path: Path) -> None:
    write_table(tmp_path / "documents.parquet", pa.table({"id": ["0" * 32], "text": ["a b c d e f g h i j k l m n"]}))
    facts = find_contamination(tmp_path / "documents.parquet", [], SETTINGS, tmp_path, part_documents=3)
    assert facts == {"documents": 0, "by_task": {}}


def test_a_bad_task_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"context": "a", "choices": ["b"], "gold": 0}')
    with pytest.raises(ConfigError, match=r"bad\.jsonl:1: choices must list two or more"):
        find_contamination(tmp_path / "none", [TaskFile("bad", tmp_path / "bad.jsonl", "1")], SETTINGS, tmp_path, 3)

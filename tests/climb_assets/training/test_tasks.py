import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.config_tasks import ChoiceTask, TextTask
from climb_assets.errors import ConfigError
from climb_assets.tables import read_table
from climb_assets.training.tasks import Part, prepare_choice_task, prepare_text_task
from climb_assets.training.token_index import TrainingIndex

GOOD = {"context": "A question?", "choices": [" é", " no"], "gold": 0}

MERGING = {"context": "a", "choices": [" b", " a"], "gold": 0}


def write_records(path: Path, *records: object) -> ChoiceTask:
    path.write_text("".join(record if isinstance(record, str) else json.dumps(record) + "\n" for record in records))
    return ChoiceTask(kind="choice", path=path, items=3, split="report_eval")


def test_a_document_follows_an_end_mark_and_does_not_predict_its_own(index: TrainingIndex, tmp_path: Path) -> None:
    facts = prepare_text_task(
        TextTask(kind="text", sources=("source1", "source0"), documents=1), "t", index, "search", tmp_path
    )
    assert facts == {"items": 2, "requests": 2, "tokens": 80}
    tokens = np.load(tmp_path / "tokens.npy").reshape(2, 40)
    assert (tokens[:, 0] == 0).all()
    assert (tokens[:, 1:] > 0).all()
    assert read_table(tmp_path / "items.parquet")["bytes"].to_pylist() == [100] * 2


def test_a_source_is_found_in_any_of_its_unicode_forms_and_once(index: TrainingIndex, tmp_path: Path) -> None:
    plain, wide = (unicodedata.normalize(form, "source\u00e9") for form in ("NFC", "NFD"))
    sources = pa.array([plain] * index.evaluation.num_rows)
    place = index.evaluation.schema.get_field_index("source")
    renamed = replace(index, evaluation=index.evaluation.set_column(place, "source", sources))
    task = TextTask(kind="text", sources=(wide, plain, f" {wide}"), documents=1)
    assert prepare_text_task(task, "t", renamed, "search", tmp_path)["items"] == 1


def test_choices_are_tokenised_after_their_context(tokenizer: Path, tmp_path: Path) -> None:
    task = write_records(tmp_path / "task.jsonl", GOOD)
    assert prepare_choice_task(task, "t", tokenizer, "search", tmp_path) == {"items": 1, "requests": 2, "tokens": 30}
    first, second = read_table(tmp_path / "items.parquet").to_pylist()
    shared = {"item": 0, "context": 12, "length": 15, "bytes": 2}
    assert first == shared | {"gold": True, "start": 0, "characters": 1}
    assert second == shared | {"gold": False, "start": 15, "characters": 2}


def test_only_the_gold_choice_becomes_a_request_where_accuracy_is_not_asked_for(
    tokenizer: Path, tmp_path: Path
) -> None:
    task = write_records(tmp_path / "task.jsonl", GOOD, {"context": "Another?", "choices": [" b", " a"], "gold": 1})
    both, gold = tmp_path / "all", tmp_path / "gold"
    for folder, choices in ((both, "all"), (gold, "gold")):
        folder.mkdir()
        prepare_choice_task(task.model_copy(update={"choices": choices}), "t", tokenizer, "search", folder)

    def requests(folder: Path) -> list[tuple]:
        tokens = np.load(folder / "tokens.npy")
        rows = read_table(folder / "items.parquet").to_pylist()
        return [
            (row["item"], row["bytes"], tokens[row["start"] :][: row["length"]].tolist()) for row in rows if row["gold"]
        ]

    assert requests(gold) == requests(both)
    assert read_table(gold / "items.parquet")["gold"].to_pylist() == [True, True]


def test_space_at_the_end_of_a_context_is_predicted_with_the_choice(tokenizer: Path, tmp_path: Path) -> None:
    records = [{"context": context, "choices": ["one", "two"], "gold": 0} for context in ("a: \n", "", "  ")]
    prepare_choice_task(write_records(tmp_path / "task.jsonl", *records), "t", tokenizer, "search", tmp_path)
    rows = {(row["length"], row["context"], row["bytes"]) for row in read_table(tmp_path / "items.parquet").to_pylist()}
    assert rows == {(8, 3, 3), (4, 1, 3), (6, 1, 3)}


def test_a_choice_that_merges_into_its_context_is_named(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    vocabulary = {"<|endoftext|>": 0, "a": 1, "b": 2, "ab": 3, " ": 4, " b": 5}
    Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "b"), (" ", "b")])).save(str(tmp_path / "bpe.json"))
    prepare_choice_task(write_records(tmp_path / "task.jsonl", MERGING), "t", tmp_path / "bpe.json", "search", tmp_path)
    assert np.load(tmp_path / "tokens.npy").tolist() == [0, 1, 5, 0, 1, 4, 1]
    bad = write_records(tmp_path / "task.jsonl", MERGING, MERGING | {"choices": ["b", " a"]})
    with pytest.raises(ConfigError, match=r"task\.jsonl:2: choice 'b' merges into its context"):
        prepare_choice_task(bad, "t", tmp_path / "bpe.json", "search", tmp_path)


def test_the_subset_does_not_depend_on_the_order_of_the_file(tokenizer: Path, tmp_path: Path) -> None:
    records = [GOOD | {"context": f"Question {number}"} for number in range(9)]
    folders = []
    for order in (records, records[::-1]):
        facts = prepare_choice_task(write_records(tmp_path / "task.jsonl", *order), "t", tokenizer, "search", tmp_path)
        folders.append(((tmp_path / "tokens.npy").read_bytes(), (tmp_path / "items.parquet").read_bytes()))
        assert facts["items"] == 3
    assert folders[0] == folders[1]


def test_a_line_separator_inside_a_text_ends_no_line(tokenizer: Path, tmp_path: Path) -> None:
    task = write_records(
        tmp_path / "task.jsonl", json.dumps({**GOOD, "context": "a\u2028b"}, ensure_ascii=False) + "\r\n"
    )
    assert prepare_choice_task(task, "t", tokenizer, "search", tmp_path)["items"] == 1


def test_each_choice_may_have_its_own_context(tokenizer: Path, tmp_path: Path) -> None:
    record = {"context": "", "contexts": ["one", "three"], "choices": [" x", " x"], "gold": 1}
    prepare_choice_task(write_records(tmp_path / "task.jsonl", record), "t", tokenizer, "search", tmp_path)
    assert read_table(tmp_path / "items.parquet")["context"].to_pylist() == [4, 6]


def prepared(task: ChoiceTask, tokenizer: Path, part: Part, out: Path) -> list[list[int]]:
    """Return the token ids of each item's first request."""
    out.mkdir()
    prepare_choice_task(task, "t", tokenizer, part, out)
    tokens = np.load(out / "tokens.npy").tolist()
    rows = read_table(out / "items.parquet").to_pylist()
    return [tokens[row["start"] : row["start"] + row["length"]] for row in rows if row["gold"]]


@pytest.mark.parametrize(("records", "each"), [(9, 3), (6, 3), (5, 2), (2, 1)])
def test_what_confirms_is_nothing_that_the_search_saw(tokenizer: Path, tmp_path: Path, records: int, each: int) -> None:
    questions = [GOOD | {"context": f"Question {number}"} for number in range(records)]
    task = write_records(tmp_path / "task.jsonl", *questions, questions[0]).model_copy(update={"split": "search_eval"})
    search, confirm = (prepared(task, tokenizer, part, tmp_path / part) for part in ("search", "confirm"))
    assert len(search) == len(confirm) == each
    assert not {tuple(item) for item in search} & {tuple(item) for item in confirm}  # though one stands there twice


def test_a_task_that_only_reports_is_not_cut(tokenizer: Path, tmp_path: Path) -> None:
    questions = [GOOD | {"context": f"Question {number}"} for number in range(4)]
    task = write_records(tmp_path / "task.jsonl", *questions)
    assert len(prepared(task, tokenizer, "confirm", tmp_path / "out")) == 3


def test_a_task_that_is_too_small_for_two_parts_says_what_to_do(
    index: TrainingIndex, tokenizer: Path, tmp_path: Path
) -> None:
    task = write_records(tmp_path / "task.jsonl", GOOD).model_copy(update={"split": "search_eval"})
    with pytest.raises(ConfigError, match=r"task 't' has 1 items.*report_eval"):
        prepare_choice_task(task, "t", tokenizer, "search", tmp_path)


def test_the_documents_that_confirm_are_others_of_the_same_sources(index: TrainingIndex, tmp_path: Path) -> None:
    task = TextTask(kind="text", sources=("source0", "source1"), documents=5)
    tokens = {}
    for part in ("search", "confirm"):
        (tmp_path / part).mkdir()
        assert prepare_text_task(task, "t", index, part, tmp_path / part)["items"] == 2
        tokens[part] = np.load(tmp_path / part / "tokens.npy").reshape(2, 40)
    assert not (tokens["search"] == tokens["confirm"]).all(axis=1).any()
    assert ((tokens["search"][:, 1] - 1) // 90).tolist() == ((tokens["confirm"][:, 1] - 1) // 90).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("{not json\n", "is not JSON"),
        ([1], "not an object"),
        ({"context": "q", "choices": ["one"], "gold": 0}, "choices"),
        ({"context": "q", "choices": ["one", "  "], "gold": 0}, "choices"),
        ({"context": "q", "choices": ["a", "b"], "gold": 2}, "gold"),
        ({"context": "q", "choices": ["a", "b"], "gold": True}, "gold"),
        ({"choices": ["a", "b"], "gold": 0}, "context"),
        ({"contexts": ["q"], "choices": ["a", "b"], "gold": 0}, "contexts"),
    ],
)
def test_a_bad_record_is_named_by_file_and_line(bad: object, fault: str, tokenizer: Path, tmp_path: Path) -> None:
    task = write_records(tmp_path / "task.jsonl", GOOD, bad)
    with pytest.raises(ConfigError, match=rf"task\.jsonl:2.*{fault}"):
        prepare_choice_task(task, "t", tokenizer, "search", tmp_path)


def test_a_file_that_is_not_there_or_empty_is_named(tokenizer: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.jsonl"):
        prepare_choice_task(ChoiceTask(kind="choice", path=tmp_path / "gone.jsonl"), "t", tokenizer, "search", tmp_path)
    with pytest.raises(ConfigError, match="holds no record"):
        prepare_choice_task(write_records(tmp_path / "task.jsonl", "\n"), "t", tokenizer, "search", tmp_path)

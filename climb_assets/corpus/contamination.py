"""Which documents hold an item of a multiple-choice task: runs of words that both have.

What belongs here: the runs that give an item away, and finding them in a shard. What follows for splits belongs to
`splits`.

As GPT-3 did (arXiv 2005.14165, appendix C): runs of 13 words, case and punctuation aside, and 8 at least for shorter
items. There a match cost the 200 characters around it; here it costs the document, which is a piece of a text.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.config_corpus import Contamination
from climb_assets.corpus.choice_items import ChoiceItem, read_choice_items
from climb_assets.corpus.membership import places_among, positions_in
from climb_assets.corpus.words import hash_runs, hash_words
from climb_assets.tables import iterate_texts, write_table

MATCHES = pa.schema([("id", pa.string()), ("task", pa.string()), ("matches", pa.int64())])

Words = NDArray[np.uint64]


@dataclass(frozen=True)
class TaskFile:
    """The JSONL file of a multiple-choice task, and a hash of what it holds."""

    task: str
    path: Path
    version: str


@dataclass(frozen=True)
class ItemRuns:
    """The runs of one length: their hashes, distinct and ascending; run i is in `items[starts[i] : starts[i + 1]]`."""

    length: int
    hashes: Words
    starts: NDArray[np.int64]
    items: NDArray[np.int64]


def collect_runs(tasks: Sequence[Sequence[ChoiceItem]], settings: Contamination) -> list[ItemRuns]:
    """Return the runs that give an item away, by length; items are numbered task after task.

    An item is its context with the right choice. Words that begin or end every context of a task, such as "Question",
    are its wording and no part of an item. An item of fewer than `settings.words` words is one run, and so is a context
    alone, if they have `settings.least`.
    """
    pairs = [pair for items in tasks for pair in _item_words(items)]
    texts = [np.concatenate(pair) for pair in pairs] + [context for context, _ in pairs]
    lengths = np.minimum([len(text) for text in texts], settings.words)
    found = []
    for length in range(settings.least, settings.words + 1):
        chosen = np.flatnonzero(lengths == length)
        if not len(chosen):
            continue
        counts = np.array([len(texts[text]) for text in chosen])
        [(runs, numbers)] = hash_runs(np.concatenate([texts[text] for text in chosen]), counts, [length])
        owners = np.repeat(chosen % len(pairs), numbers)
        order = np.lexsort((owners, runs))
        runs, owners = runs[order], owners[order]
        distinct = np.append(True, (np.diff(runs) != 0) | (np.diff(owners) != 0))
        hashes, starts = np.unique(runs[distinct], return_index=True)
        found.append(ItemRuns(length, hashes, np.append(starts, distinct.sum()), owners[distinct]))
    return found


def _item_words(items: Sequence[ChoiceItem]) -> Iterator[tuple[Words, Words]]:
    """Yield the words of each item's context, without the task's wording, and of its right choice."""
    contexts = _split_words([item.contexts[item.gold] for item in items])
    choices = _split_words([item.choices[item.gold] for item in items])
    head = _common(contexts)
    contexts = [context[head:] for context in contexts]
    tail = _common([context[::-1] for context in contexts])
    yield from zip([context[: len(context) - tail] for context in contexts], choices, strict=True)


def _split_words(texts: Sequence[str]) -> list[Words]:
    words, counts = hash_words(texts)
    return np.split(words, np.cumsum(counts)[:-1])


def _common(texts: Sequence[Words]) -> int:
    """Return how many words all texts begin with; 0 for a single text, which would be common as a whole."""
    if len(texts) < 2:
        return 0
    shortest = min(len(text) for text in texts)
    equal = np.all([text[:shortest] == texts[0][:shortest] for text in texts], axis=0)
    return int(np.append(equal, False).argmin())


@functools.lru_cache(maxsize=1)
def load_items_once(tasks: tuple[TaskFile, ...], settings: Contamination) -> tuple[list[str], list[ItemRuns]]:
    """Return the task of each item and the runs of all, kept from shard to shard.

    Raises
    ------
    ConfigError
        A task's file cannot be read.
    """
    items = [read_choice_items(file.path, file.task) for file in tasks]
    task_of = [file.task for file, of_task in zip(tasks, items, strict=True) for _ in of_task]
    return task_of, collect_runs(items, settings)


def find_contamination(
    documents: Path, tasks: Sequence[TaskFile], settings: Contamination, out: Path, part_documents: int
) -> dict[str, Any]:
    """Write ``contamination.parquet`` into `out`: the documents of a shard that hold items, by task.

    Column `matches` counts items. Memory holds one part.

    Parameters
    ----------
    tasks
        All multiple-choice tasks.

    Returns
    -------
    documents, and by_task: the documents that hold an item of each.

    Raises
    ------
    ConfigError
        A task's file cannot be read.
    """
    task_of, runs = load_items_once(tuple(sorted(tasks, key=lambda file: file.task)), settings)
    by_task = Counter[str](dict.fromkeys(sorted(file.task for file in tasks), 0))
    contaminated = 0

    def rows() -> Iterator[pa.RecordBatch]:
        nonlocal contaminated
        for batch in iterate_texts(documents, part_documents, ["id", "text"]):
            held = find_items(batch.column("text").to_pylist(), runs)
            counts = [sorted(Counter(task_of[item] for item in found).items()) for found in held.values()]
            ids = batch.column("id").take(pa.array(held, pa.int64())).to_pylist()
            found = [(name, task, matches) for name, row in zip(ids, counts, strict=True) for task, matches in row]
            columns = zip(*found, strict=True) if found else ([], [], [])
            yield pa.record_batch([pa.array(column) for column in columns], schema=MATCHES)
            by_task.update(task for _, task, _ in found)
            contaminated += len(held)

    write_table(out / "contamination.parquet", rows(), MATCHES)
    return {"documents": contaminated, "by_task": dict(by_task)}


def find_items(texts: Sequence[str], runs: Sequence[ItemRuns]) -> dict[int, set[int]]:
    """Return the numbers of the items that texts hold, by the places of those texts that hold one, ascending."""
    words, counts = hash_words(texts)
    held: dict[int, set[int]] = defaultdict(set)
    lengths = [known.length for known in runs]
    for known, (hashes, numbers) in zip(runs, hash_runs(words, counts, lengths), strict=True):
        places = places_among(hashes, known.hashes)
        texts_of = np.searchsorted(np.cumsum(numbers), places, "right")
        for text, run in zip(texts_of.tolist(), positions_in(known.hashes, hashes[places]).tolist(), strict=True):
            held[text].update(known.items[known.starts[run] : known.starts[run + 1]].tolist())
    return dict(sorted(held.items()))

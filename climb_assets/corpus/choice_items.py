"""The items of a multiple-choice task, as they stand in its JSONL file.

What belongs here: reading and checking them. Their tokens belong to `training.tasks`, where they stand in the corpus to
`contamination`.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from climb_assets.config import Config
from climb_assets.config_tasks import ChoiceTask
from climb_assets.corpus.outside_files import iterate_records
from climb_assets.errors import ConfigError
from climb_assets.store.artifacts import sha256_text

RECORD = "a record is {context, choices, gold}"


@dataclass(frozen=True)
class ChoiceItem:
    """One item: a context for each choice, the place of the right one, its line, and the SHA-256 of that."""

    contexts: tuple[str, ...]
    choices: tuple[str, ...]
    gold: int
    line: int
    digest: str


def read_choice_items(path: Path, task: str) -> list[ChoiceItem]:
    """Return the items of a task's file, in its order.

    A record is ``{"context", "choices", "gold"}``, or has ``contexts``, one for each choice, which then stand in the
    context's place. A byte order mark of UTF-8 before the first one counts for nothing.

    Raises
    ------
    ConfigError
        The file cannot be read or a record is bad: names key, file, line and fault.
    """
    return list(_iterate_items(path, task))


def count_choice_items(path: Path, task: str) -> int:
    """Return how many different items a task's file holds; each version of the file is read once.

    Raises
    ------
    ConfigError
        As of `read_choice_items`.
    """
    try:
        stat = path.stat()
    except OSError:  # reading it will say what is wrong
        return len(read_choice_items(path, task))
    return _count_items(path, task, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


def check_choice_files(config: Config) -> None:
    """Check the files of all multiple-choice tasks.

    Raises
    ------
    ConfigError
        As of `read_choice_items`.
    """
    for name, task in config.tasks.items():
        if isinstance(task, ChoiceTask):
            count_choice_items(task.path, name)


@functools.lru_cache(maxsize=256)
def _count_items(path: Path, task: str, _stamp: tuple[int, int, int]) -> int:
    return len({item.digest for item in _iterate_items(path, task)})


def _iterate_items(path: Path, task: str) -> Iterator[ChoiceItem]:
    key, cure = f"tasks.{task}.path", "name another in climb.yaml, or run `climb fetch-tasks` for the demo's"
    for number, line, record in iterate_records(path, key, RECORD, cure):
        if fault := _fault(record, escaped="\\u" in line):
            raise ConfigError(f"{key}: {path}:{number}: {fault}; {RECORD}")
        choices = tuple(record["choices"])
        contexts = tuple(record.get("contexts") or [record["context"]] * len(choices))
        yield ChoiceItem(contexts, choices, record["gold"], number, sha256_text(line))


def _fault(record: Any, *, escaped: bool) -> str | None:
    """Return what is wrong with a record, or None.

    Parameters
    ----------
    escaped
        Whether its line has escapes for characters; only by them half of a surrogate pair comes out of UTF-8.
    """
    if not isinstance(record, dict):
        return "not an object"
    choices, gold, contexts = (record.get(field) for field in ("choices", "gold", "contexts"))
    if not _texts(choices) or len(choices) < 2 or not all(choice.strip() for choice in choices):
        return "choices must list two or more texts"
    if type(gold) is not int or not 0 <= gold < len(choices):
        return f"gold must be the position of a choice, from 0 to {len(choices) - 1}"
    if contexts is None:
        contexts = [record.get("context")]
        if not _texts(contexts):
            return "context must be a text"
    elif not _texts(contexts) or len(contexts) != len(choices):
        return "contexts must list one text for each choice"
    if escaped and not _encodable([*choices, *contexts]):
        return "a text holds half of a surrogate pair and so is none"
    return None


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _encodable(texts: Sequence[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True

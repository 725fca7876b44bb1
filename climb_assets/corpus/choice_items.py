"""The items of a multiple-choice task, as they stand in its JSONL file.

What belongs here: reading and checking them. Their tokens belong to `training.tasks`, where they stand in the corpus to
`contamination`.
"""

import codecs
import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from climb_assets.config import Config
from climb_assets.config_tasks import ChoiceTask
from climb_assets.corpus.outside_files import open_named
from climb_assets.errors import ConfigError
from climb_assets.store.artifacts import sha256_text

OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE begins as UTF-16-LE
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
    key = f"tasks.{task}.path"
    with open_named(path, key, "run `climb demo-corpus`, or name another in climb.yaml") as stream:
        data = stream.read()
    text = _decode(data, f"{key}: {path}")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")  # splitlines() would cut at U+2028 in a text
    items = [_parse(line, f"{key}: {path}:{number}", number) for number, line in enumerate(lines, 1) if line.strip()]
    if not items:
        raise ConfigError(f"{key}: {path} holds no record; {RECORD}")
    return items


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
    return len({item.digest for item in read_choice_items(path, task)})


def _decode(data: bytes, where: str) -> str:
    if data.startswith(OTHER_ENCODINGS) or b"\0" in data[:4]:
        raise ConfigError(f"{where} is UTF-16 or UTF-32; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{where}:{line} is not UTF-8 ({error.reason}); save the file as UTF-8") from None


def _parse(line: str, where: str, number: int) -> ChoiceItem:
    try:
        record = json.loads(line, object_pairs_hook=_require_each_once)
    except RecursionError:
        raise ConfigError(f"{where} is nested too deeply; {RECORD}") from None
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON: {error}; {RECORD}, one on each line") from None
    if fault := _fault(record):
        raise ConfigError(f"{where}: {fault}; {RECORD}")
    choices = tuple(record["choices"])
    contexts = tuple(record.get("contexts") or [record["context"]] * len(choices))
    return ChoiceItem(contexts, choices, record["gold"], number, sha256_text(line))


def _require_each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which JSON would silently let the last of two equal keys stand."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


def _fault(record: Any) -> str | None:
    """Return what is wrong with a record, or None."""
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
    return None if _encodable([*choices, *contexts]) else "a text holds half of a surrogate pair and so is none"


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _encodable(texts: Sequence[str]) -> bool:
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        return False
    return True

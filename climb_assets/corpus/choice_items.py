"""The items of a multiple-choice task, as they stand in its JSONL file.

What belongs here: reading and checking them. Their tokens belong to `training.tasks`, where they stand in the corpus to
`contamination`.
"""

import codecs
import functools
import io
import json
from collections.abc import Iterator, Sequence
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
    where = f"tasks.{task}.path: {path}"
    with open_named(
        path, f"tasks.{task}.path", "name another in climb.yaml, or run `climb fetch-tasks` for the demo's"
    ) as stream:
        head = stream.peek(4)[:4]
        if head.startswith(OTHER_ENCODINGS) or b"\0" in head:
            raise ConfigError(f"{where} is UTF-16 or UTF-32; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)")
        lines, empty = io.TextIOWrapper(stream, encoding="utf-8-sig"), True
        try:
            for number, line in enumerate(lines, 1):
                if not line.isspace():
                    empty = False
                    yield _parse(line.rstrip("\n"), where, number)
        except UnicodeDecodeError as error:
            stream.seek(0)
            number = next((number for number, line in enumerate(stream, 1) if not _is_utf8(line)), 1)
            raise ConfigError(f"{where}:{number} is not UTF-8 ({error.reason}); save the file as UTF-8") from None
    if empty:
        raise ConfigError(f"{where} holds no record; {RECORD}")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _parse(line: str, where: str, number: int) -> ChoiceItem:
    try:
        record = _JSON.decode(line)
    except RecursionError:
        raise ConfigError(f"{where}:{number} is nested too deeply; {RECORD}") from None
    except ValueError as error:
        raise ConfigError(f"{where}:{number} is not JSON: {error}; {RECORD}, one on each line") from None
    if fault := _fault(record, escaped="\\u" in line):
        raise ConfigError(f"{where}:{number}: {fault}; {RECORD}")
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


_JSON = json.JSONDecoder(object_pairs_hook=_require_each_once)


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

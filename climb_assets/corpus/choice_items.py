"""The items of a multiple-choice task, as they stand in its JSONL file.

What belongs here: reading and checking them. Their tokens belong to `training.tasks`, where they stand in the corpus to
`contamination`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from climb_assets.errors import ConfigError
from climb_assets.store.artifacts import sha256_text


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
    context's place.

    Raises
    ------
    ConfigError
        The file cannot be read or a record is bad: names file, line and fault.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # splitlines() would cut at U+2028 in a text
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the file of task {task!r}: {path}: {error}") from None
    items = [_parse(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]
    if not items:
        raise ConfigError(f"task {task!r}: {path} holds no record")
    return items


def _parse(line: str, path: Path, number: int) -> ChoiceItem:
    try:
        record: dict[str, Any] = json.loads(line)
    except ValueError as error:
        raise ConfigError(f"{path}:{number} is not JSON: {error}") from None
    if fault := _fault(record):
        raise ConfigError(f"{path}:{number}: {fault}; a record is {{context, choices, gold}}")
    choices = tuple(record["choices"])
    contexts = tuple(record.get("contexts") or [record["context"]] * len(choices))
    return ChoiceItem(contexts, choices, record["gold"], number, sha256_text(line))


def _fault(record: Any) -> str | None:
    """Return what is wrong with a record, or None."""
    if not isinstance(record, dict):
        return "not an object"
    choices, gold, contexts = (record.get(field) for field in ("choices", "gold", "contexts"))
    if not _texts(choices) or len(choices) < 2 or not all(choice.strip() for choice in choices):
        return "choices must list two or more texts"
    if type(gold) is not int or not 0 <= gold < len(choices):
        return "gold must be the position of a choice"
    if contexts is None:
        return None if isinstance(record.get("context"), str) else "context must be a text"
    if not _texts(contexts) or len(contexts) != len(choices):
        return "contexts must list one text for each choice"
    return None


def _texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)

"""How a fault in the configuration is said: the key, what is wrong, what to do, in one sentence.

What belongs here: words for what pydantic found. What is allowed is `climb_assets.config`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from climb_assets.config import Config
from climb_assets.printable import printable


def explain(error: ValidationError, path: Path) -> str:
    """Return the first fault of a configuration file in one sentence, with the number of the others."""
    first: Any = error.errors()[0]
    parts = [printable(str(part)) for part in first["loc"]]
    if parts[:1] == ["tasks"]:
        del parts[2:3]  # the kind, which pydantic puts between a task's name and its keys
    if "trainer" in parts[:-1]:
        del parts[parts.index("trainer") + 1]  # the same
    key = ".".join(parts) or "the file"
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key {key!r}; {_place(parts)}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return f"{path}: {key} holds keys of its own, not {_kind(first['input'])}; {_nesting(first['input'])}{more}"
    return f"{path}: {key}: {printable(first['msg'].removeprefix('Value error, '), 400)}{more}"


def _kind(value: Any) -> str:
    return "nothing" if value is None else printable(repr(value), 40)


def _nesting(value: Any) -> str:
    return "indent them below it, or drop it" if value is None else "write them indented below it, each as `key: value`"


def _place(parts: list[str]) -> str:
    """Return where a key that is not known here belongs, or where the names stand."""
    places = [f"{place}.{parts[-1]}" for place, section in _sections(Config) if parts[-1] in section.model_fields]
    if not places:
        return "remove it or see docs/config.md for the names"
    return f"it is known as {' and '.join(places[:3])}, so indent it below that, or remove it"


def _sections(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section below one, with its place in the file."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield f"{prefix}{name}", field.annotation
            yield from _sections(field.annotation, f"{prefix}{name}.")

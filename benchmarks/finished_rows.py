"""Finished rows of a measurement in a file of JSON lines, so that one that was cut short goes on.

What belongs here: reading such a file and adding to it. What a row is, each benchmark says.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import climb_assets
from climb_assets.graph.code_identity import CodeReader
from climb_assets.store.artifacts import canonical_json, sha256_text

Row = dict[str, Any]


@cache
def read_code(module: str) -> dict[str, str]:
    """Return the identity of all code that a module of `climb_assets` reaches."""
    return CodeReader(Path(climb_assets.__file__).parent, {}).code_of(module)


def code_key(module: str, *facts: object) -> str:
    """Return a key that changes with the code that a module of `climb_assets` reaches, and with some facts."""
    return sha256_text(canonical_json([read_code(module), *map(repr, facts)]))


def read_rows(path: Path | None) -> dict[str, Row]:
    """Return the rows of a file by key; a line that a crash cut short is skipped."""
    lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
    records = [json.loads(line) for line in lines if line.endswith("}}")]
    return {record["key"]: record["row"] for record in records}


def add_row(path: Path | None, key: str, row: Mapping[str, Any]) -> None:
    """Add a row to a file; nothing where none was asked for."""
    if path:
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n" + json.dumps({"key": key, "row": row}))  # ends what a crash cut short


def find_row(path: Path | None, known: dict[str, Row], key: str, make: Callable[[], Row]) -> Row:
    """Return the row of a key; one that is not known is made and added to the file."""
    if key not in known:
        known[key] = make()
        add_row(path, key, known[key])
    return known[key]

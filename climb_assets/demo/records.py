"""Articles that a package keeps as structured records: JSON, SQLite, one speech per file.

What belongs here: which fields of a record are its text.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from climb_assets.demo.archives import Members
from climb_assets.demo.pieces import SECTION_CHARACTERS, Article

INLINE_CHARACTERS = 60
"""A factbook field shorter than this is a number or a name, which says little without a table around it."""


def read_encyclopedia(members: Members) -> Iterator[Article]:
    """Yield the lead of each encyclopedia article."""
    for data in members.values():
        for title, record in json.loads(data).items():
            yield Article(title, partial(list, [record["extract"]]))


def read_recipes(members: Members) -> Iterator[Article]:
    """Yield title, ingredients and steps of each recipe."""
    for data in members.values():
        for record in json.loads(data).values():
            ingredients = "\n".join(f"- {line.replace(' ()', '')}" for line in record["ingredients"])
            steps = "\n".join(f"{number}. {step}" for number, step in enumerate(record["steps"], start=1))
            text = f"{record['title']}\n\nIngredients:\n{ingredients}\n\nMethod:\n{steps}"
            yield Article(record["title"], partial(list, [text]))


def read_countries(members: Members) -> Iterator[Article]:
    """Yield the chapters of each country's factbook page."""
    for name, data in members.items():
        yield Article(name, partial(_country, data))


def _country(data: bytes) -> list[str]:
    chapters = json.loads(data)
    return ["\n\n".join(_fields(title, fields)) for title, fields in chapters.items() if isinstance(fields, dict)]


def _fields(title: str, value: Any) -> Iterator[str]:
    """Yield "title: text" for each field that says something, in the page's order."""
    if not isinstance(value, dict):
        return
    text = value.get("text")
    if isinstance(text, str) and len(text) >= INLINE_CHARACTERS:
        yield f"{title}: {' '.join(text.replace('++', ';').split()).strip('; ')}"
    for name, inner in value.items():
        yield from _fields(name, inner)


def read_speeches(members: Members) -> Iterator[Article]:
    """Yield each speech, which is one file."""
    for name, data in members.items():
        yield Article(PurePosixPath(name).stem, partial(list, [data.decode("utf-8", "replace")]))


def read_ontology(members: Members) -> Iterator[Article]:
    """Yield runs of neighbouring term definitions, each about as long as one document."""
    for data in members.values():
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(data)
            terms = connection.execute("SELECT go_id, term, definition FROM go_term ORDER BY go_id").fetchall()
        run: list[str] = []
        for go_id, term, definition in terms:
            run.append(f"{term}: {definition}")
            if sum(map(len, run)) >= SECTION_CHARACTERS:
                yield Article(f"terms to {go_id}", partial(list, ["\n\n".join(run)]))
                run = []
        if run:
            yield Article("last terms", partial(list, ["\n\n".join(run)]))

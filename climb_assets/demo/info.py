"""Nodes of GNU info manuals.

What belongs here: node boundaries, menus and cross-reference marks. A chapter's second level is one article.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from climb_assets.demo.archives import Members
from climb_assets.demo.pieces import Article, unwrap_text

NUMBER = re.compile(r"^(\d+|[A-Z])(\.\d+)?(\.\d+)* \S")
"""A numbered heading, its first two levels as groups."""


def read_manual(members: Members) -> Iterator[Article]:
    """Yield the nodes of each manual, those under one second-level heading together."""
    articles: dict[str, list[str]] = defaultdict(list)
    for name in sorted(members, key=_part):
        manual = name.rsplit("/", 1)[-1].split(".info")[0]
        for node in members[name].decode("utf-8", "replace").split("\x1f")[1:]:
            header, _, body = node.strip("\n\x0c").partition("\n")
            heading = NUMBER.match(body.strip())
            if header.startswith("File:") and heading:
                articles[f"{manual}/{heading[1]}{heading[2] or ''}"].append(body)
    for name, nodes in articles.items():
        yield Article(name, partial(_read, nodes))


def _part(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("-")
    return (stem, int(number)) if number.isdigit() else (name, 0)


def _read(nodes: list[str]) -> list[str]:
    return [_clean(node) for node in nodes]


def _clean(node: str) -> str:
    node = re.sub(r"\n\* Menu:\n.*", "\n", node, flags=re.DOTALL)
    node = re.sub(r"\n[=*.-]{3,}\n", "\n\n", node)
    node = re.sub(r"\*note\s+([^:]+)::", r"\1", node, flags=re.IGNORECASE)
    node = re.sub(r"\*note\s+([^:]+):\s*[^.,]*", r"\1", node, flags=re.IGNORECASE)
    return unwrap_text(node)

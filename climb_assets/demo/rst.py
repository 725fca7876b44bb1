"""Text of reStructuredText sources.

What belongs here: markup that has to go. One file is one article; a heading starts a section.
"""

import re
from collections.abc import Iterator
from functools import partial

from climb_assets.demo.archives import Members
from climb_assets.demo.pieces import Article, unwrap_text

UNDERLINE = re.compile(r"^([=\-~^\"'`#*+.])\1{2,}\s*$")


def read_sources(members: Members) -> Iterator[Article]:
    """Yield one article for each file."""
    for name, data in members.items():
        yield Article(name, partial(_read, data))


def _read(data: bytes) -> list[str]:
    sections: list[list[str]] = [[]]
    lines = data.decode("utf-8", "replace").splitlines()
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if UNDERLINE.match(line):
            continue
        if UNDERLINE.match(after) and line.strip() and not line.startswith(" "):
            sections.append([line, ""])
        elif not re.match(r"\s*\.\. |\s*:[\w -]+:(\s|$)|.*SPDX-License-Identifier", line):
            sections[-1].append(line)
    return [unwrap_text(_without_marks("\n".join(section))) for section in sections]


def _without_marks(text: str) -> str:
    text = re.sub(r":[\w:+-]+:`([^`<]*?)\s*(<[^>`]*>)?`", r"\1", text)
    text = re.sub(r"``([^`]+)``", r"\1", text)
    text = re.sub(r"`([^`<\n]+?)\s*(<[^>`]*>)?`__?", r"\1", text)
    return re.sub(r"::(\s*\n)", r":\1", text).replace("**", "")

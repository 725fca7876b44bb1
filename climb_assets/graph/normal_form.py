"""The normal form of a piece of source: the same bytes for the same code, whatever its layout and whoever parses it.

What belongs here: turning a syntax tree into bytes. `ast.dump` cannot serve: it grows a field with almost every minor
version of Python, and an upgrade must not look like an edit of the code.
"""

import ast
import functools
from collections.abc import Iterator
from typing import Any

IGNORED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})  # they follow from the rest, or decide nothing
STATEMENTS = frozenset({"body", "orelse", "finalbody"})


def normal_form(node: ast.AST) -> bytes:
    """Return the normal form of a syntax tree.

    Comments, layout, docstrings, positions and empty fields are not in it; constants are told apart by their type too
    (1, 1.0 and True are three). Text is written with its length, so that no two trees share a form.
    """
    out: list[str] = []
    _write(node, out)
    return "".join(out).encode("utf-8", "surrogatepass")


def without_remarks(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Return statements without those that do nothing: docstrings, other lone constants, ``pass``."""
    return [statement for statement in statements if not _does_nothing(statement)]


def _does_nothing(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def _write(value: Any, out: list[str]) -> None:
    if isinstance(value, ast.Constant):
        _write_constant(value.value, out)
    elif isinstance(value, ast.JoinedStr):
        out.append("(JoinedStr")
        for piece in _merge_text(value.values):
            _write(piece, out)
        out.append(")")
    elif isinstance(value, ast.AST):
        out.append(f"({type(value).__name__}")
        for name in _fields(type(value).__name__):
            item = getattr(value, name, None)
            if name in STATEMENTS and isinstance(item, list):
                item = without_remarks(item)
            elif name == "format_spec" and item is not None and not list(_merge_text(item.values)):
                continue  # f"{x:}", which is f"{x}"
            if item is None or item == []:
                continue
            out.append(f" {name}=")
            _write(item, out)
        out.append(")")
    elif isinstance(value, list):
        out.append("[")
        for item in value:
            _write(item, out)
        out.append("]")
    elif isinstance(value, str):
        out.append(f"'{len(value)}:{value}")
    else:
        out.append(f"<{value}>")  # the numbers and flags that some nodes have, None in a list


def _write_constant(value: Any, out: list[str]) -> None:
    """Write a constant; never its `repr` if it is text, which follows the Unicode tables of the interpreter."""
    if isinstance(value, str):
        out.append(f"(str {len(value)}:{value})")
    elif isinstance(value, bytes):
        out.append(f"(bytes {value.hex()})")
    elif type(value) is int:
        out.append(f"(int {value:x})")
    else:
        out.append(f"({type(value).__name__} {value!r})")


def _merge_text(pieces: list[ast.expr]) -> Iterator[ast.expr | str]:
    """Yield the pieces of an f-string, adjacent text as one: interpreters cut it differently."""
    text = ""
    for piece in pieces:
        if isinstance(piece, ast.Constant):
            text += str(piece.value)
            continue
        if text:
            yield text
        text = ""
        yield piece
    if text:
        yield text


@functools.cache
def _fields(kind: str) -> tuple[str, ...]:
    """Return the fields of a kind of node that count, in an order that no interpreter decides."""
    return tuple(sorted(set(getattr(ast, kind)._fields) - IGNORED))

"""References: dotted names as a module sees them, and what its imports bind.

What belongs here: names in syntax trees. Which of them a piece of source uses is `climb_assets.graph.survey`.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple


class Reference(NamedTuple):
    """A dotted name, seen from a module ("" is the one that it stands in); an empty chain is the module itself.

    `as_type` says that it only tells of what type something is, so that no object is made by it.
    """

    module: str
    chain: tuple[str, ...]
    as_type: bool = False

    def onward(self, chain: tuple[str, ...], as_type: bool) -> "Reference":
        """Return the reference to a name behind this one."""
        return Reference(self.module, self.chain + chain, as_type)


def import_targets(statement: ast.Import | ast.ImportFrom, folder: str) -> Iterator[tuple[str, Reference]]:
    """Yield each name that an import binds and what it stands for; ``*`` stands for the module.

    Parameters
    ----------
    folder
        The package of the module in which it stands, from which relative imports start.
    """
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, Reference(alias.name if alias.asname else name, ())
        return
    parts = folder.split(".")[: 1 - statement.level or None] if statement.level else []
    module = ".".join([*parts, *([statement.module] if statement.module else [])])
    for alias in statement.names:
        yield alias.asname or alias.name, Reference(module, () if alias.name == "*" else (alias.name,))


def imported_names(statement: ast.Import | ast.ImportFrom, folder: str) -> Iterator[str]:
    """Yield the dotted names that an import makes Python look for; of ``from a import b``, `a` and `a.b`."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
        return
    for _, target in import_targets(statement, folder):
        yield target.module
        yield ".".join((target.module, *target.chain))


def root_name(node: ast.AST, *, last: bool = False) -> str | None:
    """Return the name that an expression like ``a.b[c](d)`` begins with, or None; `last`: the last one, here ``b``."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            if last:
                return node.attr
            node = node.value
        elif isinstance(node, ast.Subscript | ast.Starred):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return None
    return node.id

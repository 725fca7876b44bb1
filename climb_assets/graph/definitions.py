"""The definitions of a module: the statements at its top, which names each binds, and what each refers to.

What belongs here: reading one file by its syntax tree, never importing it. Where a reference leads, and what is reached
in the end, is `climb_assets.graph.reachability`.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from climb_assets.errors import ConfigError
from climb_assets.graph.normal_form import normal_form, without_remarks
from climb_assets.graph.references import Reference, imported_names, root_name
from climb_assets.graph.survey import Survey

VALIDATORS = frozenset({"field_validator", "model_validator", "root_validator", "validator"})  # of pydantic
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINES = (*FUNCTION, ast.ClassDef)
TYPE_ALIAS: tuple[Any, ...] = (ast.TypeAlias,) if hasattr(ast, "TypeAlias") else ()  # since Python 3.12
ASSIGNS = (ast.Assign, ast.AnnAssign, *TYPE_ALIAS)


@dataclass(frozen=True, eq=False)
class Definition:
    """One statement at the top of a module, or one name that it imports.

    Parameters
    ----------
    names
        The module's names that it binds, or whose values it changes.
    form
        The normal form of what counts of it, so that no syntax tree is kept; empty where nothing does.
    references, imported, attributes
        What it refers to, the dotted names that it imports when it runs, every attribute name in it.
    always
        Whether it does something when the module is imported, beyond binding its names.
    target
        What its one name stands for, if it is an import.
    bases, members
        Of a class: base classes; fields and methods, each with what its type refers to.
    as_type
        What counts where it is only named as a type: of a class if it is a section of the configuration, of an alias.
    derived
        Whether this is that part of a section.
    """

    names: frozenset[str]
    form: bytes = b""
    references: frozenset[Reference] = frozenset()
    imported: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    always: bool = False
    target: Reference | None = None
    bases: frozenset[Reference] | None = None
    members: tuple[tuple[str, frozenset[Reference]], ...] = ()
    as_type: "Definition | None" = None
    derived: bool = False


@dataclass(frozen=True, eq=False)
class Module:
    """A module: its definitions in source order.

    Parameters
    ----------
    imported
        The dotted names of its own package that importing it imports; not all of them are modules.
    stars
        Modules that it imports all names of.
    """

    name: str
    definitions: tuple[Definition, ...]
    imported: frozenset[str]
    stars: frozenset[str]

    @cached_property
    def by_name(self) -> dict[str, list[Definition]]:
        """The definitions of each name."""
        found: dict[str, list[Definition]] = {}
        for definition in self.definitions:
            for name in definition.names:
                found.setdefault(name, []).append(definition)
        return found


def read_module(name: str, path: Path, source: bytes) -> Module:
    """Read a file's definitions from its bytes.

    Raises
    ------
    ConfigError
        The file is not Python that this interpreter understands.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as Python ({error}); mend it") from None
    return _Reader(name, path.name == "__init__.py").read(tree)


class _Reader:
    """Reads one module."""

    def __init__(self, name: str, is_package: bool) -> None:
        self._name = name
        self._folder = name if is_package else name.rpartition(".")[0]
        self._package = name.partition(".")[0]

    def read(self, tree: ast.Module) -> Module:
        found: list[tuple[Definition, frozenset[str], set[str | None]]] = []  # with what it changes, its decorators
        imported: set[str] = set()
        stars: set[str] = set()
        for statement, only_types in _top_statements(tree.body):
            survey = self._survey(statement)
            found.extend((definition, frozenset(), set()) for definition in self._read_imports(survey))
            stars |= survey.stars
            if not isinstance(statement, ast.Import | ast.ImportFrom):
                definition = self._read_statement(statement, survey)
                found.append((definition, frozenset(survey.changed), _decorators(statement)))
            elif not only_types:
                imported.update(imported_names(statement, self._folder))
        made = {name for definition, *_ in found if definition.target is None for name in definition.names}
        ours = {name for definition, *_ in found if self._is_ours(definition.target) for name in definition.names}
        definitions = tuple(
            replace(
                definition,
                names=definition.names | (changed & made),
                # A decorator of ours is handed the definition, and may put it where others find it.
                always=definition.always or not decorators.isdisjoint(ours),
            )
            for definition, changed, decorators in found
        )
        own = frozenset(name for name in imported if name.partition(".")[0] == self._package)
        return Module(self._name, definitions, own, frozenset(stars))

    def _read_imports(self, survey: Survey) -> Iterator[Definition]:
        for name, targets in survey.bound.items():
            for target in targets:
                yield Definition(frozenset({name}), f"import {target} as {[name]}".encode(), target=target)

    def _read_statement(self, statement: ast.stmt, survey: Survey) -> Definition:
        definition = Definition(
            frozenset(survey.bound),
            normal_form(statement),
            frozenset(survey.references),
            frozenset(survey.imported),
            frozenset(survey.attributes),
        )
        if isinstance(statement, ast.ClassDef):
            bases = frozenset(self._survey(*statement.bases).references)
            part = self._derived_part(statement, bases) if bases else None
            return replace(definition, bases=bases, members=tuple(self._members(statement)), as_type=part)
        if isinstance(statement, FUNCTION) or _guards_main(statement):
            return definition
        if not isinstance(statement, ASSIGNS) or survey.changed:
            return replace(definition, always=True)
        if statement.value is not None and (isinstance(statement, TYPE_ALIAS) or _is_type(statement.value)):
            types = self._type_references(statement.value)
            values = {reference._replace(as_type=False) for reference in types}
            part = replace(definition, references=types)
            return replace(definition, references=definition.references | values, as_type=part)
        return definition

    def _members(self, node: ast.ClassDef) -> Iterator[tuple[str, frozenset[Reference]]]:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                yield statement.target.id, self._type_references(statement.annotation)
            elif isinstance(statement, FUNCTION):
                yield statement.name, self._type_references(statement.returns)

    def _type_references(self, node: ast.expr | None) -> frozenset[Reference]:
        survey = Survey(self._name, self._folder)
        survey.visit_type(node)
        return frozenset(survey.finish().references)

    def _derived_part(self, node: ast.ClassDef, bases: frozenset[Reference]) -> Definition:
        """Return what counts of a section of the configuration: what it derives from its fields."""
        body = [statement for statement in without_remarks(node.body) if _is_derived(statement)]
        survey = self._survey(*body)
        written = ast.ClassDef(name=node.name, bases=node.bases, keywords=[], body=body, decorator_list=[])
        return Definition(
            frozenset({node.name}),
            normal_form(written) if body else b"",
            frozenset(survey.references),
            frozenset(survey.imported),
            frozenset(survey.attributes),
            bases=bases,
            derived=True,
        )

    def _survey(self, *nodes: ast.AST) -> Survey:
        survey = Survey(self._name, self._folder)
        for node in nodes:
            survey.visit(node)
        return survey.finish()

    def _is_ours(self, target: Reference | None) -> bool:
        """Return whether a definition is made here or imported from the package."""
        return target is None or target.module.partition(".")[0] == self._package


def _top_statements(body: Iterable[ast.stmt], only_types: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield the statements at the top of a module, and whether only type checkers see them."""
    for statement in without_remarks(list(body)):
        if isinstance(statement, ast.If) and root_name(statement.test, last=True) == "TYPE_CHECKING":
            yield from _top_statements(statement.body, True)
            yield from _top_statements(statement.orelse, only_types)
        elif not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__"):
            yield statement, only_types


def _guards_main(statement: ast.stmt) -> bool:
    """Return whether a statement is ``if __name__ == "__main__":``, which no import runs."""
    return (
        isinstance(statement, ast.If)
        and isinstance(statement.test, ast.Compare)
        and isinstance(statement.test.ops[0], ast.Eq)
        and root_name(statement.test.left) == "__name__"
        and not statement.orelse
    )


def _decorators(statement: ast.stmt) -> set[str | None]:
    """Return the names that the decorators of a definition begin with."""
    return {root_name(decorator) for decorator in statement.decorator_list} if isinstance(statement, DEFINES) else set()


def _is_derived(statement: ast.stmt) -> bool:
    """Return whether a statement in a section derives something; fields and validators enter by their values."""
    if isinstance(statement, FUNCTION):
        return not any(root_name(decorator, last=True) in VALIDATORS for decorator in statement.decorator_list)
    if isinstance(statement, ast.AnnAssign):
        return "ClassVar" in ast.unparse(statement.annotation)
    return not isinstance(statement, ast.Assign)


def _is_type(node: ast.expr) -> bool:
    """Return whether an expression looks like a type of several: ``A | B``, or ``Annotated[...]`` and its like."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr)
    name = root_name(node.value, last=True) if isinstance(node, ast.Subscript) else None
    return name is not None and name[0].isupper() and not name.isupper()

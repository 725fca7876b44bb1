"""The survey of a piece of source: what it refers to, binds, changes and imports.

What belongs here: Python's rules of scope, applied to a syntax tree. Nothing is imported or run.
"""

import ast
import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from climb_assets.graph.references import Reference, import_targets, imported_names, root_name

MUTATORS = frozenset(  # methods that change a list, a dict or a set where it lies
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse"}
    | {"setdefault", "sort", "update"}
)
BY_NAME = frozenset({"attrgetter", "getattr", "hasattr", "methodcaller", "setattr"})  # take attributes as texts
TYPE_ARGUMENT: dict[str | None, int] = {"cast": 0, "isinstance": 1, "issubclass": 1}  # which argument is a type
OWN_NAMESPACE = frozenset({"dir", "globals", "locals", "vars"})  # without arguments


@dataclass
class _Scope:
    """Names while a scope is read: which are bound in it, which are used, and which are changed in place."""

    kind: Literal["module", "class", "function", "comprehension"]
    bound: dict[str, list[Reference]] = field(default_factory=dict)  # with what it stands for, if it is imported
    used: set[Reference] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    of_module: set[str] = field(default_factory=set)  # by `global`
    outer: set[str] = field(default_factory=set)  # by `nonlocal`


class Survey:
    """Collects what the nodes that it visits refer to; `finish` completes it.

    Parameters
    ----------
    module, folder
        The module at whose top they stand, and its package.

    Attributes
    ----------
    references
        What they refer to.
    bound
        The module's names that they bind, with what each stands for if it is imported.
    changed
        The module's names whose values they change: by ``global``, or in place.
    imported
        The dotted names that they import.
    stars
        The modules that they import all names of.
    attributes
        Every attribute name.
    """

    def __init__(self, module: str, folder: str) -> None:
        self.references: set[Reference] = set()
        self.changed: set[str] = set()
        self.imported: set[str] = set()
        self.stars: set[str] = set()
        self.attributes: set[str] = set()
        self._module, self._folder = module, folder
        self._dotted = f"{module.partition('.')[0]}."
        self._scopes = [_Scope("module")]
        self._texts: set[str] = set()
        self._in_type = False

    @property
    def bound(self) -> dict[str, list[Reference]]:
        """See the class."""
        return self._scopes[0].bound

    def finish(self) -> "Survey":
        """Let what is left over be names at the top of the module."""
        (scope,) = self._scopes
        self.references |= scope.used
        self.changed |= scope.changed
        if any(BY_NAME.intersection(reference.chain) for reference in self.references):
            self.attributes |= self._texts
        return self

    def visit(self, node: ast.AST) -> None:
        """Collect what a node refers to."""
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node)
        else:
            self._visit_below(node)

    def visit_type(self, node: ast.AST | None) -> None:
        """Collect what a type refers to; texts in it are types too."""
        if node is not None:
            before, self._in_type = self._in_type, True
            self.visit(node)
            self._in_type = before

    def _visit_below(self, node: ast.AST) -> None:
        for name in _fields(type(node).__name__):
            value = getattr(node, name, None)
            if value.__class__ is list:
                for item in value:
                    if isinstance(item, ast.AST):
                        self.visit(item)
            elif isinstance(value, ast.AST):
                self.visit(value)

    def _visit_name(self, node: ast.Name) -> None:
        self._use(node.id)
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id)

    def _use(self, *chain: str) -> None:
        self._scopes[-1].used.add(Reference("", chain, self._in_type))

    def _visit_attribute(self, node: ast.Attribute) -> None:
        self._note_change(node, node.ctx)
        chain: list[str] = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        self.attributes.update(chain)
        if isinstance(inner, ast.Name):
            self._use(inner.id, *chain)
        else:
            self.visit(inner)

    def _visit_subscript(self, node: ast.Subscript) -> None:
        self._note_change(node, node.ctx)
        name = root_name(node.value, last=True) if self._in_type else None
        if name == "Literal":
            self.visit(node.value)
        elif name == "Annotated" and isinstance(node.slice, ast.Tuple):
            self.visit(node.value)
            self.visit(node.slice.elts[0])
            self._in_type = False
            for element in node.slice.elts[1:]:
                self.visit(element)
            self._in_type = True
        else:
            self._visit_below(node)

    def _visit_call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
            self._note_change(node.func, ast.Store())
        name = node.func.id if isinstance(node.func, ast.Name) else None
        if name in OWN_NAMESPACE and not node.args:
            self.references.add(Reference(self._module, ()))
        before, self._in_type = self._in_type, False
        self.visit(node.func)
        for place, argument in enumerate(node.args):
            (self.visit_type if TYPE_ARGUMENT.get(name) == place else self.visit)(argument)
        for keyword in node.keywords:
            self.visit(keyword)
        self._in_type = before

    def _note_change(self, node: ast.expr, context: ast.expr_context) -> None:
        if not isinstance(context, ast.Load) and (name := root_name(node)) is not None:
            self._scopes[-1].changed.add(name)

    def _visit_constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str):
            return
        if self._in_type:
            with contextlib.suppress(SyntaxError, ValueError):
                self.visit(ast.parse(node.value.strip(), mode="eval").body)
            return
        self._texts.add(node.value)
        if node.value.startswith(self._dotted) and re.fullmatch(r"\w+(\.\w+)+(:\w+(\.\w+)*)?", node.value):
            package, *chain = re.split(r"[.:]", node.value)
            self.references.add(Reference(package, tuple(chain)))

    def _visit_walrus(self, node: ast.NamedExpr) -> None:
        scope = next(scope for scope in reversed(self._scopes) if scope.kind != "comprehension")
        scope.bound.setdefault(node.target.id, [])
        self._use(node.target.id)
        self.visit(node.value)

    def _visit_named(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> None:
        self._bind(node.name)
        self._visit_below(node)

    def _visit_match_class(self, node: ast.MatchClass) -> None:
        self.visit_type(node.cls)
        for pattern in (*node.patterns, *node.kwd_patterns):
            self.visit(pattern)

    def _visit_match_mapping(self, node: ast.MatchMapping) -> None:
        self._bind(node.rest)
        self._visit_below(node)

    def _bind(self, name: str | None, target: Reference | None = None) -> None:
        if name is not None:
            self._scopes[-1].bound.setdefault(name, []).extend([target] if target is not None else [])

    def _visit_global(self, node: ast.Global) -> None:
        self._scopes[-1].of_module.update(node.names)
        self.changed.update(node.names)

    def _visit_nonlocal(self, node: ast.Nonlocal) -> None:
        self._scopes[-1].outer.update(node.names)

    def _visit_import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.imported.update(imported_names(node, self._folder))
        for name, target in import_targets(node, self._folder):
            if name == "*":
                self.stars.add(target.module)
            else:
                self._bind(name, target)

    def _visit_annotated(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)
        self.visit_type(node.annotation)
        if node.value is not None:
            self.visit(node.value)

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__init_subclass__":
            self.attributes.add(node.name)
        self._bind(node.name)
        for outside in (*node.decorator_list, *node.args.defaults, *node.args.kw_defaults):
            if outside is not None:
                self.visit(outside)
        with self._type_parameters(node):
            for argument in _arguments(node.args):
                self.visit_type(argument.annotation)
            self.visit_type(node.returns)
            with self._scope("function", (argument.arg for argument in _arguments(node.args))):
                for statement in node.body:
                    self.visit(statement)

    def _visit_lambda(self, node: ast.Lambda) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        with self._scope("function", (argument.arg for argument in _arguments(node.args))):
            self.visit(node.body)

    def _visit_class(self, node: ast.ClassDef) -> None:
        self._bind(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator)
        with self._type_parameters(node):
            for part in (*node.bases, *node.keywords):
                self.visit(part)
            with self._scope("class"):
                for statement in node.body:
                    self.visit(statement)

    def _visit_comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)  # the one part that is read outside
        with self._scope("comprehension"):
            self._visit_below(node)

    @contextlib.contextmanager
    def _type_parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Iterator[None]:
        """Open the scope of the type parameters that a definition may have since Python 3.12."""
        parameters: list[Any] = getattr(node, "type_params", [])
        if not parameters:
            yield
            return
        with self._scope("function", (parameter.name for parameter in parameters)):
            for parameter in parameters:
                self._visit_below(parameter)
            yield

    @contextlib.contextmanager
    def _scope(self, kind: Literal["class", "function", "comprehension"], names: Iterable[str] = ()) -> Iterator[None]:
        """Open a scope; when it closes, names that it does not bind go to the one around it."""
        scope = _Scope(kind, {name: [] for name in names})
        self._scopes.append(scope)
        yield
        self._scopes.pop()
        # Methods do not see what a class binds, and its own statements see the module's names until it does.
        hidden = set() if kind == "class" else scope.bound.keys() - scope.outer
        for used in scope.used:
            if used.chain[0] in scope.of_module:
                self.references.add(used)
            elif used.chain[0] in hidden:
                self._refer(scope.bound[used.chain[0]], used)
            else:
                self._scopes[-1].used.add(used)
        if kind == "class":
            for targets in scope.bound.values():
                self.references.update(targets)
        self._scopes[-1].changed |= scope.changed - hidden - scope.of_module

    def _refer(self, targets: Iterable[Reference], used: Reference) -> None:
        self.references.update(target.onward(used.chain[1:], used.as_type) for target in targets)


def _arguments(arguments: ast.arguments) -> Iterator[ast.arg]:
    yield from (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    yield from (argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None)


@functools.cache
def _fields(kind: str) -> tuple[str, ...]:
    return tuple(name for name in getattr(ast, kind)._fields if name not in ("ctx", "op", "ops"))


_HANDLERS: dict[type[ast.AST], Callable[[Survey, Any], None]] = {
    ast.AnnAssign: Survey._visit_annotated,
    ast.AsyncFunctionDef: Survey._visit_function,
    ast.Attribute: Survey._visit_attribute,
    ast.Call: Survey._visit_call,
    ast.ClassDef: Survey._visit_class,
    ast.Constant: Survey._visit_constant,
    ast.DictComp: Survey._visit_comprehension,
    ast.ExceptHandler: Survey._visit_named,
    ast.FunctionDef: Survey._visit_function,
    ast.GeneratorExp: Survey._visit_comprehension,
    ast.Global: Survey._visit_global,
    ast.Import: Survey._visit_import,
    ast.ImportFrom: Survey._visit_import,
    ast.Lambda: Survey._visit_lambda,
    ast.ListComp: Survey._visit_comprehension,
    ast.MatchAs: Survey._visit_named,
    ast.MatchClass: Survey._visit_match_class,
    ast.MatchMapping: Survey._visit_match_mapping,
    ast.MatchStar: Survey._visit_named,
    ast.Name: Survey._visit_name,
    ast.NamedExpr: Survey._visit_walrus,
    ast.Nonlocal: Survey._visit_nonlocal,
    ast.SetComp: Survey._visit_comprehension,
    ast.Subscript: Survey._visit_subscript,
}

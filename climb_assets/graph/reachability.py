"""Which definitions of a package a function reaches.

What belongs here: following references from definition to definition, across modules. How a file is read is
`climb_assets.graph.definitions`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from climb_assets.errors import ConfigError
from climb_assets.graph.definitions import Definition, Module
from climb_assets.graph.references import Reference

BY_TEXT = ("builtins.eval", "builtins.exec", "importlib", "pkgutil", "runpy", "sys.modules")  # they find any code
DATA_OF_PACKAGES = ("importlib.metadata", "importlib.resources")  # and these none
BY_TEXT_NAMES = frozenset({"eval", "exec", "__import__"})
SUBCLASSES = frozenset({"__subclasses__", "__init_subclass__"})

Found = tuple[str, Definition | None]  # a definition of a module; None: the whole of it, or a name outside the package


@dataclass(frozen=True)
class Reached:
    """What functions reach: the definitions of each module, and the modules outside the package."""

    definitions: Mapping[str, set[Definition]]
    outside: frozenset[str]


class Package:
    """The modules of a package, and what does not count of them.

    Parameters
    ----------
    left_out
        By module, ``package.*`` or ``module:definition``, the names without the package's.
    section
        The class whose subclasses are sections of the configuration, as ``module:definition``.
    """

    def __init__(self, name: str, modules: Mapping[str, Module], left_out: Iterable[str], section: str) -> None:
        self.name, self.modules = name, modules
        self._left_out, self._section = frozenset(left_out), section
        self._sections: dict[Definition, bool] = {}
        self._skipped: dict[str, bool] = {}
        self._edges: dict[Definition, frozenset[Found]] = {}
        self._reached: dict[tuple[str, ...], Reached] = {}

    def reach(self, functions: tuple[str, ...]) -> Reached:
        """Return what functions reach, each given as ``package.module:function``; a module alone is all of it.

        Raises
        ------
        ConfigError
            One of them is not there, or is left out.
        """
        if functions in self._reached:
            return self._reached[functions]
        walk = _Walk(self)
        for function in functions:
            module, _, name = function.partition(":")
            known = self.modules.get(module)
            if known is None:
                raise ConfigError(f"module {module} has no source file, so its code is unknown; reinstall the package")
            if name and name.partition(".")[0] not in known.by_name:
                raise ConfigError(f"module {module} defines no {name}, so its code is unknown; correct the name")
            if self.leaves_out(module):
                raise ConfigError(f"{module} is left out of the code that counts; take it off LEFT_OUT")
            walk.follow(module, Reference(module, tuple(name.split(".")) if name else ()))
        self._reached[functions] = walk.finish()
        return self._reached[functions]

    def leaves_out(self, module: str, definition: Definition | None = None) -> bool:
        """Return whether a module, or one definition of it, does not count."""
        if module not in self._skipped:
            relative = module.removeprefix(self.name).removeprefix(".")
            parts = relative.split(".")
            packages = {".".join([*parts[:depth], "*"]) for depth in range(1, len(parts) + 1)}
            self._skipped[module] = bool(({relative} | packages) & self._left_out)
        if self._skipped[module] or definition is None:
            return self._skipped[module]
        relative = module.removeprefix(f"{self.name}.")
        return bool(definition.names) and all(f"{relative}:{name}" in self._left_out for name in definition.names)

    def resolve(self, module: str, reference: Reference, seen: frozenset[Reference] = frozenset()) -> Iterator[Found]:
        """Yield what a name stands for, seen from a module: every definition on the way, imports too."""
        place = reference.module or module
        here = Reference(place, reference.chain)
        if here in seen:
            return  # modules that import a name from one another
        seen |= {here}
        if place.partition(".")[0] != self.name:
            yield ".".join((place, *reference.chain)), None
            return
        if not reference.chain:
            yield place, None
            return
        head, rest = reference.chain[0], reference.chain[1:]
        known = self.modules.get(place)
        definitions = known.by_name.get(head, []) if known is not None else []
        for definition in definitions:
            yield place, definition
            if definition.target is not None:
                yield from self.resolve(place, definition.target.onward(rest, reference.as_type), seen)
        if reference.module and self._is_module(f"{place}.{head}"):
            yield from self.resolve(place, Reference(f"{place}.{head}", rest), seen)
        elif not definitions and known is not None:
            for star in known.stars:
                yield from self.resolve(place, Reference(star, reference.chain), seen)
            if reference.module:
                yield place, None
            elif head in BY_TEXT_NAMES:
                yield f"builtins.{head}", None

    def edges(self, module: str, definition: Definition) -> frozenset[Found]:
        """Return what the names in a definition stand for."""
        if definition not in self._edges:
            makes_objects = self._is_section(module, definition)  # validation makes objects of the types of the fields
            found: set[Found] = set()
            for reference in definition.references:
                for place, other in self.resolve(module, reference):
                    if other is not None and reference.as_type and not makes_objects:
                        other = self._as_type(place, other)
                    found.add((place, other))
            if definition.derived:
                found |= {(place, self._as_type(place, base)) for place, base in self._bases(module, definition)}
            self._edges[definition] = frozenset(found)
        return self._edges[definition]

    def _as_type(self, module: str, definition: Definition) -> Definition:
        """Return what counts of a definition that is only named as a type."""
        if definition.as_type is None or (definition.bases is not None and not self._is_section(module, definition)):
            return definition
        return definition.as_type

    @cached_property
    def sections_by_attribute(self) -> dict[str, set[tuple[str, Definition]]]:
        """The sections that derive something, by the fields and methods that any class says to be of their type."""
        found: dict[str, set[tuple[str, Definition]]] = {}
        for module, known in self.modules.items():
            for definition in known.definitions:
                for attribute, kind in definition.members:
                    found.setdefault(attribute, set()).update(self._deriving(module, kind, set()))
        return {attribute: sections for attribute, sections in found.items() if sections}

    def _deriving(
        self, module: str, kind: Iterable[Reference], seen: set[Definition]
    ) -> Iterator[tuple[str, Definition]]:
        """Yield the sections that a type mentions, by themselves or by an alias, and that derive something."""
        for reference in kind:
            for place, definition in self.resolve(module, reference):
                if definition is None or definition in seen:
                    continue
                seen.add(definition)
                if definition.bases is None:
                    yield from self._deriving(place, definition.references, seen)
                elif self._derives(place, definition):
                    yield place, self._as_type(place, definition)

    def _derives(self, module: str, definition: Definition) -> bool:
        if not self._is_section(module, definition):
            return False
        part = self._as_type(module, definition)
        return bool(part.form) or any(self._derives(place, base) for place, base in self._bases(module, definition))

    def _is_section(self, module: str, definition: Definition) -> bool:
        if definition.bases is None or definition.derived:
            return False
        if definition not in self._sections:
            self._sections[definition] = False  # for classes that name one another
            root, _, name = self._section.partition(":")
            is_root = module == f"{self.name}.{root}" and name in definition.names
            self._sections[definition] = is_root or any(
                self._is_section(place, base) for place, base in self._bases(module, definition)
            )
        return self._sections[definition]

    def _bases(self, module: str, definition: Definition) -> Iterator[tuple[str, Definition]]:
        """Yield the base classes of a class that are the package's own."""
        for reference in definition.bases or ():
            for place, base in self.resolve(module, reference):
                if base is not None and base.bases is not None:
                    yield place, base

    def _is_module(self, name: str) -> bool:
        return name in self._folders or name in self.modules

    @cached_property
    def _folders(self) -> frozenset[str]:
        """The packages within the package, also those without an ``__init__``."""
        return frozenset(name.rpartition(".")[0] for name in self.modules)


class _Walk:
    """One walk along the references."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._found: dict[str, set[Definition]] = {}
        self._outside: set[str] = set()
        self._loaded: set[str] = set()
        self._whole: set[str] = set()
        self._waiting: list[tuple[str, Definition]] = []

    def finish(self) -> Reached:
        """Walk to the end."""
        while self._waiting:
            module, definition = self._waiting.pop()
            if definition.target is not None and module in self._whole:
                self.follow(module, definition.target)
            self._follow(self._package.edges(module, definition))
            for imported in definition.imported:
                if imported.partition(".")[0] == self._package.name:
                    self._load(imported)
                else:
                    self._add_outside(imported)
            for attribute in definition.attributes & self._package.sections_by_attribute.keys():
                for place, section in self._package.sections_by_attribute[attribute]:
                    self._add(place, section)
            if definition.attributes & SUBCLASSES:
                self._add_everything()
        return Reached(self._found, frozenset(self._outside))

    def follow(self, module: str, reference: Reference) -> None:
        """Reach what a name stands for."""
        self._follow(self._package.resolve(module, reference))

    def _follow(self, edges: Iterable[Found]) -> None:
        for place, definition in edges:
            if place.partition(".")[0] != self._package.name:
                self._add_outside(place)
            elif definition is None:
                self._add_whole(place)
            else:
                self._add(place, definition)

    def _add(self, module: str, definition: Definition) -> None:
        if definition in self._found.get(module, ()) or self._package.leaves_out(module, definition):
            return
        self._found.setdefault(module, set()).add(definition)
        self._waiting.append((module, definition))
        self._load(module)

    def _add_whole(self, module: str) -> None:
        """Reach all of a module and all that it imports by name; of a package, its modules too."""
        for name in self._package.modules:
            if (name == module or name.startswith(f"{module}.")) and name not in self._whole:
                self._whole.add(name)
                self._found.pop(name, None)  # what was reached before is looked at again, as part of the whole
                for definition in self._package.modules[name].definitions:
                    self._add(name, definition)

    def _add_everything(self) -> None:
        self._add_whole(self._package.name)

    def _add_outside(self, name: str) -> None:
        self._outside.add(name.partition(".")[0])
        if _is_within(name, BY_TEXT) and not _is_within(name, DATA_OF_PACKAGES):
            self._add_everything()

    def _load(self, module: str) -> None:
        """Reach what runs when a module is imported: it, the packages around it, and what it imports in turn."""
        package = self._package
        if module in self._loaded or package.leaves_out(module):
            return
        self._loaded.add(module)
        if "." in module:
            self._load(module.rpartition(".")[0])
        known = package.modules.get(module)
        if known is None:
            return
        for definition in known.definitions:
            if definition.always:
                self._add(module, definition)
        for star in known.stars:
            self.follow(module, Reference(star, ()))
        for imported in known.imported:
            self._load(imported)


def _is_within(name: str, roots: Iterable[str]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)

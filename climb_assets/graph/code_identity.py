"""Code identity: the hash of the code that an asset really runs.

What belongs here: the hashes, and the list of what does not count. Files are read by their syntax trees and never
imported; how is `climb_assets.graph.definitions`, and what a function reaches `climb_assets.graph.reachability`:

- what a definition refers to in its body, decorators, defaults, annotations and base classes, and so on from there;
- what runs when a module is imported: statements that bind no name, or change what one stands for;
- whoever changes a module's variable, with the variable; a class as a whole; the whole of a module that is handed
  around, or asked for a name that it does not define; everything, where code is found by a text made at run time;
- of a section of the configuration only what it derives from its fields, since the fields enter by their values; it is
  reached through the names of fields as well (``climb.config.proxy.steps`` names no class). Where an object of it is
  made, all of it counts, and so do the sections in it: their defaults are then in no configuration.

Not followed are attributes of objects, whose maker names the class; changes to another module's variables; docstrings.
"""

import functools
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from climb_assets.errors import ComputeError, ConfigError
from climb_assets.executor.process_start import BEGUN_NS
from climb_assets.graph.code_cache import CodeCache, Entries, SourceFile, key_of
from climb_assets.graph.definitions import Definition, Module, read_module
from climb_assets.graph.left_out import LEFT_OUT
from climb_assets.graph.reachability import Package


class Found(NamedTuple):
    """What functions reach: the hash of what counts of each module, and the modules of other packages."""

    code: dict[str, str]
    packages: frozenset[str]


class Code:
    """The code of a package as it was at one moment.

    Parameters
    ----------
    root, left_out, section, cache
        See `CodeReader`.
    sources, parsed
        The bytes of each file, and what was parsed before; of that, what is of these files is not parsed again.
    """

    def __init__(
        self,
        root: Path,
        left_out: Mapping[str, str],
        section: str,
        cache: CodeCache | None,
        sources: dict[SourceFile, bytes],
        parsed: Mapping[SourceFile, Module],
    ) -> None:
        self.sources, self.parsed = sources, {file: module for file, module in parsed.items() if file in sources}
        self._root, self._left_out, self._section, self._cache = root, left_out, section, cache
        self._key = key_of(root, sources, section, *sorted(left_out))
        self._found = _founds(cache.get(self._key)) if cache is not None else {}

    def find(self, functions: tuple[str, ...]) -> Found:
        """Return what functions reach.

        Raises
        ------
        ConfigError
            See `CodeReader.code_of`.
        """
        if functions not in self._found:
            self._found[functions] = self._follow(functions)
            if self._cache is not None:
                self._cache.put(self._key, self.sources, _entries({**self._found}))  # another thread may add
        return self._found[functions]

    @functools.cached_property
    def package(self) -> Package:
        """Its modules, parsed.

        Raises
        ------
        ConfigError
            A file cannot be read.
        """
        self.parsed = {file: self.parsed.get(file) or self._parse(file) for file in self.sources}
        modules = {module.name: module for module in self.parsed.values()}
        return Package(self._root.name, modules, self._left_out, self._section)

    def _follow(self, functions: tuple[str, ...]) -> Found:
        reached, name = self.package.reach(functions), self.package.name
        hashes = {
            module.removeprefix(f"{name}."): _hash(_forms(self.package.modules[module], found))
            for module, found in reached.definitions.items()
        }
        code = {module: hashes[module] for module in sorted(hashes) if hashes[module] != NOTHING}
        return Found(code, reached.outside - sys.stdlib_module_names)

    def changed_since(self, moment_ns: int) -> frozenset[str]:
        """Return the modules whose files were changed after a moment, in nanoseconds since the epoch."""
        changed = (self._module(file) for file in self.sources if file.changed_ns > moment_ns)
        return frozenset(module.removeprefix(f"{self._root.name}.") for module in changed)

    def _parse(self, file: SourceFile) -> Module:
        return read_module(self._module(file), Path(file.path), self.sources[file])

    def _module(self, file: SourceFile) -> str:
        parts = Path(file.path).relative_to(self._root.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


class CodeReader:
    """Reads the code of one package.

    Parameters
    ----------
    root
        The package's folder.
    left_out
        What does not count, by module, ``package.*`` or ``module:definition``, each with the reason; the names are
        without the package's.
    section
        The class whose subclasses are sections of the configuration, as ``module:definition``.
    cache
        What remembers, from one process to the next, what was found; None: nothing does.
    """

    def __init__(
        self,
        root: Path,
        left_out: Mapping[str, str],
        section: str = "config_base:Section",
        cache: CodeCache | None = None,
    ) -> None:
        self._root, self._left_out, self._section, self._cache = root, left_out, section, cache
        self._code: Code | None = None

    def code_of(self, *functions: str) -> dict[str, str]:
        """Return the hash of what functions reach, by module, sorted; the names are without the package's.

        Parameters
        ----------
        functions
            Each as ``package.module:function``; a module alone is all of it.

        Raises
        ------
        ConfigError
            One of them is not there or left out, or a file cannot be read.
        """
        return dict(self.read().find(functions).code)

    def packages_of(self, *functions: str) -> frozenset[str]:
        """Return the top-level modules of other packages that functions reach, for example ``numpy``.

        Raises
        ------
        ConfigError
            See `code_of`.
        """
        return self.read().find(functions).packages

    def package(self) -> Package:
        """Return the package as it is on the disk now; only files that have changed are parsed again.

        Raises
        ------
        ConfigError
            There is no source, or a file cannot be read.
        """
        return self.read().package

    def read(self) -> Code:
        """Return the code as it is on the disk now; only files that have changed are read again.

        Raises
        ------
        ConfigError
            There is no source.
        """
        found = sorted(_source_files(self._root)) if self._root.is_dir() else []
        if not found:
            raise ConfigError(f"{self._root} holds no source files, so its code is unknown; reinstall the package")
        before = self._code.sources if self._code is not None else {}
        if self._code is None or found != [*before]:
            sources = {file: before[file] if file in before else Path(file.path).read_bytes() for file in found}
            parsed = self._code.parsed if self._code is not None else {}
            self._code = Code(self._root, self._left_out, self._section, self._cache, sources, parsed)
        return self._code


def _source_files(folder: Path | str) -> Iterator[SourceFile]:
    """Yield each source file as it is now."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _source_files(entry.path)
            elif entry.name.endswith(".py"):
                stat = entry.stat()
                yield SourceFile(entry.path, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size)


def _entries(found: Mapping[tuple[str, ...], Found]) -> Entries:
    return {" ".join(functions): (one.code, sorted(one.packages)) for functions, one in found.items()}


def _founds(entries: Entries) -> dict[tuple[str, ...], Found]:
    return {tuple(names.split()): Found(code, frozenset(packages)) for names, (code, packages) in entries.items()}


def _forms(module: Module, reached: set[Definition]) -> Iterator[bytes]:
    """Yield the normal forms of what is reached of a module.

    Their order counts only where a module binds a name twice or does something when it is imported.
    """
    parts = [part for definition in module.definitions for part in (definition, definition.as_type)]
    in_order = [part for part in parts if part is not None and part in reached and part.form]
    names = [name for definition in in_order for name in definition.names]
    ordered = len(names) > len(set(names)) or any(definition.always for definition in in_order)
    forms = [definition.form for definition in in_order]
    yield from forms if ordered else sorted(forms)


def _hash(forms: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for form in forms:
        digest.update(b"%d:" % len(form))
        digest.update(form)
    return digest.hexdigest()[:16]


NOTHING = _hash(iter(()))
_CLIMB = CodeReader(Path(__file__).parents[1], LEFT_OUT, cache=CodeCache())


def code_of(*functions: str) -> dict[str, str]:
    """Return the hash of what functions of ``climb_assets`` reach; see `CodeReader.code_of`."""
    return _CLIMB.code_of(*functions)


def packages_of(*functions: str) -> frozenset[str]:
    """Return the modules of other packages that functions of ``climb_assets`` reach; see `CodeReader.packages_of`."""
    return _CLIMB.packages_of(*functions)


def code_at_start(*functions: str) -> dict[str, str]:
    """Return the code of functions as this process runs it: what it has imported, so the disk is looked at once.

    Raises
    ------
    ComputeError
        Some of it was changed between the beginning of the process and that look, so nobody knows which of it runs.
    """
    return dict(_code_at_start(functions))


@functools.cache
def _code_at_start(functions: tuple[str, ...]) -> Mapping[str, str]:
    code = _at_start().find(functions).code
    if changed := sorted(code.keys() & _at_start().changed_since(BEGUN_NS)):
        raise ComputeError(f"the source code of {', '.join(changed)} was changed after this process began; start again")
    return code


def packages_at_start(function: str) -> frozenset[str]:
    """Return the modules of other packages that a function reached when this process first asked for any."""
    return _at_start().find((function,)).packages


@functools.cache
def _at_start() -> Code:
    return _CLIMB.read()

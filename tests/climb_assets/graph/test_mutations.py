"""Every module of our package is left out for a reason, or an asset sees an edit of a value that it decides."""

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.code_identity import FUNCTIONS, SOURCE, Edit, copy_package, counting_modules, edits_of, path_of
from climb_assets.config_base import Section
from climb_assets.graph.code_identity import LEFT_OUT, CodeReader

ASSETS = tuple(FUNCTIONS.values())
AT_ONCE = 8  # modules that are edited together: to follow all that assets reach takes as long for one


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of our package that may be edited."""
    return copy_package(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def reader(copy: Path) -> CodeReader:
    """Return the reader of the copy."""
    return CodeReader(copy, LEFT_OUT)


@pytest.fixture(scope="module")
def before(reader: CodeReader) -> Mapping[str, str]:
    """Return the code that all assets reach, by module."""
    return reader.code_of(*ASSETS)


def find_seen(copy: Path, reader: CodeReader, before: Mapping[str, str], edits: Mapping[str, Edit]) -> set[str]:
    """Return which modules' edits, made together, change the code; each by itself where they reach beyond them.

    Where one edit changes what is reached of another module that is edited too, that may count as seen by mistake.
    """
    sources = {module: path_of(copy, module).read_bytes() for module in edits}
    try:
        for module, edit in edits.items():
            path_of(copy, module).write_bytes(edit.text)
        now = reader.code_of(*ASSETS)
    finally:
        for module, source in sources.items():
            path_of(copy, module).write_bytes(source)
    changed = {module for module in before.keys() | now.keys() if before.get(module) != now.get(module)}
    if len(edits) == 1:
        return set(edits) if changed else set()
    if changed <= edits.keys():
        return changed
    return {module for module, edit in edits.items() if find_seen(copy, reader, before, {module: edit})}


def find_unseen(copy: Path, reader: CodeReader, before: Mapping[str, str], modules: list[str]) -> list[str]:
    """Return the modules of which no value counts: none whose negation is seen, returned ones first."""
    edits = {
        module: sorted(edits_of(module, path_of(copy, module).read_bytes()), key=lambda edit: not edit.returned)
        for module in modules
    }
    unseen, number = modules, 0
    while trying := {module: edits[module][number] for module in unseen if number < len(edits[module])}:
        seen = find_seen(copy, reader, before, trying)
        unseen, number = [module for module in unseen if module not in seen], number + 1
    return unseen


def holds_only_sections(module: str) -> bool:
    """Return whether all classes of a module are sections of the configuration, whose fields enter by their values."""
    loaded = importlib.import_module(f"climb_assets.{module}")
    classes = [kind for kind in vars(loaded).values() if getattr(kind, "__module__", None) == loaded.__name__]
    return all(isinstance(kind, type) and issubclass(kind, Section) for kind in classes) and bool(classes)


def test_an_edit_of_each_module_that_counts_is_seen(copy, reader, before) -> None:
    counting = counting_modules(SOURCE)
    assert len(counting) > 100
    deciding = [module for module in counting if not holds_only_sections(module)]
    batches = -(-len(deciding) // AT_ONCE)  # of modules far from each other
    unseen = [find_unseen(copy, reader, before, deciding[number::batches]) for number in range(batches)]
    assert [module for batch in unseen for module in batch] == []

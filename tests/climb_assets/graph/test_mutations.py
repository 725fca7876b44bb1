"""Every module of our package is left out for a reason, or an asset sees an edit of a value that it decides."""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.code_identity import FUNCTIONS, SOURCE, copy_package, counting_modules, edits_of, path_of
from climb_assets.config_base import Section
from climb_assets.graph.code_identity import LEFT_OUT, CodeReader

ASSETS = tuple(FUNCTIONS.values())
Code = dict[str, str]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of our package that may be edited."""
    return copy_package(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def reader(copy: Path) -> CodeReader:
    """Return the reader of the copy."""
    return CodeReader(copy, LEFT_OUT)


@pytest.fixture(scope="module")
def before(reader: CodeReader) -> dict[tuple[str, ...], Code]:
    """Return the code of each asset, the shortest first, and that of all together at the end."""
    each = {(function,): reader.code_of(function) for function in ASSETS}
    return dict(sorted(each.items(), key=lambda item: len(item[1]))) | {ASSETS: reader.code_of(*ASSETS)}


def changes(reader: CodeReader, before: dict[tuple[str, ...], Code], path: Path, module: str) -> Iterator[bool]:
    """Yield for each value in a module, returned ones first, whether the code of an asset changes if it is negated."""
    source = path.read_bytes()
    shortest = next((one for one, code in before.items() if module in code), ASSETS)  # a quarter of the time of all
    try:
        for edit in sorted(edits_of(module, source), key=lambda edit: not edit.returned):
            path.write_bytes(edit.text)
            yield any(
                reader.code_of(*functions) != before[functions] for functions in dict.fromkeys((shortest, ASSETS))
            )
    finally:
        path.write_bytes(source)


def holds_only_sections(module: str) -> bool:
    """Return whether all classes of a module are sections of the configuration, whose fields enter by their values."""
    loaded = importlib.import_module(f"climb_assets.{module}")
    classes = [kind for kind in vars(loaded).values() if getattr(kind, "__module__", None) == loaded.__name__]
    return all(isinstance(kind, type) and issubclass(kind, Section) for kind in classes) and bool(classes)


def test_an_edit_of_each_module_that_counts_is_seen(copy, reader, before) -> None:
    counting = counting_modules(SOURCE)
    assert len(counting) > 100
    unseen = [
        module
        for module in counting
        if not any(changes(reader, before, path_of(copy, module), module)) and not holds_only_sections(module)
    ]
    assert unseen == []

"""Who may import what: read off the syntax trees, so that a rule holds also where no test runs the code."""

import ast
import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Rule = Callable[[Path, ast.Module], Iterator[str]]  # yields what a file does against it

ROOT = Path(__file__).parents[2]
OURS, RUNNING = "climb_assets", "dagster_project"
FILES = sorted(path for package in (OURS, RUNNING) for path in (ROOT / package).rglob("*.py"))
HEAVY = {"torch", "faiss", "transformers", "sentence_transformers", "lightgbm", "sklearn", "fasttext", "duckdb"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "joblib", "dill", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
LINES = 350

# Rooms in the order in which data flows: each may use those before it, and the modules at the top of climb_assets.
ROOMS = (
    *("store", "executor", "graph", "pictures"),
    *("corpus", "embeddings", "clusters", "simplex", "search", "training", "mixture", "export", "audit", "setup"),
)
ALONE = {"demo"}  # stands beside: nothing uses it, and of the rooms it uses only how files are written
EXCEPTIONS = {
    ("__init__.py", "executor.process_start"),  # before anything else of the package
    ("tables.py", "store.files"),  # tables are written as every file of the lake is
    ("graph/materializer.py", "corpus.digest_cache"),  # of the raw folder
    ("graph/materializer.py", "corpus.raw_files"),  # the raw folder is an input like any other
    ("graph/raw_versions.py", "corpus.digest_cache"),  # the same
    ("graph/raw_versions.py", "corpus.raw_files"),  # the same
    ("graph/raw_versions.py", "corpus.raw_opening"),  # the same
    ("graph/raw_versions.py", "corpus.raw_place"),  # the same
    ("graph/partition_unit.py", "corpus.raw_files"),  # the same
}


def name_of(path: Path) -> str:
    """Return a file as people write it."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file, which every rule looks at."""
    return ast.parse(path.read_text())


def imports(node: ast.AST) -> Iterator[str]:
    """Yield every module that a tree imports, with the names taken out of it."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0 and child.module is not None, "a relative import"
            yield from (f"{child.module}.{alias.name}" for alias in child.names)


def run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported: no function's body, nothing for type checkers."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        waiting.extend(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def room_of(module: str) -> str:
    """Return the room of a module of climb_assets, "" at the top."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in {*ROOMS, *ALONE} else ""


def against(rule: Rule) -> list[str]:
    """Return what all files do against a rule. A test is a rule, not a file of it: thousands of tests cost more."""
    return [f"{name_of(path)}: {fault}" for path in FILES for fault in rule(path, parse(path))]


def is_computed(path: Path) -> bool:
    """Return whether a file is of what is computed."""
    return path.is_relative_to(ROOT / OURS)


def uses_dagster(path: Path, tree: ast.Module) -> Iterator[str]:
    if is_computed(path):
        yield from (module for module in imports(tree) if module.partition(".")[0].startswith("dagster"))


def test_what_is_computed_knows_no_dagster() -> None:
    assert against(uses_dagster) == []


def uses_parts_of_dagster(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dagster":
            yield f"line {node.lineno}: import dagster as dg"
        if isinstance(node, ast.Import) and any(alias.name.startswith("dagster.") for alias in node.names):
            yield f"line {node.lineno}: import dagster as dg"


def test_dagster_is_used_by_its_public_name() -> None:
    assert against(uses_parts_of_dagster) == []


def uses_how_it_is_run(path: Path, tree: ast.Module) -> Iterator[str]:
    if is_computed(path):
        yield from (module for module in imports(tree) if module.partition(".")[0] == RUNNING)


def test_what_is_computed_does_not_know_how_it_is_run() -> None:
    assert against(uses_how_it_is_run) == []


def test_what_people_read_knows_no_dagster() -> None:
    for name in ("summary.py", "progress.py"):
        assert not [m for m in imports(parse(ROOT / RUNNING / name)) if m.partition(".")[0] == "dagster"]


def uses_later_rooms(path: Path, tree: ast.Module) -> Iterator[str]:
    if not is_computed(path):
        return
    inside = path.relative_to(ROOT / OURS)
    room = inside.parts[0] if len(inside.parts) > 1 else ""
    before = ROOMS[: ROOMS.index(room)] if room in ROOMS else ROOMS[:1] if room in ALONE else ()
    for module in imports(tree):
        if module.startswith(f"{OURS}.") and room_of(module) not in {room, "", *before}:
            excused = any(
                inside.as_posix() == file and module.startswith(f"{OURS}.{used}") for file, used in EXCEPTIONS
            )
            if not excused:
                yield f"{room or 'the top'} may not use {module}"


def test_rooms_use_those_before_them() -> None:
    assert against(uses_later_rooms) == []


def test_exceptions_are_still_needed() -> None:
    for file, used in EXCEPTIONS:
        modules = imports(parse(ROOT / OURS / file))
        assert any(module.startswith(f"{OURS}.{used}") for module in modules), (file, used)


def imports_heavy_libraries_at_once(path: Path, tree: ast.Module) -> Iterator[str]:
    for statement in run_at_import(tree):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            heavy = {module.partition(".")[0] for module in imports(statement)} & HEAVY
            if heavy:
                yield f"line {statement.lineno}: import {heavy} inside the function"


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    assert against(imports_heavy_libraries_at_once) == []


def runs_data(path: Path, tree: ast.Module) -> Iterator[str]:
    yield from {module.partition(".")[0] for module in imports(tree)} & FORBIDDEN_MODULES
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in FORBIDDEN_CALLS or called.endswith("yaml.load") or called in ("os.system", "os.popen"):
                yield f"line {node.lineno}: {called}"
            for keyword in node.keywords:
                if keyword.arg in ("trust_remote_code", "allow_pickle"):
                    said = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                    if not said:
                        yield f"line {node.lineno}: {keyword.arg} stays False"


def test_nothing_that_came_from_data_is_run() -> None:
    assert against(runs_data) == []


def is_too_long(path: Path, tree: ast.Module) -> Iterator[str]:
    lines = len(path.read_text().splitlines())
    if lines > LINES:
        yield f"{lines} lines: split it"


def test_files_can_be_read_in_one_sitting() -> None:
    assert against(is_too_long) == []


def says_nothing_of_itself(path: Path, tree: ast.Module) -> Iterator[str]:
    if path.read_text().strip() and not ast.get_docstring(tree):
        yield "no docstring"


def test_every_module_says_what_it_is() -> None:
    assert against(says_nothing_of_itself) == []


def test_no_file_is_a_drawer_for_everything() -> None:
    assert not [name_of(path) for path in FILES if path.stem in {"utils", "util", "helpers", "common", "misc"}]


@pytest.mark.parametrize(
    ("rule", "file", "source"),
    [
        (uses_dagster, f"{OURS}/graph/one.py", "import dagster as dg"),
        (uses_parts_of_dagster, f"{RUNNING}/one.py", "from dagster import asset"),
        (uses_parts_of_dagster, f"{RUNNING}/one.py", "import dagster.core"),
        (uses_how_it_is_run, f"{OURS}/one.py", f"def late():\n    from {RUNNING}.cli import main"),
        (uses_later_rooms, f"{OURS}/search/one.py", f"from {OURS}.training.train import train"),
        (uses_later_rooms, f"{OURS}/one.py", f"import {OURS}.store.local"),
        (imports_heavy_libraries_at_once, f"{OURS}/one.py", "try:\n    import torch\nexcept ImportError:\n    pass"),
        (runs_data, f"{OURS}/one.py", "def late():\n    import pickle"),
        (runs_data, f"{OURS}/one.py", "yaml.load(text)"),
        (runs_data, f"{OURS}/one.py", "eval(text)"),
        (runs_data, f"{OURS}/one.py", "load(folder, trust_remote_code=asked)"),
    ],
)
def test_each_rule_sees_what_is_against_it(rule: Rule, file: str, source: str) -> None:
    assert list(rule(ROOT / file, ast.parse(source)))


def test_a_file_that_is_too_long_or_says_nothing_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("x = 1\n" * (LINES + 1))
    assert list(is_too_long(path, parse(path))) and list(says_nothing_of_itself(path, parse(path)))

"""Two seams: only the store knows how the lake lies on a disk, and only the executor starts processes.

Read off the syntax trees, so that a rule holds also where no test runs the code.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = {
    path.relative_to(ROOT).as_posix(): path
    for package in ("climb_assets", "dagster_project")
    for path in sorted((ROOT / package).rglob("*.py"))
}

PATH_METHODS = {"rename", "glob", "rglob", "iterdir", "hardlink_to", "symlink_to"}
OS_FUNCTIONS = {"os.rename", "os.replace", "os.link", "os.fsync", "os.walk", "os.scandir", "os.listdir", "shutil.move"}
LOCKING = {"fcntl", "glob", "tempfile"}
STORE, EXECUTOR = "climb_assets/store/", "climb_assets/executor/"
NOT_THE_STORES = {  # what each of them looks at or writes is not in the store, and why
    "climb_assets/audit/bundle_export.py": "writes a bundle into a folder that the user names, and sums what it wrote",
    "climb_assets/audit/differences/exported.py": "hashes a folder that the user names",
    "climb_assets/audit/differences/replay.py": "lists what was made again in a folder of its own",
    "climb_assets/clusters/taxonomy_folder.py": "writes a folder that the user names",
    "climb_assets/config_file.py": "lists the profiles inside this package",
    "climb_assets/corpus/raw_files.py": "lists the raw folder, which is the user's",
    "climb_assets/corpus/raw_folder.py": "looks at the raw folder, which is the user's",
    "climb_assets/executor/ray_cluster.py": "finds what Ray's killed clusters left in /tmp",
    "climb_assets/export/folder.py": "writes a folder that the user names",
    "climb_assets/graph/code_cache.py": "keeps files in the user's own cache folder",
    "climb_assets/graph/code_identity.py": "lists the source files of this package",
    "climb_assets/graph/partition_unit.py": "measures the folder of a model that the user names",
    "climb_assets/search/swarm_table.py": "reads a folder of evidence that the user names",
    "climb_assets/sizes.py": "measures the folder of a model that the user names",
    "climb_assets/training/task_files.py": "looks through task files of lm-evaluation-harness or of the user",
}
DEMO = "climb_assets/demo/"  # makes the raw folder, before there is a lake

STARTING = {"multiprocessing", "concurrent.futures.ProcessPoolExecutor", "subprocess"}
STARTS_PROCESSES = {
    "climb_assets/store/ledger/source.py": "asks git which commit the source is",
    "climb_assets/demo/packages.py": "runs the clients of package registries",
    "dagster_project/server.py": "runs Dagster's web server and daemon",
    "climb_assets/demo/prepare.py": "makes raw files, before there is a lake",
}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def touches_a_folder(tree: ast.AST) -> Iterator[str]:
    """Yield what a tree does to a file system beyond reading and writing a file that it was given."""
    yield from (module for module in imports(tree) if module.partition(".")[0] in LOCKING)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        called = ast.unparse(node.func)
        is_replacement = node.func.attr == "replace" and len(node.args) == 1 and not node.keywords  # of a path
        if called in OS_FUNCTIONS or node.func.attr in PATH_METHODS or is_replacement:
            yield f"line {node.lineno}: {called}"


def starts_processes(tree: ast.AST) -> list[str]:
    return [module for module in imports(tree) if any(module.startswith(starting) for starting in STARTING)]


def test_only_the_store_knows_how_the_lake_lies_on_a_disk() -> None:
    touching = {
        name: found
        for name, path in FILES.items()
        if not name.startswith((STORE, DEMO)) and name not in NOT_THE_STORES
        if (found := list(touches_a_folder(ast.parse(path.read_text()))))
    }
    assert touching == {}, "ask the store, or climb_assets.store.files"


def test_only_the_executor_starts_processes() -> None:
    starting = {
        name: found
        for name, path in FILES.items()
        if name.startswith("climb_assets/") and not name.startswith(EXECUTOR) and name not in STARTS_PROCESSES
        if (found := starts_processes(ast.parse(path.read_text())))
    }
    assert starting == {}, "hand units of work to the executor"


def test_exceptions_are_still_needed() -> None:
    for name in NOT_THE_STORES:
        assert list(touches_a_folder(ast.parse((ROOT / name).read_text()))), name
    for name in STARTS_PROCESSES:
        assert starts_processes(ast.parse((ROOT / name).read_text())), name


@pytest.mark.parametrize(
    "line",
    ["path.replace(target)", "a.b.rename(x)", "os.replace(a, b)", "import fcntl", "list(p.glob('*'))", "os.walk(p)"],
)
def test_the_rule_sees(line: str) -> None:
    assert list(touches_a_folder(ast.parse(line)))


@pytest.mark.parametrize("line", ["text.replace('a', 'b')", "replace(job, repeat=1)", "path.read_text()"])
def test_the_rule_lets_pass(line: str) -> None:
    assert not list(touches_a_folder(ast.parse(line)))

"""Code versions: the hash of the code that an asset really runs.

What belongs here: turning module names into hashes. A module is hashed by its syntax tree, docstrings and
comments gone, and brings along every `climb_assets` module it imports, inside functions too. The plumbing
is not part of it: configuration enters an artefact by the values used, and the lake by what it stores.
"""

import ast
import functools
import hashlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path

from climb_assets.errors import ConfigError

PACKAGE = "climb_assets"
PLUMBING = frozenset(
    f"{PACKAGE}.{name}"
    for name in (
        "config",
        "config_base",
        "config_file",
        "config_search",
        "errors",
        "graph.assets",
        "graph.catalog",
        "graph.code_identity",
        "graph.hashed_settings",
        "graph.materializer",
        "graph.partition_unit",
        "graph.planner",
        "graph.spec",
        "store.artifacts",
        "store.files",
        "store.local",
        "store.store",
    )
)


def code_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Return the hash of every compute module that the named ones reach, by module name, sorted.

    Parameters
    ----------
    modules
        Module names without the package, for example ``clusters.kmeans``.
    """
    waiting = [f"{PACKAGE}.{name}" for name in modules]
    found: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module in found or module in PLUMBING:
            continue
        path = _source(module)
        found[module], imported = _read(path, path.stat().st_mtime_ns)
        waiting.extend(imported)
    return {name.removeprefix(f"{PACKAGE}."): found[name] for name in sorted(found)}


def _source(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"module {module} has no source file, so its code version is unknown; reinstall the package")
    return Path(spec.origin)


@functools.cache
def _read(path: Path, _modified: int) -> tuple[str, tuple[str, ...]]:
    """Return a file's hash and the modules of this package that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            imported.add(node.module)
            imported.update(
                f"{node.module}.{alias.name}" for alias in node.names if _is_module(node.module, alias.name)
            )
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]
    return digest, tuple(sorted(name for name in imported if name.startswith(f"{PACKAGE}.")))


def _is_module(parent: str, name: str) -> bool:
    if not parent.startswith(PACKAGE):
        return False
    return (Path(__file__).parents[1] / parent.replace(".", "/") / f"{name}.py").exists()


def _drop_docstring(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or [ast.Pass()]

"""Assets that one edit of our code makes stale: by the definitions that an asset reaches, against by imported modules.

Each value that a function returns or a statement assigns is edited in turn (``x`` becomes ``not (x)``) in a copy of the
package, and the code of every asset is read again. What no asset sees must be printing, checks, readers for people, or
what enters a fingerprint by its values: without ``--json`` the whole table is printed, to be looked at. Modules on the
list of what is left out are not edited. The peer makes an asset stale by any edit of any module that its own module
imports, directly or not, as build tools do that work by files; it has the same list.
"""

import argparse
import ast
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import climb_assets
from climb_assets.graph.assets import SPECS
from climb_assets.graph.code_cache import CodeCache
from climb_assets.graph.code_identity import LEFT_OUT, CodeReader
from climb_assets.graph.reachability import Package

NAME = "assets made stale by one edit of our code, by definitions against by imported modules"
SOURCE = Path(climb_assets.__file__).parent
FUNCTIONS = {spec.asset: spec.function for spec in SPECS}
VALUED = (ast.Return, ast.Assign, ast.AnnAssign, ast.AugAssign)
DEFINES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Edit:
    """One value of a module's source that is turned into its negation.

    Parameters
    ----------
    module
        Without the package's name.
    function
        The definition in which it stands, dotted; empty at the top of a module.
    returned
        Whether the value is returned rather than assigned.
    text
        The whole source of the module with the edit.
    """

    module: str
    function: str
    line: int
    returned: bool
    text: bytes


@dataclass(frozen=True)
class Seen:
    """The assets whose code an edit changes."""

    module: str
    function: str
    line: int
    assets: tuple[str, ...]

    @property
    def place(self) -> str:
        """The module, and the function if it is in one."""
        return f"{self.module}:{self.function}" if self.function else self.module


def copy_package(folder: Path) -> Path:
    """Return a copy of our package in a folder, to be edited there."""
    return Path(shutil.copytree(SOURCE, folder / SOURCE.name, ignore=shutil.ignore_patterns("__pycache__")))


def edits_of(module: str, source: bytes) -> Iterator[Edit]:
    """Yield every edit of a module, by line."""
    lines = source.splitlines(keepends=True)
    begins = list(accumulate(map(len, lines), initial=0))
    for node, function in _valued(ast.parse(source), ()):
        value = node.value
        assert value is not None and value.end_lineno is not None and value.end_col_offset is not None
        first = begins[value.lineno - 1] + value.col_offset
        last = begins[value.end_lineno - 1] + value.end_col_offset
        text = b"".join((source[:first], b"not (", source[first:last], b")", source[last:]))
        yield Edit(module, ".".join(function), node.lineno, isinstance(node, ast.Return), text)


def _valued(
    node: ast.AST, function: tuple[str, ...]
) -> Iterator[tuple[ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign, tuple[str, ...]]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, VALUED) and child.value is not None:
            yield child, function
        yield from _valued(child, (*function, child.name) if isinstance(child, DEFINES) else function)


def path_of(root: Path, module: str) -> Path:
    """Return the file of a module."""
    path = root.joinpath(*module.split(".")) if module != root.name else root
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def counting_modules(root: Path) -> list[str]:
    """Return the modules of a package that count and hold a value, without its name."""
    package = CodeReader(root, LEFT_OUT).package()
    names = [name.removeprefix(f"{root.name}.") for name in package.modules if not package.leaves_out(name)]
    return sorted(name for name in names if any(edits_of(name, path_of(root, name).read_bytes())))


def see_edits(modules: Iterable[str]) -> list[Seen]:
    """Make every edit of modules in a copy of the package, one after another, and return which assets see it."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        root = copy_package(Path(folder))
        reader = CodeReader(root, LEFT_OUT)
        before = {asset: reader.code_of(function) for asset, function in FUNCTIONS.items()}
        for module in modules:
            # An edit adds no reference, so it cannot lead an asset to a module of which it has reached nothing.
            reaching = [asset for asset, code in before.items() if module in code]
            path = path_of(root, module)
            source = path.read_bytes()
            for edit in edits_of(module, source):
                path.write_bytes(edit.text)
                stale = tuple(asset for asset in reaching if reader.code_of(FUNCTIONS[asset]) != before[asset])
                found.append(Seen(edit.module, edit.function, edit.line, stale))
            path.write_bytes(source)
    return found


def importing(package: Package) -> Mapping[str, list[str]]:
    """Return the assets whose module imports a module, directly or not, by module: what the peer makes stale."""
    found: dict[str, list[str]] = {}
    for asset, function in FUNCTIONS.items():
        waiting, closure = [function.partition(":")[0]], set[str]()
        while waiting:
            module = waiting.pop()
            if module in closure or module not in package.modules or package.leaves_out(module):
                continue
            closure.add(module)
            known = package.modules[module]
            waiting += [*known.imported, *(name for each in known.definitions for name in each.imported)]
        for module in closure:
            found.setdefault(module.removeprefix(f"{package.name}."), []).append(asset)
    return found


def time_reading(reader: CodeReader) -> float:
    """Return the CPU seconds in which the code of all assets is read."""
    started = time.process_time()
    for function in FUNCTIONS.values():
        reader.code_of(function)
    return round(time.process_time() - started, 3)


def run(modules: list[str], workers: int) -> tuple[dict[str, object], list[Seen]]:
    """Return the result, and what every edit of these modules, or of all, makes stale."""
    with tempfile.TemporaryDirectory() as folder:
        root = copy_package(Path(folder))
        cache = CodeCache(Path(folder, "cache"), begun_ns=time.time_ns() + 10**10)  # begun when the copy is long there
        reader = CodeReader(root, LEFT_OUT)  # elsewhere, so that no file has been read before
        seconds = {"first": time_reading(reader), "again": time_reading(reader)}
        time_reading(CodeReader(root, LEFT_OUT, cache=cache))  # an earlier process
        seconds["remembered"] = time_reading(CodeReader(root, LEFT_OUT, cache=cache))
        package = reader.package()
        modules, peer = modules or counting_modules(root), importing(package)
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(see_edits, [modules[number::workers] for number in range(workers)])
        edits = sorted((seen for part in parts for seen in part), key=lambda seen: (seen.module, seen.line))
    sees = [seen for seen in edits if seen.assets]
    ours = statistics.fmean(len(seen.assets) for seen in sees)
    by_modules = statistics.fmean(len(peer.get(seen.module, [])) for seen in sees)
    result = {
        "name": NAME,
        "ours": round(ours, 2),
        "peer": round(by_modules, 2),
        "ratio": round(by_modules / ours, 2),
        "unit": "assets",
        "details": {
            "assets": len(FUNCTIONS),
            "modules": len(modules),
            "edits": len(edits),
            "seen_by_an_asset": len(sees),
            "seen_by_no_asset": sorted({seen.place for seen in edits if not seen.assets}),
            "missed_by_the_peer": sum(not set(seen.assets) <= set(peer.get(seen.module, [])) for seen in sees),
            "seconds_to_read_all_assets": seconds,
            "first_over_remembered": round(seconds["first"] / seconds["remembered"]),
        },
    }
    return result, edits


def print_table(edits: list[Seen]) -> None:
    """Print how many edits of each function are seen and by which assets, then those that no asset sees."""
    by_place: dict[str, list[Seen]] = {}
    for seen in edits:
        by_place.setdefault(seen.place, []).append(seen)
    for place, group in by_place.items():
        assets = [asset for asset in FUNCTIONS if any(asset in seen.assets for seen in group)]
        if assets:
            print(f"{place}  {sum(bool(seen.assets) for seen in group)}/{len(group)}  {' '.join(assets)}")
    print("\nseen by no asset:")
    for place, group in by_place.items():
        lines = [str(seen.line) for seen in group if not seen.assets]
        if lines:
            print(f"{place}  lines {' '.join(lines)}")


def main() -> None:
    """Parse the command line and print one object, or the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="for example search.predictor; all where none is named")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    found, edits = run(arguments.modules, arguments.workers)
    if arguments.json:
        print(json.dumps(found))
    else:
        print_table(edits)
        print(f"\n{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()

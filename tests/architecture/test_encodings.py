"""Every text file that is read or written names its encoding; the locale's would be another on another machine."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("climb_assets", "dagster_project", "benchmarks", "docs")
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
OTHERS = {
    "os",
    "tarfile",
    "zipfile",
    "gzip",
    "bz2",
    "lzma",
    "webbrowser",
}  # whose `open` means bytes, or no file


def without_encoding(tree: ast.AST) -> Iterator[int]:
    """Yield the line of every call that opens a text file by the locale's encoding."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and not any(keyword.arg in ("encoding", None) for keyword in node.keywords):
            if isinstance(node.func, ast.Attribute):
                of = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
                name, mode_at = node.func.attr, 1 if of in ("io", *OTHERS) else 0
            else:
                of, name, mode_at = "", getattr(node.func, "id", ""), 1
            positional = len(node.args)
            if (name == "read_text" and positional == 0) or (name == "write_text" and positional == 1):
                yield node.lineno
            elif name == "fdopen" or (name == "open" and of not in OTHERS):
                given = [keyword.value for keyword in node.keywords if keyword.arg == "mode"] or node.args[mode_at:]
                mode = (given[0].value if isinstance(given[0], ast.Constant) else None) if given else "r"
                if isinstance(mode, str) and "b" not in mode:
                    yield node.lineno


def test_text_files_name_their_encoding() -> None:
    lines = {
        path.relative_to(ROOT).as_posix(): found
        for path in FILES
        if (found := list(without_encoding(ast.parse(path.read_text(encoding="utf-8")))))
    }
    assert lines == {}, 'add encoding="utf-8" in these lines'


def test_what_names_none_is_seen() -> None:
    seen = "path.open(); path.open('w'); open(p); open(p, 'a'); path.read_text(); path.write_text('x'); io.open(p)"
    bytes_or_named = "path.open('rb'); open(p, encoding='x'); path.read_text('utf-8'); os.open(p, 0); tarfile.open(p)"
    assert len(list(without_encoding(ast.parse(seen)))) == 7
    assert not list(without_encoding(ast.parse(bytes_or_named)))

"""Code versions: they change when what runs changes, and not otherwise. Shown on a small package beside ours."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from climb_assets.errors import ConfigError
from climb_assets.graph import code_identity as provenance
from climb_assets.graph.assets import SPECS
from climb_assets.graph.code_identity import code_hashes

FILES = {
    "__init__.py": "",
    "stage/__init__.py": "",
    "stage/top.py": "from tiny_assets.stage.middle import middle\n\ndef top():\n    return middle() + 1\n",
    "stage/middle.py": (
        '"""Doc."""\nfrom tiny_assets.config import X\n\ndef middle():\n    """Doc."""\n'
        "    from tiny_assets.stage import hidden\n    return hidden.VALUE\n"
    ),
    "stage/hidden.py": "import json\nVALUE = 1\n",
    "stage/stranger.py": "VALUE = 1\n",
    "config.py": "X = 1\n",
}
TOP = ("stage.top",)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a small package that provenance takes for ours."""
    folder = tmp_path / "tiny_assets"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(provenance, "PACKAGE", "tiny_assets")
    monkeypatch.setattr(provenance, "PLUMBING", frozenset({"tiny_assets.config"}))
    monkeypatch.setattr(provenance, "__file__", str(folder / "provenance.py"))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiny_assets"]:
        del sys.modules[name]


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text in a file, at a later time stamp."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    provenance._read.cache_clear()  # within one tick of the clock, two edits may share a time stamp


def test_every_module_that_is_reached_counts_also_inside_functions(package: Path) -> None:
    assert list(code_hashes(TOP)) == ["stage", "stage.hidden", "stage.middle", "stage.top"]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("stage/middle.py", '"""Doc."""\nfrom', '"""Another."""\nfrom'),
        ("stage/middle.py", '    """Doc."""\n', '    """Another."""\n'),
        ("stage/middle.py", '    """Doc."""\n', ""),
        ("stage/top.py", "def top", "# why\n\n\ndef top"),
        ("stage/top.py", "middle() + 1", "(middle()   +  1)  # why"),
        ("stage/stranger.py", "1", "2"),
        ("config.py", "1", "2"),
    ],
)
def test_comments_docstrings_layout_plumbing_and_strangers_change_nothing(package, file, old, new) -> None:
    before = code_hashes(TOP)
    edit(package / file, old, new)
    assert code_hashes(TOP) == before


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("stage/hidden.py", "VALUE = 1", "VALUE = 2", "stage.hidden"),
        ("stage/middle.py", "return hidden.VALUE", "return -hidden.VALUE", "stage.middle"),
        ("stage/top.py", "+ 1", "+ 1.0", "stage.top"),
    ],
)
def test_changed_code_changes_its_own_hash_and_no_other(package, file, old, new, changed) -> None:
    before = code_hashes(TOP)
    edit(package / file, old, new)
    after = code_hashes(TOP)
    assert {name for name in after if after[name] != before[name]} == {changed}


def test_a_string_that_is_no_docstring_counts(package: Path) -> None:
    edit(package / "stage/hidden.py", "VALUE = 1", "VALUE = 'one'")
    before = code_hashes(TOP)
    edit(package / "stage/hidden.py", "'one'", "'two'")
    assert code_hashes(TOP) != before


def test_a_new_import_brings_its_module_along(package: Path) -> None:
    edit(package / "stage/top.py", "def top", "import tiny_assets.stage.stranger\n\ndef top")
    assert "stage.stranger" in code_hashes(TOP)


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"climb_assets\.nowhere has no source file"):
        code_hashes(["nowhere"])


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec.modules], ids=lambda spec: spec.asset)
def test_no_assets_code_version_rests_on_plumbing_or_wiring(spec) -> None:
    reached = set(code_hashes(spec.modules))
    assert set(spec.modules) <= reached
    plumbing = {name.removeprefix("climb_assets.") for name in provenance.PLUMBING} | {"assets", "partitions"}
    assert not reached & plumbing
    assert not [name for name in reached if name.endswith(".assets")]

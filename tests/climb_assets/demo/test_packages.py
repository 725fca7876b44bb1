"""Packages are fetched once, checked, and reported when they cannot be got.

There is no network here: the clients are small scripts.
"""

import hashlib
from pathlib import Path

import pytest

from climb_assets.demo.catalogue import Package
from climb_assets.demo.packages import fetch_packages

SCRIPT = """#!/bin/sh
echo called >> {log}
[ $# -gt 5 ] && [ {batch} = refused ] && {{ echo "npm error: one of them is unknown" >&2; exit 1; }}
shift 4
for name in "$@"; do
    [ "$name" = gone@1 ] && {{ echo "npm error: gone is unknown" >&2; exit 1; }}
    printf %s "$name" > "${{name%@1}}-1.tgz"
done
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install_npm(tools: Path, batch: str = "served") -> Path:
    log = tools / "log"
    (tools / "npm").write_text(SCRIPT.format(log=log, batch=batch))
    (tools / "npm").chmod(0o755)
    return log


def npm(name: str, sha256: str | None = None) -> Package:
    return Package(name, "npm", "CC0-1.0", "1", sha256)


def test_package_is_fetched_once_and_again_when_it_changed(tools: Path, tmp_path: Path) -> None:
    log = install_npm(tools)
    first = fetch_packages([npm("one"), npm("two")], tmp_path / "cache", print).fetched
    assert (tmp_path / "cache" / first["one"].file).read_text() == "one@1"
    assert first["one"].sha256 == hashlib.sha256(b"one@1").hexdigest()
    assert fetch_packages([npm("one"), npm("two")], tmp_path / "cache", print).fetched == first
    assert log.read_text().count("called") == 1
    (tmp_path / "cache" / first["two"].file).write_text("two@2")
    assert fetch_packages([npm("one"), npm("two")], tmp_path / "cache", print).fetched == first
    assert log.read_text().count("called") == 2


def test_one_unknown_package_does_not_keep_the_others_away(tools: Path, tmp_path: Path) -> None:
    install_npm(tools, batch="refused")
    lines: list[str] = []
    delivery = fetch_packages([npm("one"), npm("gone"), npm("two")], tmp_path, lines.append)
    assert set(delivery.fetched) == {"one", "two"}
    assert delivery.reasons == {"gone": "npm error: gone is unknown"}
    assert "gone is not available: npm error: gone is unknown" in lines


def test_missing_clients_are_named(tools: Path, tmp_path: Path) -> None:
    delivery = fetch_packages([npm("one"), Package("two", "debian", "GPL-2")], tmp_path, print)
    assert delivery.fetched == {}
    assert delivery.reasons == {"one": "npm is not installed", "two": "apt-get is not installed"}


def test_file_with_another_hash_than_pinned_is_refused(tools: Path, tmp_path: Path) -> None:
    install_npm(tools)
    delivery = fetch_packages([npm("one", sha256="0" * 64)], tmp_path, print)
    assert delivery.fetched == {}
    assert "instead of 000" in delivery.reasons["one"]
    assert list(tmp_path.glob("*.tgz")) == []

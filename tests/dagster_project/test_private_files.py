"""`runtime.private`: the umask that it sets, and what it says of folders that are open already."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from climb_assets.config import Config
from climb_assets.config_file import load_config
from dagster_project import private_files
from dagster_project.databases import HOME_VARIABLE
from dagster_project.private_files import keep_private, load_privately


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    """Return `os.umask`; the test's own comes back after it."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def configured(lake: Path, *, private: bool) -> Config:
    """Return a configuration of a lake, as a file beside it says."""
    file = lake.with_name("climb.yaml")
    file.write_text(yaml.safe_dump({"profile": "smoke", "lake": lake.name, "runtime": {"private": private}}))
    return load_config(file)


@pytest.mark.parametrize(
    ("private", "before", "after"),
    [(False, 0o002, 0o002), (True, 0o022, 0o077), (True, 0o000, 0o077), (True, 0o177, 0o177)],
)
def test_it_tightens_the_umask_and_never_loosens_it(
    tmp_path: Path, umask: Callable[[int], int], private: bool, before: int, after: int
) -> None:
    umask(before)
    assert keep_private(configured(tmp_path / "lake", private=private)) == []
    assert umask(0o022) == after


def test_whoever_loads_the_configuration_of_a_person_heeds_it() -> None:
    package = Path(private_files.__file__).parent
    loading = {file.name for file in package.glob("*.py") if "load_config(" in file.read_text(encoding="utf-8")}
    assert loading == {"private_files.py"}


def test_a_folder_that_is_open_already_is_told_of_and_left(
    tmp_path: Path, umask: Callable[[int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, home = tmp_path / "the lake", tmp_path / "home"
    for folder in (lake, home):
        folder.mkdir(mode=0o750)
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    of_lake, of_home = keep_private(configured(lake, private=True))
    assert of_lake.endswith(f"chmod go= '{lake}'") and of_home.endswith(f"chmod go= {home}")
    assert lake.stat().st_mode & 0o777 == home.stat().st_mode & 0o777 == 0o750
    for folder in (lake, home):
        folder.chmod(0o700)
    assert keep_private(configured(lake, private=True)) == []
    lake.chmod(0o755)
    assert keep_private(configured(lake, private=False)) == []


def test_a_file_that_lies_above_this_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    (tmp_path / "below").mkdir()
    told: list[str] = []
    monkeypatch.chdir(tmp_path)
    load_privately(notice=told.append)
    assert told == []
    monkeypatch.chdir(tmp_path / "below")
    load_privately(notice=told.append)
    assert told == [f"reading {tmp_path / 'climb.yaml'}"]

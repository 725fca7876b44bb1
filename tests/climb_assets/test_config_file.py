"""Which configuration a command reads: that of the folder where one stands, or the nearest above it."""

from pathlib import Path

import pytest

from climb_assets.config_file import CONFIG_VARIABLE, find_config, load_config
from climb_assets.errors import ConfigError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a configuration, in a folder below which one stands."""
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    below = tmp_path / "project" / "notes" / "today"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    (tmp_path / "project" / "climb.yaml").write_text("profile: smoke\nlake: lake\ncorpus: {raw: texts}\n")
    return tmp_path / "project"


def test_the_nearest_file_above_is_read_and_its_paths_are_relative_to_it(project: Path) -> None:
    config = load_config()
    assert (config.profile, config.lake, config.corpus.raw) == ("smoke", project / "lake", project / "texts")


def test_a_nearer_file_comes_first(project: Path) -> None:
    (project / "notes" / "climb.yaml").write_text("profile: demo\n")
    assert find_config() == project / "notes" / "climb.yaml"
    (project / "notes" / "today" / "climb.yaml").mkdir()  # a folder is no configuration
    assert find_config() == project / "notes" / "climb.yaml"


def test_the_environment_comes_before_where_one_stands(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.yaml").write_text("profile: evening\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "other.yaml"))
    assert load_config().profile == "evening"


def test_where_there_is_none_it_says_how_to_begin(project: Path) -> None:
    (project / "climb.yaml").unlink()
    with pytest.raises(ConfigError, match=r"no climb.yaml in .*today or above it; begin a project by `climb init"):
        find_config()


@pytest.mark.parametrize("name", ["of[1]", "a*b", "what?"])
def test_a_lake_that_a_query_would_take_for_a_pattern_is_refused(project: Path, name: str) -> None:
    file = project / name / "climb.yaml"
    file.parent.mkdir()
    file.write_text("profile: smoke\nlake: made\ncorpus: {raw: ../texts}\n")
    with pytest.raises(ConfigError, match=r"lake \(.*made\) has .* in its path, .*; rename it, or set lake"):
        load_config(file)
    file.write_text(f"profile: smoke\nlake: {project / 'lake'}\ncorpus: {{raw: ../texts}}\n")
    assert load_config(file).lake == project / "lake"  # as advised


def test_a_store_in_a_folder_that_a_query_would_take_for_a_pattern_is_refused(project: Path) -> None:
    (project / "of[1]").mkdir()
    (project / "link").symlink_to("of[1]")
    for place in (project / "link", project / "what%3F"):
        (project / "climb.yaml").write_text(
            f"profile: smoke\nlake: lake\nstore: file://{place}\ncorpus: {{raw: texts}}\n"
        )
        with pytest.raises(ConfigError, match=r"store \(.*(of\[1\]|what\?)\) has .* in its path"):
            load_config(project / "climb.yaml")

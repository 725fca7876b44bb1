"""`climb init`: from a folder of text to a project, and what is refused in one sentence."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.config_file import load_config
from dagster_project.cli import main
from tests.climb_assets.setup.texts import write_texts
from tests.conftest import write_project


def init(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["init", *map(str, arguments)])


def refused(result: Result) -> str:
    """Return the one sentence that a command was refused by."""
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Return a folder of other people's text."""
    return write_texts(tmp_path / "raw")


def test_a_project_is_written_from_what_is_found(raw: Path, tmp_path: Path) -> None:
    result = init(tmp_path / "mine", "--raw", raw)
    assert result.exit_code == 0, result.output
    assert "3 shards, 122 files" in result.stdout and "1 unusable (bad json: proofs.jsonl, record 121" in result.stdout
    assert "Profile smoke" in result.stdout and result.stdout.endswith("goes on where it was ended\n")
    config = load_config(tmp_path / "mine" / "climb.yaml")
    assert (config.profile, config.corpus.raw, config.corpus.text_column) == ("smoke", raw, "content")
    assert config.lake == tmp_path / "mine" / "lake"
    assert config.objectives == {"general": {"letters": 1, "proofs": 1, "recipes": 1}}
    commands = [line.split("#")[0].strip() for line in result.stdout.partition("Next:\n")[2].splitlines()]
    assert commands == [f"cd {tmp_path / 'mine'}", "climb fetch-encoder", "climb check", "climb up"]
    assert all(command in (tmp_path / "mine" / "README.md").read_text() for command in commands)
    (location,) = yaml.safe_load((tmp_path / "mine" / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["module_name"] == "dagster_project.definitions"


def test_raw_files_within_the_project_are_named_from_there(tmp_path: Path) -> None:
    write_texts(tmp_path / "mine" / "texts")
    init(tmp_path / "mine", "--raw", tmp_path / "mine" / "texts", "--encoder", "some/model", "--profile", "demo")
    values = yaml.safe_load((tmp_path / "mine" / "climb.yaml").read_text())
    assert values["corpus"]["raw"] == "texts" and values["encoder"] == {"model": "some/model"}
    (tmp_path / "mine").rename(tmp_path / "moved")
    assert load_config(tmp_path / "moved" / "climb.yaml").corpus.raw == tmp_path / "moved" / "texts"


def test_nothing_that_is_there_is_written_over(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    line = refused(init(tmp_path, "--raw", raw))
    assert "has README.md already, which stay as they are; name another folder" in line
    assert (tmp_path / "README.md").read_text() == "mine" and not (tmp_path / "climb.yaml").exists()


def test_what_is_no_corpus_is_refused_in_one_sentence(raw: Path, tmp_path: Path) -> None:
    for name, content in (("empty", None), ("pictures", b"\x89PNG"), ("notes", b"too short")):
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / ("a.txt" if name == "notes" else "a.png")).write_bytes(content)
    said = {
        "nowhere": "is not there; give --raw the folder that holds your text",
        "raw/proofs.jsonl": "is a file; give --raw the folder that holds it",
        "empty": "holds no shard; put .parquet",
        "pictures": "holds no file of a known kind",
        "notes": "holds no text that can be used",
    }
    for name, sentence in said.items():
        assert sentence in refused(init(tmp_path / "mine", "--raw", tmp_path / name)), name
    assert "lies in" in refused(init(raw / "mine", "--raw", raw))
    assert "is a file; name a folder" in refused(init(raw / "proofs.jsonl", "--raw", raw))
    assert not (tmp_path / "mine").exists()


def check(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "check", *arguments])


def test_check_says_that_all_is_there_and_what_it_will_take(tmp_path: Path, encoder_folder: Path) -> None:
    project = write_project(tmp_path / "new", encoder_folder)
    result = check(project)
    assert result.exit_code == 0, result.output
    assert "MISSING" not in result.stdout and result.stdout.endswith("Next: climb up\n")
    for stage in ("read the corpus", "embed it", "proxies of the search", "confirmation", "target models"):
        assert stage in result.stdout
    assert "Together " in result.stdout
    plan = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "plan", "--json"])
    estimates = {one["asset"]: one["estimate_s"] for one in json.loads(plan.stdout)["stale"]}
    known = {asset for asset, seconds in estimates.items() if seconds is not None}
    assert {"proxy_results", "confirmation_results", "target_comparison"} <= known and "domains" not in known


def test_check_ends_with_1_where_something_is_missing(raw: Path, tmp_path: Path) -> None:
    init(tmp_path / "mine", "--raw", raw)
    result = check(tmp_path / "mine")
    assert result.exit_code == 1, result.output
    assert "MISSING files" in result.stdout and "-> climb fetch-encoder" in result.stdout
    assert "measured once nothing is missing" in result.stdout
    facts = json.loads(check(tmp_path / "mine", "--json").stdout)
    assert not facts["ready"] and facts["costs"] == []
    (files,) = [one for one in facts["findings"] if one["state"] == "missing"]
    assert (files["what"], files["cure"]) == ("files", "climb fetch-encoder")


def test_check_told_to_be_quick_measures_nothing(finished_once: Path) -> None:
    facts = json.loads(check(finished_once, "--quick", "--json").stdout)
    assert facts["ready"] and facts["costs"] == []

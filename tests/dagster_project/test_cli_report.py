"""`climb report`: the answer is printed, the page written, and what is stale said on it."""

from pathlib import Path

import pytest

from dagster_project import cli_report
from tests.dagster_project.test_cli import change_setting, climb


def test_the_answer_is_printed_and_the_page_written_and_opened(
    finished_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(cli_report.webbrowser, "open", opened.append)
    result = climb(finished_once, "report", "general", "--out", str(tmp_path / "pages" / "general.html"), "--open")
    assert result.exit_code == 0, result.output
    answer, file = result.stdout.splitlines()
    assert answer.startswith("Train on ") and file == str(tmp_path / "pages" / "general.html")
    assert "<h1>Train on " in Path(file).read_text(encoding="utf-8") and opened == [Path(file).as_uri()]


def test_a_report_of_what_is_stale_says_so_on_the_page(finished_project: Path, tmp_path: Path) -> None:
    change_setting(finished_project, search={"choice": {"confidence": 0.9}})
    result = climb(finished_project, "report", "general", "--out", str(tmp_path / "general.html"))
    assert result.exit_code == 0 and "optimal_mixture@general is stale" in result.stderr
    assert "When this was written it was not of the current graph" in (tmp_path / "general.html").read_text()


def test_an_objective_that_there_is_not_and_the_raw_folder_are_refused(finished_once: Path) -> None:
    assert "general, science" in climb(finished_once, "report", "poetry").stderr
    raw = finished_once / "data_lake" / "raw" / "report.html"
    assert climb(finished_once, "report", "general", "--out", str(raw)).exit_code == 2 and not raw.exists()

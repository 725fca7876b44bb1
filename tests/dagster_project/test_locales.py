"""A locale that is not UTF-8: the same results, and what it cannot show is an escape."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import write_source

ROOT = Path(__file__).parents[2]
JAPANESE = "\u65e5\u672c\u8a9e"


def climb(
    project: Path, encoding: str, *arguments: str, config: str = "climb.yaml"
) -> subprocess.CompletedProcess[bytes]:
    """Run a command under the locale C, standard output in an encoding."""
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": encoding}
    command = [sys.executable, "-m", "dagster_project.cli", "--config", str(project / config), *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_text_of_another_script_is_shown_or_escaped(project: Path, encoding: str) -> None:
    # click takes ASCII for a terminal that was not set up, and writes UTF-8 to it
    done = climb(project, encoding, "sql", f"SELECT '{JAPANESE}' AS text")
    assert done.returncode == 0, done.stderr
    shown = JAPANESE if encoding == "ascii" else "\\u65e5\\u672c\\u8a9e"
    assert shown.encode("utf-8") in done.stdout


@pytest.mark.slow
def test_json_is_the_same_everywhere(project: Path) -> None:
    done = climb(project, "latin-1", "sql", "--json", f"SELECT '{JAPANESE}' AS text")
    assert json.loads(done.stdout) == [{"text": JAPANESE}]


@pytest.mark.slow
def test_names_of_files_are_those_of_any_other_locale(project: Path) -> None:
    folder = project / "data_lake" / "raw" / "shard"
    folder.mkdir()
    write_source(folder / f"{JAPANESE}.jsonl", "first")
    (project / "climb.yaml").rename(project / f"{JAPANESE}.yaml")
    done = climb(project, "ascii", "plan", config=f"{JAPANESE}.yaml")
    assert done.returncode == 0 and b"raw_shards[shard]" in done.stdout, done.stderr

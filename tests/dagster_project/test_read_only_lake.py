"""A lake on a read-only file system, or in a place that its user may not write: what reads works, the rest says why."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def read_only(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command while the folder of the project is mounted read-only, for this command alone."""
    command = [sys.executable, "-m", "dagster_project.cli", "--config", str(project / "climb.yaml"), *arguments]
    mounted = ["unshare", "--mount", "sh", "-c", MOUNT, str(project), *command]
    return subprocess.run(mounted, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=120)


@pytest.fixture
def lake(finished_project: Path) -> Path:
    """Return a finished project, where mounts can be made."""
    probe = ["unshare", "--mount", "sh", "-c", MOUNT, str(finished_project), "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("mounting needs root and Linux")
    return finished_project


@pytest.mark.slow
@pytest.mark.parametrize("command", [["plan"], ["status"], ["sql", "SELECT name FROM domains"], ["verify"]], ids=str)
def test_what_reads_reads(lake: Path, command: list[str]) -> None:
    done = read_only(lake, *command)
    assert done.returncode == 0, done.stderr
    assert "delete" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", [["up"], ["audit", "general"], ["export", "general"]], ids=str)
def test_what_writes_says_what_it_may_not_write(lake: Path, command: list[str]) -> None:
    with (lake / "climb.yaml").open("a", encoding="utf-8") as stream:
        stream.write("mixture: {seed: 43}\n" if command != ["export", "general"] else "")
    done = read_only(lake, *command)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("climb: ")]
    assert "may not" in sentence or "cannot be used" in sentence

"""A lake on a read-only file system, or in a place that its user may not write: what reads works, the rest says why."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.commands import Answer
from tests.integration.processes import ROOT

MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def read_only(project: Path, *commands: list[str], config: str = "climb.yaml") -> list[Answer]:
    """Run commands in a process for which the folder of the project is mounted read-only."""
    running = [sys.executable, "-m", "tests.integration.commands"]
    mounted = ["unshare", "--mount", "sh", "-c", MOUNT, str(project), *running]
    lines = "".join(json.dumps(["--config", str(project / config), *command]) + "\n" for command in commands)
    done = subprocess.run(
        mounted, input=lines, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=240, check=True
    )
    return [Answer(*json.loads(line)) for line in done.stdout.splitlines()]


@pytest.fixture
def lake(finished_project: Path) -> Path:
    """Return a finished project, where mounts can be made."""
    probe = ["unshare", "--mount", "sh", "-c", MOUNT, str(finished_project), "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("mounting needs root and Linux")
    return finished_project


@pytest.mark.slow
def test_what_reads_reads(lake: Path) -> None:
    reading = [["plan"], ["status"], ["sql", "SELECT name FROM domains"], ["verify"]]
    for command, done in zip(reading, read_only(lake, *reading), strict=True):
        assert done.code == 0, (command, done.stderr)
        assert "delete" not in done.stdout + done.stderr


@pytest.mark.slow
def test_what_writes_says_what_it_may_not_write(lake: Path) -> None:
    settings = (lake / "climb.yaml").read_text(encoding="utf-8")
    (lake / "stale.yaml").write_text(settings + "mixture: {seed: 43}\n", encoding="utf-8")
    making, writing = [["up"], ["audit", "general"]], [["export", "general"]]
    answers = [*read_only(lake, *making, config="stale.yaml"), *read_only(lake, *writing)]
    for command, done in zip([*making, *writing], answers, strict=True):
        assert done.code == 2, (command, done)
        assert "Traceback" not in done.stdout + done.stderr
        (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("climb: ")]
        assert "may not" in sentence or "cannot be used" in sentence

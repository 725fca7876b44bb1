"""The first hour of a stranger: the wheel, a folder of text that is not ours, and what `climb` prints."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.climb_assets.setup.texts import write_texts

ROOT = Path(__file__).parents[2]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return the folder of programs of an environment in which the wheel is installed, far from the checkout.

    It sees the packages of this one, so nothing is fetched.
    """
    pytest.importorskip("setuptools", reason="builds the wheel without fetching what builds it")
    source = tmp_path / "source"  # setuptools leaves a folder `build` behind
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", source], check=True)
    for name in ("climb_assets", "dagster_project", "pyproject.toml"):  # as they are, also where nothing is committed
        subprocess.run(["cp", "-a", "--no-target-directory", ROOT / name, source / name], check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, source], check=True
    )
    (wheel,) = tmp_path.glob("climb-*.whl")
    venv.create(tmp_path / "env", with_pip=False)
    programs = tmp_path / "env" / "bin"
    subprocess.run([*pip, "--python", programs / "python", "install", "--no-deps", "--no-index", wheel], check=True)
    (site,) = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@pytest.mark.slow
def test_a_stranger_comes_to_an_answer_by_what_climb_prints(
    installed: Path, tmp_path: Path, encoder_folder: Path
) -> None:
    write_texts(tmp_path / "texts")
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CLIMB_CONFIG")}
    environment |= {"PATH": f"{installed}:{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}

    def run(script: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert str(tmp_path) in run("python -c 'import dagster_project; print(dagster_project.__file__)'")
    begun = run(f"climb init mine --raw texts --encoder {encoder_folder}")
    commands = begun.partition("Next:\n")[2]
    assert [line.split("#")[0].split() for line in commands.splitlines()] == [
        *(["cd", "mine"], ["climb", "check"], ["climb", "up"])
    ]
    told = run(commands)
    assert "MISSING" not in told
    answer = told.split("\n")[-6:]
    assert answer[0].startswith("general: train on ") and answer[1].startswith("  Certainty:")
    again = run("cd mine/lake && climb up 2>&1")
    assert f"reading {tmp_path / 'mine' / 'climb.yaml'}" in again and "Nothing is stale." in again
    assert again.split("\n")[-6].startswith("general: train on ")

"""The lock: pip takes what is in it, and refuses a file that is another."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def write_wheel(folder: Path, name: str) -> Path:
    """Write the smallest wheel that pip takes."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    information = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
    return path


def pip(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run pip on the wheels of a folder alone; it installs nothing."""
    given = ["--isolated", "install", "--dry-run", "--no-index", "--find-links", folder, *arguments]
    command = [sys.executable, "-m", "pip", *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def write_lock(report: Path, lock: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as `make lock` does."""
    command = [sys.executable, str(ROOT / "docs" / "write_lock.py"), str(report), str(lock)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """Return a folder with two wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("zeta_climb", "alpha_climb"):
        write_wheel(folder, name)
    return folder


def test_pip_installs_by_the_lock_and_refuses_another_file(wheels: Path, tmp_path: Path) -> None:
    report, lock = tmp_path / "report.json", tmp_path / "locked.txt"
    asked = pip(wheels, "--report", report, "zeta_climb", "alpha_climb")
    assert asked.returncode == 0, asked.stderr
    assert write_lock(report, lock).returncode == 0
    hashes = [
        hashlib.sha256((wheels / f"{name}_climb-1.0-py3-none-any.whl").read_bytes()).hexdigest()
        for name in ("alpha", "zeta")
    ]
    assert lock.read_text() == "".join(
        f"{name}_climb==1.0 --hash=sha256:{found}\n" for name, found in zip(("alpha", "zeta"), hashes, strict=True)
    )
    assert str(wheels) not in lock.read_text(), "a lock holds on any mirror"
    assert pip(wheels, "--require-hashes", "-r", lock).returncode == 0
    with zipfile.ZipFile(wheels / "zeta_climb-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("zeta_climb_more.py", "")
    refused = pip(wheels, "--require-hashes", "-r", lock)
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr


def test_a_package_without_a_hash_is_named_and_an_older_lock_stays(tmp_path: Path) -> None:
    report, lock = tmp_path / "report.json", tmp_path / "locked.txt"
    entry = {"metadata": {"name": "Own", "version": "2"}, "download_info": {"url": "file:///own", "dir_info": {}}}
    report.write_text(json.dumps({"install": [entry]}))
    lock.write_text("older\n")
    done = write_lock(report, lock)
    assert done.returncode == 1
    assert "no SHA-256 of Own 2" in done.stderr
    assert lock.read_text() == "older\n"

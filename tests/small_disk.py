"""A real file system of 1 MiB, on which a process of its own runs.

What belongs here: mounting it, as far as the kernel lets this user.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INSIDE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
MOUNT = 'mount -t tmpfs -o size=1m tmpfs "$0"'


def run_on_small_disk(folder: Path, code: str) -> str:
    """Run Python code while a file system of 1 MiB lies over a folder, which is ``sys.argv[1]``; return what it prints.

    The test is skipped where the kernel lets this user mount no file system.
    """
    mounted = shutil.which(INSIDE[0]) and subprocess.run([*INSIDE, MOUNT, str(folder)], capture_output=True)
    if not mounted or mounted.returncode:
        pytest.skip("the kernel lets this user mount no file system")
    done = subprocess.run(
        [*INSIDE, f'{MOUNT} && exec "$1" -c "$2" "$0"', str(folder), sys.executable, code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

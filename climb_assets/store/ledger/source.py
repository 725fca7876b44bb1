"""Which state of the source made something: version, commit, and whether the files differ from the commit.

What belongs here: asking git, where the package lies in a checkout of its own. What code an artefact rests on is hashed
by `climb_assets.graph.code_identity`; this is for people who look for it in the history.
"""

import functools
import importlib.metadata
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("climb_assets", "dagster_project")
SECONDS = 20  # in which git answers


@functools.cache
def source_state() -> dict[str, str | bool]:
    """Return ``version``, and in a checkout ``commit`` and ``dirty``, as this process first saw them."""
    try:
        state: dict[str, str | bool] = {"version": importlib.metadata.version("climb")}
    except importlib.metadata.PackageNotFoundError:
        state = {}
    if (ROOT / ".git").exists():  # a file in a worktree
        commit = _ask("rev-parse", "HEAD")
        changes = _ask("status", "--porcelain", "--", *PACKAGES)
        if commit is not None and changes is not None:
            state |= {"commit": commit, "dirty": bool(changes)}
    return state


def _ask(*arguments: str) -> str | None:
    """Return what git answers about this checkout; None where there is no git, or it refuses."""
    command = ["git", "--no-optional-locks", "-C", str(ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

"""`runtime.private`: what climb writes is for its own account alone.

What belongs here: the modes of new files, folders and sockets, and telling of folders that are open already. What is
there is never changed: somebody may have opened it on purpose.
"""

import os
import shlex
import stat
from pathlib import Path

from climb_assets.config import Config

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(config: Config) -> list[str]:
    """Let what this process and its children write be for its account alone, where `runtime.private` says so.

    An umask that is stricter still stays. Returns a line of advice for each folder that other accounts can open.
    """
    if not config.runtime.private:
        return []
    from dagster_project.databases import HOME_VARIABLE

    os.umask(os.umask(OTHERS) | OTHERS)
    homes = [Path(os.environ[HOME_VARIABLE])] if os.environ.get(HOME_VARIABLE) else []
    return [
        f"other accounts can open {folder}, which is older than runtime.private or is not climb's; close it with all "
        f"that lies in it by: chmod go= {shlex.quote(str(folder))}"
        for folder in (config.lake, *homes)
        if folder.is_dir() and folder.stat().st_mode & OTHERS
    ]

"""`runtime.private`: what climb writes is for its own account alone.

What belongs here: the modes of new files, folders and sockets, and telling of folders that are open already. What is
there is never changed: somebody may have opened it on purpose.
"""

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path

from climb_assets.config import Config
from climb_assets.config_file import CONFIG_VARIABLE, find_config, load_config

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_privately(profile: str | None = None, notice: Callable[[str], None] | None = None) -> Config:
    """Load the configuration, as every process does that writes, and heed its `runtime.private`.

    Parameters
    ----------
    notice
        Is told of folders that other accounts can open, and which file is read where it lies above this folder.
    """
    path = find_config()
    if notice is not None and not os.environ.get(CONFIG_VARIABLE) and path.parent != Path.cwd():
        notice(f"reading {path}")
    config = load_config(path, profile)
    for advice in keep_private(config):
        if notice is not None:
            notice(advice)
    return config


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

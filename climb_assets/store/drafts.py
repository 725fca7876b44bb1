"""Drafts: the folders in which artefacts are written, on this machine, before they are put down.

What belongs here: a draft's place and name, taking over a dead writer's, and what a writer's fault means. How a draft
becomes an artefact belongs to the store.
"""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from climb_assets.device_faults import lacks_room
from climb_assets.errors import TransientError
from climb_assets.store.artifacts import MANIFEST, RUN_FACTS
from climb_assets.store.files import make_folder, remove_unfinished_below, sync_folder

DRAFT, DISCARDED = ".partial", ".discarded"


def begin_draft(final: Path, *, resumable: bool, alone: bool) -> Path:
    """Return a folder for a draft of `final`: a dead writer's if there is one and it is `resumable`, or an empty one.

    Parameters
    ----------
    alone
        Nobody else writes this artefact now, so every draft that lies about is a dead writer's.
    """
    make_folder(final.parent)
    draft = _hidden(final, DRAFT)
    for left in sorted(final.parent.glob(f".{final.name}.*")) if alone else ():
        if resumable and left.suffix == DRAFT and not draft.exists():
            with contextlib.suppress(FileNotFoundError):
                left.rename(draft)
        else:
            discard(left)
    draft.mkdir(exist_ok=True)
    remove_unfinished_below(draft)  # or the seal would count it
    for name in (MANIFEST, RUN_FACTS):  # of a writer that died while it sealed
        (draft / name).unlink(missing_ok=True)
    return draft


@contextlib.contextmanager
def explained_faults(draft: Path, root: Path, asset: str) -> Iterator[None]:
    """Say what a fault means that ends the writing of a draft.

    Raises
    ------
    TransientError
        There is no room left, or the draft was taken over by a writer of another host.
    """
    try:
        yield
    except Exception as error:
        if lacks_room(error):
            raise TransientError(f"there is no room left for {root}; make some and run again") from error
        if isinstance(error, OSError) and not draft.exists():
            raise TransientError(f"another host took over {asset} from this one; run again") from error
        raise


def discard(path: Path) -> None:
    """Remove a folder, its name first: nobody finds it half removed, nor can its writer commit it any more."""
    aside = set_aside(path)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def set_aside(path: Path) -> Path | None:
    """Take a folder's name from it and return where it lies now, as what is discarded; None: there is none.

    The new name is on the disk before anything else happens, so that no power cut brings back a part.
    """
    aside = _hidden(path, DISCARDED)
    try:
        path.rename(aside)
    except FileNotFoundError:
        return None
    sync_folder(path.parent)
    return aside


def _hidden(path: Path, kind: str) -> Path:
    """Return a new hidden name beside an artefact, or beside another hidden name of it."""
    fingerprint = path.name.lstrip(".").partition(".")[0]
    return path.with_name(f".{fingerprint}.{secrets.token_hex(6)}{kind}")

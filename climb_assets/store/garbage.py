"""Garbage of a local store: what lies in it besides what is needed, and removing it.

What belongs here: looking through the store's own folders, and removing what nobody is writing. What is needed is not
known here: see `climb_assets.audit.garbage`.

Nothing is taken for garbage by its place alone: an artefact is what has a manifest that belongs where it lies, a draft
has the name that a writer gives it. All else is somebody's, is left alone and is named.
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from climb_assets.errors import CorruptArtifact
from climb_assets.store.artifacts import MANIFEST, UNPARTITIONED
from climb_assets.store.drafts import DISCARDED, DRAFT, discard
from climb_assets.store.files import UNFINISHED
from climb_assets.store.local import LocalStore, moving, writing
from climb_assets.store.locks import hold, is_held, remove_unheld
from climb_assets.store.manifests import FINGERPRINT

Key = tuple[str, str | None, str]  # asset, partition, fingerprint
Kind = Literal["artefact", "unfinished work", "temporary reference", "lock"]

HIDDEN = re.compile(rf"\.({FINGERPRINT.pattern})\.[0-9a-f]{{12}}({re.escape(DRAFT)}|{re.escape(DISCARDED)})")
TEMPORARY = re.compile(rf"\..+\.[0-9a-f]{{12}}{re.escape(UNFINISHED)}")
LOCK = re.compile(r"[0-9a-f]{32}")
UNKNOWN = "is of no asset of this version of climb"


@dataclass(frozen=True)
class Entry:
    """Something that the store has written.

    Parameters
    ----------
    key
        Asset, partition and fingerprint where it belongs to an artefact.
    right
        Name of the right that its writer holds; None where it has no writer.
    """

    kind: Kind
    path: Path
    bytes: int
    key: Key | None = None
    right: str | None = None


@dataclass(frozen=True)
class Left:
    """What is neither needed nor garbage, and why it is left alone."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Survey:
    """What lies in a store."""

    needed: tuple[Entry, ...]
    garbage: tuple[Entry, ...]
    left: tuple[Left, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all that the store has written."""
        return sum(entry.bytes for entry in (*self.needed, *self.garbage))


def survey(
    store: LocalStore,
    assets: Collection[str],
    needed: Collection[Key],
    *,
    keep_unfinished: bool = False,
    since: float = float("inf"),
) -> Survey:
    """Look through a store; nothing is changed.

    Parameters
    ----------
    assets
        Those whose artefacts may be garbage; what is of another is left alone.
    needed
        The artefacts that are none.
    keep_unfinished
        Whether the drafts and checkpoints of dead writers stay, from which the next one goes on.
    since
        What was committed since then, in seconds as `stat` tells them, is left alone.
    """
    found: dict[bool, list[Entry]] = {True: [], False: []}
    left: list[Left] = []
    for one in (*_artefacts(store, assets, set(needed), since), *_checkpoints(store)):
        if isinstance(one, Left):
            left.append(one)
        elif one.kind == "artefact":
            found[one.key in needed].append(one)
        elif one.right is not None and is_held(store.lock(one.right)):
            left.append(Left(one.path, "is being written"))
        else:
            found[keep_unfinished and not one.path.name.endswith(DISCARDED)].append(one)
    found[False] += [*_temporary_references(store), *_locks(store)]
    left += _unknown_references(store, assets)
    return Survey(tuple(found[True]), tuple(found[False]), tuple(left))


def _artefacts(
    store: LocalStore, assets: Collection[str], needed: Collection[Key], since: float
) -> Iterator[Entry | Left]:
    """Yield every artefact and every draft."""
    for asset in _entries(store.root / "artifacts"):
        if asset.name not in assets or not _is_folder(asset):
            yield Left(asset, UNKNOWN)
            continue
        for partition in _entries(asset):
            if not _is_folder(partition):
                yield Left(partition, "is no partition")
                continue
            for path in _entries(partition):
                yield _what(store, path, needed, since)


def _what(store: LocalStore, path: Path, needed: Collection[Key], since: float) -> Entry | Left:
    asset, partition = path.parent.parent.name, None if path.parent.name == UNPARTITIONED else path.parent.name
    draft = HIDDEN.fullmatch(path.name)
    if draft is not None and _is_folder(path):
        key = (asset, partition, draft[1])
        right = writing(*key) if draft[2] == DRAFT else None
        return Entry("unfinished work", path, _size(path), key, right)
    key = (asset, partition, path.name)
    if key not in needed and (reason := _why_it_stays(store, path, key, since)) is not None:
        return Left(path, reason)
    return Entry("artefact", path, _size(path), key, writing(*key))


def _why_it_stays(store: LocalStore, path: Path, key: Key, since: float) -> str | None:
    """Return why what lies where an artefact would is left alone, although nothing needs it; None: it is garbage."""
    try:
        artifact = store.find(*key) if _is_folder(path) and FINGERPRINT.fullmatch(path.name) else None
    except CorruptArtifact:
        return "has a manifest that cannot be read"
    if artifact is None:
        return "is no artefact"
    if (artifact.asset, artifact.partition, artifact.fingerprint) != key:
        return "has the manifest of another artefact"
    if (path / MANIFEST).stat().st_mtime >= since:
        return "was committed meanwhile"
    if unnamed := artifact.unnamed_files():
        return f"holds {unnamed[0]}, which its manifest does not name"
    return None


def _checkpoints(store: LocalStore) -> Iterator[Entry | Left]:
    """Yield every working folder. Its writer has a draft as long as it works, which tells whose it is."""
    drafts = {
        match[1]: path for path in (store.root / "artifacts").glob("*/*/.*") if (match := HIDDEN.match(path.name))
    }
    for path in _entries(store.root / "unfinished"):
        discarded = HIDDEN.fullmatch(path.name)
        if not _is_folder(path) or not (discarded or FINGERPRINT.fullmatch(path.name)):
            yield Left(path, "is no working folder")
            continue
        draft = drafts.get(path.name)
        if draft is None:
            yield Entry("unfinished work", path, _size(path))
        else:
            partition = None if draft.parent.name == UNPARTITIONED else draft.parent.name
            key = (draft.parent.parent.name, partition, path.name)
            yield Entry("unfinished work", path, _size(path), key, writing(*key))


def _temporary_references(store: LocalStore) -> Iterator[Entry]:
    for path in sorted((store.root / "refs").glob("*/.*")):
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            yield Entry("temporary reference", path, _size(path), right=moving(path.parent.name))


def _unknown_references(store: LocalStore, assets: Collection[str]) -> Iterator[Left]:
    for path in _entries(store.root / "refs"):
        if path.name not in assets:
            yield Left(path, UNKNOWN)


def _locks(store: LocalStore) -> Iterator[Entry]:
    for path in _entries(store.root / "locks"):
        if LOCK.fullmatch(path.name) and path != store.in_use_lock and not is_held(path):
            yield Entry("lock", path, _size(path))


def remove_garbage(store: LocalStore, found: Survey) -> list[Left]:
    """Remove what a survey found to be garbage; return what has found a writer or a reference since, and was left.

    An artefact is there whole or not at all, whenever this process dies: its folder loses its name first. What is left
    over then is garbage of the next survey.
    """
    left = []
    for entry in found.garbage:
        reason = _remove(store, entry)
        if reason is not None:
            left.append(Left(entry.path, reason))
    return left


def _remove(store: LocalStore, entry: Entry) -> str | None:
    """Remove one entry, beside no writer of it; return why it was not."""
    if entry.kind == "lock":
        remove_unheld(entry.path)  # one that is used again is no news
        return None
    if entry.right is None:
        discard(entry.path)
        return None
    try:
        with hold(lock := store.lock(entry.right), wait=False):
            if entry.kind == "temporary reference":
                entry.path.unlink(missing_ok=True)
            elif entry.kind == "artefact" and entry.key is not None and store.reference(*entry.key[:2]) == entry.key[2]:
                return "is the current artefact by now"
            else:
                discard(entry.path)
            lock.unlink(missing_ok=True)  # whoever waits for it notices
    except BlockingIOError:
        return "is being written"
    return None


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, sorted; nothing where there is none."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; what a writer moves meanwhile counts nothing."""
    inside = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sum(map(_bytes, inside if _is_folder(path) else [path]))


def _bytes(file: Path) -> int:
    try:
        return file.lstat().st_size
    except FileNotFoundError:
        return 0

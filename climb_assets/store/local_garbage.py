"""Garbage of a store in a folder: looking through it, and removing what nobody is writing.

What belongs here: what of the store's own folders is taken for garbage, and how it goes. What a survey is belongs to
`climb_assets.store.garbage`.

Nothing is taken for garbage by its place alone: an artefact is what has a manifest that belongs where it lies, a draft
has the name that a writer gives it. All else is somebody's, is left alone and is named.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from climb_assets.errors import CorruptArtifact, TransientError
from climb_assets.store.artifacts import MANIFEST, UNPARTITIONED
from climb_assets.store.drafts import DISCARDED, DRAFT, discard
from climb_assets.store.files import UNFINISHED
from climb_assets.store.garbage import UNKNOWN, Entry, Key, Left, StoreGarbage, Survey, Undisturbed
from climb_assets.store.ledger.chain import REMOVED
from climb_assets.store.ledger.recording import STRANGE, is_strange
from climb_assets.store.ledger.records import about
from climb_assets.store.local import LocalStore, moving, writing
from climb_assets.store.locks import hold, is_held, remove_unheld
from climb_assets.store.manifests import FINGERPRINT

HIDDEN = re.compile(rf"\.({FINGERPRINT.pattern})\.[0-9a-f]{{12}}({re.escape(DRAFT)}|{re.escape(DISCARDED)})")
TEMPORARY = re.compile(rf"\..+\.[0-9a-f]{{12}}{re.escape(UNFINISHED)}")
LOCK = re.compile(r"[0-9a-f]{32}")


class LocalGarbage(StoreGarbage):
    """The garbage of a store in a folder."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store

    def survey(
        self,
        assets: Collection[str],
        needed: Collection[Key],
        *,
        keep_unfinished: bool = False,
        since: float = float("inf"),
    ) -> Survey:
        """Look through the store; see `StoreGarbage.survey`.

        Parameters
        ----------
        since
            What was committed since then is left alone.
        """
        found: dict[bool, list[Entry]] = {True: [], False: []}
        left: list[Left] = []
        for one in (*_artefacts(self._store, assets, set(needed), since), *_checkpoints(self._store)):
            if isinstance(one, Left):
                left.append(one)
            elif one.kind == "artefact":
                found[one.key in needed].append(one)
            elif one.right is not None and is_held(self._store.lock(one.right)):
                left.append(Left(one.place, "is being written"))
            else:
                found[keep_unfinished and not one.place.endswith(DISCARDED)].append(one)
        found[False] += [*_temporary_references(self._store), *_locks(self._store)]
        left += _unknown_references(self._store, assets)
        return Survey(tuple(found[True]), tuple(found[False]), tuple(left))

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[Undisturbed]:
        """Hold the store while nobody is in an `in_use` block; see `StoreGarbage.undisturbed`.

        The file system tells the time. Its lock ends with this process, and not before.
        """
        lock, root = self._store.in_use_lock, self._store.root
        with contextlib.ExitStack() as held:
            try:
                granted = held.enter_context(hold(lock, wait=False))
            except BlockingIOError:
                raise TransientError(
                    f"{root} is in use: something is being made, verified or exported; wait for it and run again"
                ) from None
            if not granted:
                raise TransientError(
                    f"the file system of {root} grants no locks, so whether it is in use cannot be told; run this on "
                    "the host that has the disk"
                )
            os.utime(lock)
            yield Undisturbed(lock.stat().st_mtime, lambda: True)

    def remove(self, found: Survey, right: Undisturbed) -> list[Left]:
        """Remove what a survey found to be garbage; see `StoreGarbage.remove`.

        The folder of an artefact loses its name first.
        """
        left = []
        for entry in found.garbage:
            right.require()
            reason = _remove(self._store, entry)
            if reason is not None:
                left.append(Left(entry.place, reason))
        return left


def _artefacts(
    store: LocalStore, assets: Collection[str], needed: Collection[Key], since: float
) -> Iterator[Entry | Left]:
    """Yield every artefact and every draft."""
    for asset in _entries(store.root / "artifacts"):
        if asset.name not in assets or not _is_folder(asset):
            yield Left(str(asset), UNKNOWN)
            continue
        for partition in _entries(asset):
            if not _is_folder(partition):
                yield Left(str(partition), "is no partition")
                continue
            for path in _entries(partition):
                yield _what(store, path, needed, since)


def _what(store: LocalStore, path: Path, needed: Collection[Key], since: float) -> Entry | Left:
    asset, partition = path.parent.parent.name, None if path.parent.name == UNPARTITIONED else path.parent.name
    draft = HIDDEN.fullmatch(path.name)
    if draft is not None and _is_folder(path):
        key = (asset, partition, draft[1])
        right = writing(*key) if draft[2] == DRAFT else None
        return Entry("unfinished work", str(path), _size(path), key, right)
    key = (asset, partition, path.name)
    if key not in needed and (reason := _why_it_stays(store, path, key, since)) is not None:
        return Left(str(path), reason)
    return Entry("artefact", str(path), _size(path), key, writing(*key))


def _why_it_stays(store: LocalStore, path: Path, key: Key, since: float) -> str | None:
    """Return why what lies where an artefact would is left alone, although nothing needs it; None: it is garbage."""
    try:
        artifact = store.look(*key) if _is_folder(path) and FINGERPRINT.fullmatch(path.name) else None
    except CorruptArtifact:
        return "has a manifest that cannot be read"
    if artifact is None:
        return "is no artefact"
    if (artifact.asset, artifact.partition, artifact.fingerprint) != key:
        return "has the manifest of another artefact"
    if is_strange(store.keeper.known(), key):
        return STRANGE
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
            yield Left(str(path), "is no working folder")
            continue
        draft = drafts.get(path.name)
        if draft is None:
            yield Entry("unfinished work", str(path), _size(path))
        else:
            partition = None if draft.parent.name == UNPARTITIONED else draft.parent.name
            key = (draft.parent.parent.name, partition, path.name)
            yield Entry("unfinished work", str(path), _size(path), key, writing(*key))


def _temporary_references(store: LocalStore) -> Iterator[Entry]:
    for path in sorted((store.root / "refs").glob("*/.*")):
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            yield Entry("temporary reference", str(path), _size(path), right=moving(path.parent.name))


def _unknown_references(store: LocalStore, assets: Collection[str]) -> Iterator[Left]:
    for path in _entries(store.root / "refs"):
        if path.name not in assets:
            yield Left(str(path), UNKNOWN)


def _locks(store: LocalStore) -> Iterator[Entry]:
    for path in _entries(store.root / "locks"):
        if LOCK.fullmatch(path.name) and path != store.in_use_lock and not is_held(path):
            yield Entry("lock", str(path), _size(path))


def _remove(store: LocalStore, entry: Entry) -> str | None:
    """Remove one entry, beside no writer of it; return why it was not."""
    path = Path(entry.place)
    if entry.kind == "lock":
        remove_unheld(path)  # one that is used again is no news
        return None
    if entry.right is None:
        discard(path)
        return None
    try:
        with hold(lock := store.lock(entry.right), wait=False):
            if entry.kind == "temporary reference":
                path.unlink(missing_ok=True)
            elif entry.kind == "artefact" and entry.key is not None:
                if store.reference(*entry.key[:2]) == entry.key[2]:
                    return "is the current artefact by now"
                store.record([about(REMOVED, entry.key)])
                discard(path)
            else:
                discard(path)
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

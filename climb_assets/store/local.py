"""The store on a file system: content-addressed, atomic, checksummed, write-once.

What belongs here: how artefacts are put down in a folder and picked up again. What one is belongs to
`climb_assets.store.artifacts`, what it means to its stage.

An artefact lies in ``artifacts/<asset>/<partition>/<fingerprint>/``. ``refs/<asset>/<partition>`` names the current
one. A draft is a hidden sibling of what it will be; a writer owns it by having named it, so no two ever share one, and
it becomes the artefact by a rename, which refuses where there is one already. Nothing of this needs a lock. What does
is telling a dead writer's draft from a living one's, and a swap: see `LocalStore.lease`.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from climb_assets.device_faults import NO_RIGHT
from climb_assets.errors import CorruptArtifact
from climb_assets.store.artifacts import MANIFEST, RUN_FACTS, UNPARTITIONED, Artifact, Draft, Order, seal, sha256_text
from climb_assets.store.drafts import begin_draft, discard, explained_faults, set_aside
from climb_assets.store.files import (
    UNFINISHED,
    file_size,
    make_folder,
    read_file,
    sizes_below,
    sync_folder,
    write_atomically,
)
from climb_assets.store.garbage import Key, StoreGarbage
from climb_assets.store.ledger.keeper import FileKeeper, Keeper, keeper_of
from climb_assets.store.ledger.recording import is_recorded, made, moved
from climb_assets.store.ledger.records import withdrawn
from climb_assets.store.locks import hold
from climb_assets.store.manifests import Remembered, parse_manifest, read_reference, read_run_facts
from climb_assets.store.store import Store

LEDGER_FILE = "entries.jsonl"
TAKEN = (errno.ENOTEMPTY, errno.EEXIST)  # POSIX lets rename() answer either


class LocalStore(Store):
    """The store under one root folder of a file system that this machine has mounted.

    Parameters
    ----------
    root
        Folder that holds ``artifacts/``, ``refs/``, ``locks/`` and ``unfinished/``; made when first written to.
    place
        What its ledger is called; see `Keeper.place`.
    """

    def __init__(self, root: Path, place: str = "lake") -> None:
        self.root, self._place = Path(root).resolve(), place
        self._swept: set[str] = set()
        self._ledger_file = f"{self.root}/ledger/{LEDGER_FILE}"
        self._here = threading.local()  # `seen`: the references that this thread has read in a glance

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_here"}  # it goes to workers

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _here=threading.local())

    def __str__(self) -> str:
        return str(self.root)

    def put(self, order: Order, write: Callable[[Draft], None], *, resumable: bool = False) -> tuple[Artifact, bool]:
        """Make an artefact unless a whole one is there; see `Store.put`."""
        final = self._folder(order.asset, order.partition) / order.fingerprint
        with self.lease(writing(order.asset, order.partition, order.fingerprint)) as alone:
            found = self._whole(final)
            if found is not None:
                return found, False
            draft = Draft(begin_draft(final, resumable=resumable, alone=alone), order)
            with explained_faults(draft.path, self.root, order.asset):
                write(draft)
                manifest, digest = seal(order, draft)
                [entry] = self.record([made(draft, manifest)])
                while not _commit(draft.path, final):
                    lies_there = _identity(final)
                    found = self._whole(final)
                    if found is not None:  # of a writer that held no lease, and was first
                        if found.digest != digest:
                            self.record([withdrawn(found.key, entry.sequence)])
                        discard(draft.path)
                        return found, False
                    _remove_damaged(final, lies_there)
        return Artifact(final, manifest, self, digest), True

    @property
    def keeper(self) -> Keeper:
        """What keeps the ledger: a file, ``ledger/entries.jsonl``."""
        return keeper_of(
            self._ledger_file, lambda: FileKeeper(Path(self._ledger_file), self.lock("ledger"), self._place)
        )

    def look(self, asset: str, partition: str | None, fingerprint: str) -> Artifact | None:
        """Return what lies where the artefact with this fingerprint would, or None."""
        return self._open(f"{self.root}/artifacts/{asset}/{partition or UNPARTITIONED}/{fingerprint}")

    def fingerprints(self, asset: str, partition: str | None) -> list[str]:
        """Return the fingerprints of every artefact of a partition, sorted."""
        return sorted(path.parent.name for path in self._folder(asset, partition).glob(f"[!.]*/{MANIFEST}"))

    def present(self) -> list[Key]:
        """Return asset, partition and fingerprint of everything that lies here with a manifest, sorted."""
        found = sorted((self.root / "artifacts").glob(f"[!.]*/*/[!.]*/{MANIFEST}"))
        parts = [path.parts[-4:-1] for path in found]
        return [(asset, None if key == UNPARTITIONED else key, name) for asset, key, name in parts]

    def strangers(self) -> list[str]:
        """Return what lies here and is nothing that a store puts down; see `Store.strangers`."""
        artifacts, refs, ledger = (self.root / name for name in ("artifacts", "refs", "ledger"))
        found = [path for pattern in ("[!.]*", "[!.]*/*") for path in artifacts.glob(pattern) if not path.is_dir()]
        within = (path for path in artifacts.glob("[!.]*/*/[!.]*") if not os.path.lexists(path / MANIFEST))
        found += [path for path in within if os.path.lexists(path)]  # else a writer has just set it aside
        found += [path for path in refs.glob("[!.]*") if not path.is_dir()]
        found += [path for path in ledger.glob("[!.]*") if path.name != LEDGER_FILE]
        return sorted(map(str, found))

    def look_at_all(self, asset: str) -> list[Artifact]:
        """Return what lies where artefacts of an asset would, ordered by partition and fingerprint."""
        manifests = sorted((self.root / "artifacts" / asset).glob(f"*/[!.]*/{MANIFEST}"))
        found = [self._open(str(path.parent)) for path in manifests]
        return [artifact for artifact in found if artifact is not None]

    def files(self, artifact: Artifact) -> Mapping[str, int]:
        """Return the size in bytes of every file in an artefact's folder, by its name."""
        return sizes_below(artifact.path)

    def holds(self, artifact: Artifact, sizes: Mapping[str, int]) -> bool:
        """Return whether files lie in an artefact's folder, each in its size; a plan asks this of thousands."""
        return all(file_size(f"{artifact.path}/{name}") == size for name, size in sizes.items())

    def localise(self, artifact: Artifact, name: str, *, again: bool = False) -> Path:
        """Return the path of a file: it is here already."""
        return artifact.path / name

    def run_facts(self, artifact: Artifact) -> Mapping[str, Any]:
        """Return the facts of the run that made an artefact; none where they are lost."""
        return read_run_facts(f"{artifact.path}/{RUN_FACTS}")

    def is_sound(self, artifact: Artifact) -> bool:
        """Return whether every byte of an artefact is what its manifest promises.

        A file that this process has hashed before and that nobody has touched since is not read again.
        """
        try:
            artifact.verify()
        except CorruptArtifact:
            return False
        return True

    def where(self, artifact: Artifact) -> str:
        """Return the folder of an artefact."""
        return str(artifact.path)

    def referred(self) -> list[tuple[str, str | None]]:
        """Return each asset and partition that has a reference, sorted."""
        files = sorted(path for path in (self.root / "refs").glob("[!.]*/[!.]*") if path.is_file())
        return [(path.parent.name, None if path.name == UNPARTITIONED else path.name) for path in files]

    def partitions(self, asset: str) -> list[str]:
        """Return the partition keys that have a reference, sorted."""
        folder = self.root / "refs" / asset
        return sorted(path.name for path in folder.iterdir() if path.name[0] not in "._") if folder.is_dir() else []

    def named(self, asset: str, partition: str | None, *, now: bool = False) -> str | None:
        """Return the fingerprint that the reference names, or None; see `Store.named`."""
        seen: dict[tuple[str, str | None], str | None] | None = getattr(self._here, "seen", None)
        if seen is not None and not now and (asset, partition) in seen:
            return seen[asset, partition]
        try:
            found = read_reference(self._reference(asset, partition))
        except FileNotFoundError:
            found = None
        if seen is not None:
            seen[asset, partition] = found
        return found

    @contextlib.contextmanager
    def glance(self) -> Iterator[None]:
        """Read each reference once; see `Store.glance`."""
        self._here.seen = {}
        try:
            yield
        finally:
            self._here.seen = None

    def swap(self, asset: str, partition: str | None, expected: str | None, new: str | None) -> bool:
        """Let the reference name `new` if it names `expected` now; see `Store.swap`.

        Where the file system grants no leases, two swaps at one instant may both find what they expect. The later one
        then stands; either way it names a whole artefact, and the planner tells whether that is the one to use.
        """
        path = Path(self._reference(asset, partition))
        with self.lease(moving(asset)) as alone:
            if alone and asset not in self._swept:  # once, as each look costs what lies there
                self._swept.add(asset)
                for left in path.parent.glob(f".*{UNFINISHED}"):  # of a writer that was killed
                    left.unlink(missing_ok=True)
            if self.named(asset, partition, now=True) != expected:
                return False
            if new != expected:
                self.record([moved(self.ledger(), (asset, partition), new, expected)])
            if new is not None:
                make_folder(path.parent)
                write_atomically(path, new.encode())
            elif expected is not None:
                path.unlink()
                sync_folder(path.parent)
        return True

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        """Wait for the exclusive right of this name; the operating system ends it when the process dies.

        It is flock(2). Several hosts on one file system see each other's where the file system carries it: Linux turns
        it into byte-range locks on NFS, unless it is mounted with ``nolock`` or ``local_lock=flock``. On a mount that
        grants it to two hosts at once, a writer may find its draft taken from it, which is a `TransientError`; on one
        that refuses it, every writer makes a draft of its own, drafts of dead writers stay, and the first is kept.
        """
        with hold(self.lock(name)) as granted:
            yield granted

    def lock(self, name: str) -> Path:
        """Return the file whose lock is the right of this name."""
        return self.root / "locks" / sha256_text(name)[:32]

    @property
    def in_use_lock(self) -> Path:
        """The file whose lock everybody shares who works with artefacts; see `in_use`."""
        return self.lock("in use")

    @contextlib.contextmanager
    def in_use(self) -> Iterator[bool]:
        """Keep garbage from being removed meanwhile; see `Store.in_use`."""
        with contextlib.ExitStack() as held:
            try:
                granted = held.enter_context(hold(self.in_use_lock, shared=True))
            except OSError as error:
                if error.errno not in NO_RIGHT:
                    raise
                granted = False  # a reader of a lake that it may not write
            yield granted

    @property
    def garbage(self) -> StoreGarbage:
        """What lies here besides what is needed; see `Store.garbage`."""
        from climb_assets.store.local_garbage import LocalGarbage

        return LocalGarbage(self)

    def working_folder(self, order: Order) -> Path:
        """Return ``unfinished/<fingerprint>``, made if absent; see `Store.working_folder`."""
        folder = self._working_folder(order)
        make_folder(folder)
        return folder

    def remove_working_folder(self, order: Order) -> None:
        """Remove the folder of `working_folder`, if there is one."""
        shutil.rmtree(self._working_folder(order), ignore_errors=True)

    def _working_folder(self, order: Order) -> Path:
        return self.root / "unfinished" / order.fingerprint

    def _folder(self, asset: str, partition: str | None) -> Path:
        return Path(f"{self.root}/artifacts/{asset}/{partition or UNPARTITIONED}")  # by "/", several times the time

    def _reference(self, asset: str, partition: str | None) -> str:
        return f"{self.root}/refs/{asset}/{partition or UNPARTITIONED}"

    def _open(self, path: str) -> Artifact | None:
        try:
            folder, manifest, digest = _manifests.read(f"{path}/{MANIFEST}")
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Artifact(folder, manifest, self, digest)

    def _whole(self, path: Path) -> Artifact | None:
        """Return the artefact in a folder if its bytes are what its manifest promises, and that what was recorded."""
        try:
            artifact = self._open(str(path))
            if artifact is not None:
                partition = path.parent.name
                key = (path.parent.parent.name, None if partition == UNPARTITIONED else partition, path.name)
                artifact = artifact if is_recorded(self, key, artifact) else None
        except CorruptArtifact:
            return None
        return artifact if artifact is not None and self.is_sound(artifact) else None


def _read_manifest(file: str) -> tuple[Path, dict[str, Any], str]:
    """Return the folder of a manifest, which is then not made anew for each look, what it says, and its SHA-256."""
    path = Path(file)
    data = read_file(path)
    return path.parent, parse_manifest(data, path), hashlib.sha256(data).hexdigest()


_manifests = Remembered(_read_manifest)


def writing(asset: str, partition: str | None, fingerprint: str) -> str:
    """Return the name of the right to write an artefact."""
    return f"{asset}.{partition or UNPARTITIONED}.{fingerprint}"


def moving(asset: str) -> str:
    """Return the name of the right to move references of an asset."""
    return f"refs.{asset}"


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return which folder lies here, as long as nothing in it gets another name; None where there is none."""
    try:
        stat = folder.stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _remove_damaged(final: Path, damaged: tuple[int, int] | None) -> None:
    """Remove the folder that was found damaged; what another writer has put in its place meanwhile goes back there."""
    aside = set_aside(final)
    if aside is not None and (_identity(aside) == damaged or not _commit(aside, final)):
        discard(aside)


def _commit(draft: Path, final: Path) -> bool:
    """Let a sealed draft become the artefact; return False if there is something in its place already."""
    try:
        draft.rename(final)
    except OSError as error:
        if error.errno not in TAKEN:
            raise
        return False
    sync_folder(final.parent)
    return True

"""The artefact store: content-addressed, atomic, checksummed, write-once.

What belongs here: how artefacts are put down and picked up. What one is belongs to `climb_assets.store.artifacts`, what
it means to its stage.

An artefact lies in ``artifacts/<asset>/<partition>/<fingerprint>/``. ``refs/<asset>/<partition>`` names the current
artefact and is replaced atomically.
"""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from climb_assets.errors import CorruptArtifact, MissingArtifact
from climb_assets.store.artifacts import (
    MANIFEST,
    RUN_FACTS,
    Artifact,
    Draft,
    Order,
    seal,
    sha256_text,
    sync_directory,
    write_atomically,
)

UNPARTITIONED = "_"


class Lake:
    """The store under one root folder.

    Parameters
    ----------
    root
        Folder that holds ``artifacts/``, ``refs/`` and ``locks/``; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).resolve()

    def _folder(self, asset: str, partition: str | None) -> Path:
        return self.root / "artifacts" / asset / (partition or UNPARTITIONED)

    def _ref(self, asset: str, partition: str | None) -> Path:
        return self.root / "refs" / asset / (partition or UNPARTITIONED)

    def find(self, asset: str, partition: str | None, fingerprint: str) -> Artifact | None:
        """Return the artefact with this fingerprint, or None; its files are not yet verified."""
        return self._open(self._folder(asset, partition) / fingerprint)

    def current(self, asset: str, partition: str | None = None) -> Artifact | None:
        """Return the artefact that the reference names, or None."""
        try:
            fingerprint = self._ref(asset, partition).read_text().strip()
        except FileNotFoundError:
            return None
        return self.find(asset, partition, fingerprint)

    def get(self, asset: str, partition: str | None = None) -> Artifact:
        """Return the current artefact.

        Raises
        ------
        MissingArtifact
            There is none yet.
        """
        artifact = self.current(asset, partition)
        if artifact is None:
            name = asset if partition is None else f"{asset}[{partition}]"
            raise MissingArtifact(f"{name} has not been made; run `climb up --to {asset}`")
        return artifact

    def partitions(self, asset: str) -> list[str]:
        """Return the partition keys that have a current artefact, sorted."""
        folder = self.root / "refs" / asset
        return sorted(path.name for path in folder.iterdir() if path.name[0] not in "._") if folder.is_dir() else []

    def all_of(self, asset: str) -> list[Artifact]:
        """Return every finished artefact of an asset, current or not, in path order."""
        folders = (self.root / "artifacts" / asset).glob("*/*")
        found = [self._open(folder) for folder in sorted(folders) if not folder.name.startswith(".")]
        return [artifact for artifact in found if artifact is not None]

    def with_data_version(self, asset: str, partition: str | None, data_version: str) -> Artifact | None:
        """Return an artefact that holds this data: the current one if it does, else any other, else None."""
        current = self.current(asset, partition)
        if current is not None and current.data_version == data_version:
            return current
        for folder in sorted(self._folder(asset, partition).glob("[0-9a-f]*")):
            artifact = self._open(folder)
            if artifact is not None and artifact.data_version == data_version:
                return artifact
        return None

    def point(self, artifact: Artifact) -> None:
        """Make an artefact the current one of its asset and partition."""
        ref = self._ref(artifact.asset, artifact.partition)
        ref.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(ref, artifact.fingerprint.encode())

    def forget(self, asset: str, partition: str) -> None:
        """Drop the reference of a partition that is no longer there; the artefact itself stays."""
        self._ref(asset, partition).unlink(missing_ok=True)

    def put(self, order: Order, write: Callable[[Draft], None], *, resumable: bool = False) -> tuple[Artifact, bool]:
        """Make an artefact unless it is there; a second caller waits for the first and finds it done.

        The reference is not moved: see `point`.

        Parameters
        ----------
        order
            What to make; its fingerprint names the folder.
        write
            Fills the draft: files under ``draft.path``, deterministic facts in ``draft.summary``, the rest in
            ``draft.run``.
        resumable
            Hand a dead writer's unfinished folder to `write`, which then must write each file atomically
            and may trust those that are there. Otherwise `write` starts from an empty folder.

        Returns
        -------
        The artefact, and whether it was made by this call.
        """
        final = self._folder(order.asset, order.partition) / order.fingerprint
        with self.lock(f"{order.asset}.{order.partition or UNPARTITIONED}.{order.fingerprint}"):
            found = self._open(final)
            if found is not None and _is_whole(found):
                return found, False
            if final.exists():  # what is left of a damaged artefact
                shutil.rmtree(final)
            draft = Draft(final.with_name(f".{final.name}.partial"), order)
            if draft.path.exists() and not resumable:
                shutil.rmtree(draft.path)
            for half_written in draft.path.rglob(".*.tmp"):  # a dead writer's, or the seal would count it
                half_written.unlink()
            draft.path.mkdir(parents=True, exist_ok=True)
            for name in (MANIFEST, RUN_FACTS):  # of a writer that died while it sealed
                (draft.path / name).unlink(missing_ok=True)
            write(draft)
            manifest = seal(order, draft)
            draft.path.replace(final)
            sync_directory(final.parent)
        return Artifact(final, manifest), True

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock of this name; waits. The operating system frees it when the process dies."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / sha256_text(name)[:32]).open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _open(path: Path) -> Artifact | None:
        try:
            return Artifact(path, json.loads((path / MANIFEST).read_text()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise CorruptArtifact(
                f"{path / MANIFEST} is not JSON ({error}); delete its folder and run `climb up`"
            ) from None


def _is_whole(artifact: Artifact) -> bool:
    try:
        artifact.verify()
    except CorruptArtifact:
        return False
    return True

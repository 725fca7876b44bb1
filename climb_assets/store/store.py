"""The seam behind which artefacts lie: what everybody may ask of a store, wherever it keeps them.

What belongs here: the contract, and what follows from it for every store. How one keeps it belongs to
`climb_assets.store.local`.

A store rests on two promises. An artefact is put down whole and only where there is none yet (put-if-absent), and a
reference moves only from what the mover believes it to name (compare-and-swap). A lease is no promise: it saves work
that would be done twice, and no artefact is wrong where it is lost.

All of that is written into the store's ledger before it happens, so `find`, `all_of` and `reference` refuse what the
ledger does not know (`climb_assets.store.ledger.recording`). Where there is no ledger yet, all is taken as it lies.
"""

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from climb_assets.errors import MissingArtifact
from climb_assets.store.artifacts import RUN_FACTS, Artifact, Draft, Order
from climb_assets.store.garbage import Key, StoreGarbage
from climb_assets.store.ledger.chain import Head, Ledger
from climb_assets.store.ledger.keeper import EntryRecord, Keeper
from climb_assets.store.ledger.recording import is_recorded, lies_there, require_moved
from climb_assets.store.manifests import read_run_facts


class Store(Protocol):
    """Where artefacts lie. A store is picklable, so that a unit of work can carry it to another process.

    Attributes
    ----------
    guarded
        Whether what the ledger does not know is refused; see `unguarded`.
    """

    guarded: bool = True

    @abstractmethod
    def put(self, order: Order, write: Callable[[Draft], None], *, resumable: bool = False) -> tuple[Artifact, bool]:
        """Make an artefact unless a whole one is there; the reference is not moved: see `swap`.

        Parameters
        ----------
        order
            What to make; its fingerprint is the artefact's name.
        write
            Fills the draft: files under ``draft.path``, deterministic facts in ``draft.summary``, the rest in
            ``draft.run``.
        resumable
            Hand a dead writer's unfinished folder to `write`, which then must write each file atomically
            and may trust those that are there. Otherwise `write` starts from an empty folder.

        Returns
        -------
        The artefact, and whether it was made by this call. Of several callers one makes it and the others find it.

        Raises
        ------
        TransientError
            There is no room left.
        """

    @property
    @abstractmethod
    def keeper(self) -> Keeper:
        """What keeps the ledger."""

    @abstractmethod
    def look(self, asset: str, partition: str | None, fingerprint: str) -> Artifact | None:
        """Return what lies where the artefact with this fingerprint would, or None; see `find`."""

    @abstractmethod
    def look_at_all(self, asset: str) -> list[Artifact]:
        """Return what lies where artefacts of an asset would; see `all_of`."""

    @abstractmethod
    def present(self) -> list[Key]:
        """Return asset, partition and fingerprint of everything that lies here with a manifest, sorted."""

    def strangers(self) -> list[str]:
        """Return what lies among the artefacts, the references or the entries of the ledger and is none of them.

        Of a bucket nothing is told: what others are putting down at the moment looks the same there.
        """
        return []

    @abstractmethod
    def named(self, asset: str, partition: str | None, *, now: bool = False) -> str | None:
        """Return what the reference names as it lies there; see `reference`. `now`: whatever a glance has seen."""

    @abstractmethod
    def fingerprints(self, asset: str, partition: str | None) -> list[str]:
        """Return the fingerprints of every artefact of a partition, current or not, sorted."""

    @abstractmethod
    def files(self, artifact: Artifact) -> Mapping[str, int]:
        """Return the size in bytes of every file that really lies in an artefact, by its name."""

    def holds(self, artifact: Artifact, sizes: Mapping[str, int]) -> bool:
        """Return whether files really lie in an artefact, each in its size in bytes."""
        present = self.files(artifact)
        return all(present.get(name) == size for name, size in sizes.items())

    @abstractmethod
    def localise(self, artifact: Artifact, name: str, *, again: bool = False) -> Path:
        """Return where a file of an artefact can be read on this machine, fetched if need be and not yet verified.

        It lies at ``artifact.path / name``, and stays there at least until the `in_use` block ends that it was asked
        for in. Nothing is there if the store has lost it.

        Parameters
        ----------
        again
            Fetch it even if it was fetched before, so that what is verified is what the store has.
        """

    def run_facts(self, artifact: Artifact) -> Mapping[str, Any]:
        """Return the facts of the run that made an artefact; none where they are lost."""
        return read_run_facts(str(self.localise(artifact, RUN_FACTS)))

    @abstractmethod
    def is_sound(self, artifact: Artifact) -> bool:
        """Return whether an artefact is what was put down, as surely as the store can tell without fetching it.

        A disk rots, so there every byte is read, once by each process as long as nobody touches the file. An object
        store keeps checksums itself, so there it is the sizes; what is fetched is verified when it comes.
        """

    @abstractmethod
    def where(self, artifact: Artifact) -> str:
        """Return where people find an artefact: a folder, or the address of one."""

    @abstractmethod
    def partitions(self, asset: str) -> list[str]:
        """Return the partition keys that have a reference, sorted."""

    @abstractmethod
    def referred(self) -> list[tuple[str, str | None]]:
        """Return each asset and partition (None where it has none) that has a reference."""

    @abstractmethod
    def swap(self, asset: str, partition: str | None, expected: str | None, new: str | None) -> bool:
        """Let the reference name `new` if it names `expected` now; None stands for no reference.

        Returns
        -------
        Whether it was moved. Where it was not, somebody else moved it meanwhile.
        """

    @abstractmethod
    def lease(self, name: str) -> AbstractContextManager[bool]:
        """Wait for the exclusive right of this name and hold it; it ends with the block or with the process.

        It only saves work: False is handed out where the store cannot grant it, and the holder goes on all the same.
        """

    @abstractmethod
    def in_use(self) -> AbstractContextManager[bool]:
        """Keep garbage from being removed while the block runs; many may be in one at once.

        Whoever makes an artefact is in one from the first look at its inputs until its reference is set, and whoever
        reads more than one artefact while others may be superseded. It waits while garbage is being removed. False is
        handed out where the store cannot grant it; garbage cannot be removed there either.
        """

    @abstractmethod
    def working_folder(self, order: Order) -> Path:
        """Return this machine's folder for what making an artefact leaves on the way, its checkpoints; made if absent.

        It outlives the process, so whoever makes the same artefact next goes on from there.
        """

    @abstractmethod
    def remove_working_folder(self, order: Order) -> None:
        """Remove the folder of `working_folder`, if there is one: its artefact is committed."""

    @property
    @abstractmethod
    def garbage(self) -> StoreGarbage:
        """What lies here besides what is needed, and removing it."""

    def glance(self) -> AbstractContextManager[None]:
        """Let what this thread asks until the block ends be answered by one look at the store, at its beginning.

        It is for who asks much and changes nothing, as a plan does; where asking costs nothing, it does nothing.
        """
        return nullcontext()

    def ledger(self) -> Ledger:
        """Return the record of all that was committed, pointed to and removed here, as it is now.

        Raises
        ------
        CorruptLedger
            It was changed.
        """
        return self.keeper.refresh()

    def record(self, records: Sequence[EntryRecord]) -> list[Head]:
        """Append to the ledger; a first entry is preceded by what lies here. See `Keeper.append`."""
        return self.keeper.append(records, lambda: lies_there(self))

    def unguarded(self) -> "Store":
        """Return this store as it lies there, for whoever compares it with the ledger."""
        store = copy.copy(self)
        store.guarded = False
        return store

    def find(self, asset: str, partition: str | None, fingerprint: str) -> Artifact | None:
        """Return the artefact with this fingerprint, or None; its files are not yet verified.

        Raises
        ------
        CorruptArtifact
            What lies there cannot be read, or is not what the ledger has recorded.
        """
        artifact = self.look(asset, partition, fingerprint)
        key = (asset, partition, fingerprint)
        return artifact if artifact is not None and is_recorded(self, key, artifact) else None

    def all_of(self, asset: str) -> list[Artifact]:
        """Return every artefact of an asset, current or not, ordered by partition and fingerprint; see `find`."""
        found = self.look_at_all(asset)
        return [one for one in found if is_recorded(self, (asset, one.partition, one.path.name), one)]

    def reference(self, asset: str, partition: str | None) -> str | None:
        """Return the fingerprint that the reference names, or None where there is no reference.

        Raises
        ------
        CorruptArtifact
            It names no artefact, or was moved without a record in the ledger.
        """
        fingerprint = self.named(asset, partition)
        require_moved(self, (asset, partition), fingerprint)
        return fingerprint

    def current(self, asset: str, partition: str | None = None) -> Artifact | None:
        """Return the artefact that the reference names, or None."""
        fingerprint = self.reference(asset, partition)
        return None if fingerprint is None else self.find(asset, partition, fingerprint)

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

    def with_data_version(self, asset: str, partition: str | None, data_version: str) -> Artifact | None:
        """Return an artefact that holds this data: the current one if it does, else any other, else None."""
        current = self.current(asset, partition)
        if current is not None and current.data_version == data_version:
            return current
        for fingerprint in self.fingerprints(asset, partition):
            artifact = self.find(asset, partition, fingerprint)
            if artifact is not None and artifact.data_version == data_version:
                return artifact
        return None

    def forget(self, asset: str, partition: str) -> None:
        """Drop the reference of a partition that is no longer there; its artefacts stay."""
        while not self.swap(asset, partition, self.reference(asset, partition), None):
            pass

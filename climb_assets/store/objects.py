"""The store in a bucket of an object store: S3, GCS, Azure, and what speaks like them.

What belongs here: how artefacts are put down as objects and picked up again. What is asked of a bucket belongs to
`climb_assets.store.bucket`, what of it lies on this machine to `climb_assets.store.file_cache`.

An artefact's manifest is ``artifacts/<asset>/<partition>/<fingerprint>/manifest.json``. It is put last, and only where
there is none, which is the commit. Its files lie beside it below their own SHA-256, so that a writer who is late, or
comes twice, puts down the same bytes in the same place or others elsewhere, and disturbs nobody. ``refs/`` holds the
references, which move from one version of the object to the next; an empty one names nothing, as no object store
removes on a condition. Drafts, checkpoints and the files that were fetched lie in the lake, which is on this machine.
"""

import contextlib
import hashlib
import platform
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from climb_assets.errors import CorruptArtifact
from climb_assets.store.artifacts import (
    MANIFEST,
    RUN_FACTS,
    UNPARTITIONED,
    Artifact,
    Draft,
    Order,
    holds,
    seal,
    sha256_text,
)
from climb_assets.store.bucket import PATIENCE, Bucket, NoPermission, require_obstore
from climb_assets.store.bucket_objects import Object, Version
from climb_assets.store.drafts import begin_draft, discard, explained_faults
from climb_assets.store.expiring_leases import SECONDS, ExpiringLeases
from climb_assets.store.file_cache import FileCache
from climb_assets.store.files import write_atomically
from climb_assets.store.garbage import Key, StoreGarbage
from climb_assets.store.ledger.keeper import Keeper, keeper_of
from climb_assets.store.ledger.object_keeper import ObjectKeeper
from climb_assets.store.ledger.recording import is_recorded, made, moved
from climb_assets.store.ledger.records import withdrawn
from climb_assets.store.local import LocalStore, writing
from climb_assets.store.manifests import parse_manifest, parse_reference
from climb_assets.store.object_keys import (
    ARTIFACTS,
    COLLECTING,
    IN_USE,
    REFERENCES,
    file_key,
    folder_of,
    is_file,
    lease_key,
    names_of,
    partition_folder,
    reference_key,
    run_key,
)
from climb_assets.store.store import Store


class ObjectStore(Store):
    """The store below one address of an object store, for work on this machine.

    Parameters
    ----------
    address
        See `Bucket`.
    lake
        The folder on this machine for what is on the way, and for files that were fetched.
    cache_bytes
        How much room the latter may take.
    lease_seconds
        How long a right stands whose holder died on another machine.
    patience
        Seconds for which a request that fails is tried again.
    """

    def __init__(
        self,
        address: str,
        lake: Path,
        cache_bytes: int,
        *,
        lease_seconds: float = SECONDS,
        patience: float = PATIENCE,
    ) -> None:
        require_obstore(address)
        self.bucket = Bucket(address, patience)
        self.machine = LocalStore(lake)
        fetched = self.machine.root / "cache" / "objects" / sha256_text(self.bucket.address)[:16]
        self.cache = FileCache(fetched, cache_bytes)
        holder = f"{platform.node()}:{self.machine.root}"
        self.leases = ExpiringLeases(self.bucket, holder, lease_seconds)

    def __str__(self) -> str:
        return self.bucket.address

    def where(self, artifact: Artifact) -> str:
        """Return the address below which an artefact's objects lie."""
        return self.bucket.where(folder_of(artifact.asset, artifact.partition, artifact.fingerprint))

    def put(self, order: Order, write: Callable[[Draft], None], *, resumable: bool = False) -> tuple[Artifact, bool]:
        """Make an artefact unless a whole one is there; see `Store.put`."""
        name = writing(order.asset, order.partition, order.fingerprint)
        final = self.machine.root / folder_of(order.asset, order.partition, order.fingerprint)
        with self.machine.lease(name) as alone, self.leases.hold(lease_key(name), alone=alone):
            found, version = self._look(order)
            if found is not None:
                return found, False
            draft = Draft(begin_draft(final, resumable=resumable, alone=alone), order)
            with explained_faults(draft.path, self.machine.root, order.asset):
                write(draft)
                artifact, fresh = self._commit(draft, version)
                if fresh:
                    self.cache.take(draft.path, artifact.path, [*artifact.manifest["files"], RUN_FACTS])
                discard(draft.path)
        return artifact, fresh

    @property
    def keeper(self) -> Keeper:
        """What keeps the ledger: numbered objects."""
        copy, lock = self.cache.folder.with_suffix(".ledger.jsonl"), self.machine.lock("ledger")
        return keeper_of(f"{self.bucket.address} {copy}", lambda: ObjectKeeper(self.bucket, copy, lock))

    def _look(self, order: Order) -> tuple[Artifact | None, Version | None]:
        """Return an artefact if it is whole, and the version of its manifest if there is one, whole or not."""
        found = self.bucket.read_now(f"{folder_of(order.asset, order.partition, order.fingerprint)}/{MANIFEST}")
        if found is None:
            return None, None
        with contextlib.suppress(CorruptArtifact):
            artifact = self._artifact(order.asset, order.partition, order.fingerprint, found)
            recorded = is_recorded(self, (order.asset, order.partition, order.fingerprint), artifact)
            if recorded and self.is_sound(artifact):
                return artifact, found.version
        return None, found.version

    def _commit(self, draft: Draft, damaged: Version | None) -> tuple[Artifact, bool]:
        """Put down the files of a draft and then its manifest: where there is none, or in a damaged one's place."""
        self.bucket.require_conditions()
        order = draft.order
        manifest, digest = seal(order, draft)
        folder = folder_of(order.asset, order.partition, order.fingerprint)
        reused = self._upload(draft, manifest, folder, everything=damaged is not None)
        facts, own = f"{folder}/{run_key(manifest)}", (draft.path / RUN_FACTS).read_bytes()
        if self.bucket.create(facts, own) is None and (there := self.bucket.read_now(facts)) is not None:
            write_atomically(draft.path / RUN_FACTS, there.data)  # of a writer who died: what lies there is recorded
        key, data = f"{folder}/{MANIFEST}", (draft.path / MANIFEST).read_bytes()
        [entry] = self.record([made(draft, manifest)])
        while True:
            put = self.bucket.create(key, data) if damaged is None else self.bucket.replace(key, data, damaged)
            if put is not None:
                if reused:  # what is old may have been removed as garbage until the manifest named it
                    self._upload(draft, manifest, folder)
                return Artifact(self._path(folder), manifest, self, digest), True
            found, damaged = self._look(order)
            if found is not None:  # of a writer who held no lease, or had lost it, and was first
                if found.digest != digest:
                    self.record([withdrawn(found.key, entry.sequence)])
                return found, False

    def _upload(self, draft: Draft, manifest: dict[str, Any], folder: str, *, everything: bool = False) -> bool:
        """Put down the files of a draft that are not there, or all; return whether some were there."""
        there = {} if everything else {one.key: one.bytes for one in self.bucket.below(folder)}
        reused = False
        for name, record in manifest["files"].items():
            key = f"{folder}/{file_key(name, record)}"
            if there.get(key) == record["bytes"]:
                reused = True
            else:
                self.bucket.upload(key, draft.path / name)
        return reused

    def look(self, asset: str, partition: str | None, fingerprint: str) -> Artifact | None:
        """Return what lies where the artefact with this fingerprint would, or None."""
        found = self.bucket.read(f"{folder_of(asset, partition, fingerprint)}/{MANIFEST}")
        return None if found is None else self._artifact(asset, partition, fingerprint, found)

    def _artifact(self, asset: str, partition: str | None, fingerprint: str, found: Object) -> Artifact:
        folder = folder_of(asset, partition, fingerprint)
        manifest = parse_manifest(found.data, self.bucket.where(f"{folder}/{MANIFEST}"))
        return Artifact(self._path(folder), manifest, self, hashlib.sha256(found.data).hexdigest())

    def fingerprints(self, asset: str, partition: str | None) -> list[str]:
        """Return the fingerprints of every artefact of a partition, sorted."""
        folder = partition_folder(asset, partition)
        return [key[2] for key in self._manifests(folder)]

    def present(self) -> list[Key]:
        """Return asset, partition and fingerprint of everything that lies here with a manifest, sorted."""
        return list(self._manifests(ARTIFACTS))

    def look_at_all(self, asset: str) -> list[Artifact]:
        """Return what lies where artefacts of an asset would, ordered by partition and fingerprint."""
        keys = self._manifests(f"{ARTIFACTS}/{asset}")
        found = self.bucket.read_each([f"{folder_of(*key)}/{MANIFEST}" for key in keys])
        return [self._artifact(*key, one) for key, one in zip(keys, found, strict=True) if one is not None]

    def _manifests(self, folder: str) -> list[tuple[str, str | None, str]]:
        """Return asset, partition and fingerprint of every manifest below a folder, sorted."""
        parts = [one.key.split("/")[1:] for one in self.bucket.below(folder)]
        found = [part[:3] for part in parts if len(part) == 4 and part[3] == MANIFEST]
        return [(asset, None if key == UNPARTITIONED else key, name) for asset, key, name in sorted(found)]

    def files(self, artifact: Artifact) -> Mapping[str, int]:
        """Return the size in bytes of every object of an artefact, by the name of the file.

        What other writers of it have put down and its manifest does not name is not among it; a stranger's object is.
        """
        folder = folder_of(artifact.asset, artifact.partition, artifact.fingerprint)
        there = {one.key.removeprefix(f"{folder}/"): one.bytes for one in self.bucket.below(folder)}
        named = names_of(artifact.manifest)
        found = {named[key]: size for key, size in there.items() if key in named}
        return found | {key: size for key, size in there.items() if key not in named and not is_file(key)}

    def is_sound(self, artifact: Artifact) -> bool:
        """Return whether every file is there in its size and the manifest agrees with itself; see `Store.is_sound`."""
        try:
            artifact.verify_manifest()
        except CorruptArtifact:
            return False
        return artifact.is_complete()

    def localise(self, artifact: Artifact, name: str, *, again: bool = False) -> Path:
        """Return where a file lies on this machine, fetched unless it is there and sound; see `Store.localise`.

        Raises
        ------
        CorruptArtifact
            The object is not what the manifest promises.
        """
        folder = folder_of(artifact.asset, artifact.partition, artifact.fingerprint)
        path = artifact.path / name
        if name == RUN_FACTS:
            self.cache.touch(path)
            if again or not path.exists():
                self._fetch(f"{folder}/{run_key(artifact.manifest)}", path, 0, once=again)
            return path
        record = artifact.manifest["files"].get(name)
        if not again:
            self.cache.touch(path)  # first, or who makes room takes it while it is read
        if record is None or (not again and holds(path, record["sha256"])):
            return path
        key = f"{folder}/{file_key(name, record)}"
        if self._fetch(key, path, record["bytes"], once=again) and not holds(path, record["sha256"]):
            path.unlink(missing_ok=True)
            raise CorruptArtifact(
                f"{self.bucket.where(key)} is not what its manifest promises; delete this object and run `climb up`"
            )
        return path

    def _fetch(self, key: str, path: Path, size: int, *, once: bool) -> bool:
        """Write an object into a file of the cache; where there is none, there is no file either, and False."""
        try:
            with self.cache.place(path, once=once) as temporary:
                if not self.bucket.download(key, temporary, size):
                    raise FileNotFoundError(key)
        except FileNotFoundError:
            path.unlink(missing_ok=True)
            return False
        return True

    def glance(self) -> AbstractContextManager[None]:
        """Answer what is asked until the block ends by one look at the bucket; see `Store.glance`."""
        return self.bucket.glance(ARTIFACTS, REFERENCES)

    def partitions(self, asset: str) -> list[str]:
        """Return the partition keys that have a reference, sorted."""
        return [partition for _, partition in self._references(f"{REFERENCES}/{asset}") if partition is not None]

    def referred(self) -> list[tuple[str, str | None]]:
        """Return each asset and partition that has a reference, sorted."""
        return self._references(REFERENCES)

    def _references(self, folder: str) -> list[tuple[str, str | None]]:
        parts = [one.key.split("/")[1:] for one in self.bucket.below(folder) if one.bytes]
        return [(part[0], None if part[1] == UNPARTITIONED else part[1]) for part in parts if len(part) == 2]

    def named(self, asset: str, partition: str | None, *, now: bool = False) -> str | None:
        """Return the fingerprint that the reference names, or None; see `Store.named`."""
        key = reference_key(asset, partition)
        return self._named(key, self.bucket.read_now(key) if now else self.bucket.read(key))

    def _named(self, key: str, found: Object | None) -> str | None:
        if found is None or not found.data:
            return None
        return parse_reference(found.data, self.bucket.where(key))

    def swap(self, asset: str, partition: str | None, expected: str | None, new: str | None) -> bool:
        """Let the reference name `new` if it names `expected` now; see `Store.swap`."""
        self.bucket.require_conditions()
        key = reference_key(asset, partition)
        found = self.bucket.read_now(key)
        if self._named(key, found) != expected:
            return False
        if new == expected:
            return True
        [entry] = self.record([moved(self.ledger(), (asset, partition), new, expected)])
        data = b"" if new is None else new.encode()
        put = self.bucket.create(key, data) if found is None else self.bucket.replace(key, data, found.version)
        if put is None:
            self.record([withdrawn((asset, partition, new), entry.sequence)])
        return put is not None

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        """Wait for the exclusive right of this name: of this lake's processes by a lock, of others by an object.

        The latter expires. What a killed process of this lake held is taken over at once, of another after
        `lease_seconds`. Who was not heard of for as long and lives goes on beside whoever took over.
        """
        with self.machine.lease(name) as alone, self.leases.hold(lease_key(name), alone=alone) as right:
            yield right is not None

    @contextlib.contextmanager
    def in_use(self) -> Iterator[bool]:
        """Keep garbage from being removed meanwhile; see `Store.in_use`.

        It is an object that whoever removes garbage looks for. Who does not renew it for `lease_seconds`, asleep or cut
        off, is taken for dead: so nothing that is young is removed either (`climb_assets.store.object_garbage`).
        """
        with self.machine.in_use(), self.cache.in_use(), contextlib.ExitStack() as held:
            granted = True
            try:
                held.enter_context(self.leases.announce(f"{IN_USE}/{secrets.token_hex(8)}"))
                self.leases.wait(COLLECTING)
            except NoPermission:  # a reader of a bucket that it may not write
                granted = False
            yield granted

    @property
    def garbage(self) -> StoreGarbage:
        """What lies here besides what is needed; see `Store.garbage`."""
        from climb_assets.store.object_garbage import ObjectGarbage

        return ObjectGarbage(self)

    def working_folder(self, order: Order) -> Path:
        """Return this machine's folder for an order; see `Store.working_folder`."""
        return self.machine.working_folder(order)

    def remove_working_folder(self, order: Order) -> None:
        """Remove the folder of `working_folder`, if there is one."""
        self.machine.remove_working_folder(order)

    def _path(self, folder: str) -> Path:
        return self.cache.folder / folder

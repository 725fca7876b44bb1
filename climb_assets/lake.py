"""The artefact store: content-addressed, atomic, checksummed, write-once.

What belongs here: how artefacts are put down and picked up. What an artefact means belongs to its stage.

One artefact is one directory ``artifacts/<asset>/<partition>/<fingerprint>/``. Its ``manifest.json`` is
written last, so a directory without one does not exist. ``refs/<asset>/<partition>`` names the current
artefact and is replaced atomically. ``run.json`` beside the manifest holds what may differ between equal
runs (seconds, host, package versions) and belongs to neither hash.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from climb_assets.errors import CorruptArtifact, MissingArtifact

MANIFEST = "manifest.json"
RUN_FACTS = "run.json"
UNPARTITIONED = "_"


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, NaN refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_text(text: str) -> str:
    """Return the hex SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old bytes or the new ones, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    _fsync_directory(path.parent)


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Order:
    """What is to be made and from what: everything that the fingerprint answers for.

    Parameters
    ----------
    asset, partition
        Name of the asset and its partition key (None where it has no partitions).
    inputs
        Data version of each input, keyed ``asset`` or ``asset@partition``.
    config
        The configuration values that are used, JSON-safe.
    code
        Hash of each compute module that is used, by module name.
    """

    asset: str
    partition: str | None
    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    code: Mapping[str, str]

    @property
    def code_version(self) -> str:
        """Hash over the modules that are used."""
        return sha256_text(canonical_json(dict(self.code)))[:16]

    @property
    def fingerprint(self) -> str:
        """Hash of inputs, configuration and code: answers "was this work done?"."""
        record = {
            "asset": self.asset,
            "inputs": dict(self.inputs),
            "config": dict(self.config),
            "code": dict(self.code),
        }
        return sha256_text(canonical_json(record))[:32]


@dataclass
class Draft:
    """An artefact while it is being written: the folder for its files, and what to say of them."""

    path: Path
    order: Order
    summary: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A finished artefact. Its files are verified against the manifest when they are first asked for."""

    path: Path
    manifest: Mapping[str, Any]

    @property
    def asset(self) -> str:
        """Name of the asset."""
        return str(self.manifest["asset"])

    @property
    def partition(self) -> str | None:
        """Partition key, None where the asset has no partitions."""
        partition: str | None = self.manifest["partition"]
        return partition

    @property
    def fingerprint(self) -> str:
        """Hash of what it was made from."""
        return str(self.manifest["fingerprint"])

    @property
    def data_version(self) -> str:
        """Hash of what it holds."""
        return str(self.manifest["data_version"])

    @property
    def summary(self) -> Mapping[str, Any]:
        """The small deterministic facts that its maker recorded."""
        summary: dict[str, Any] = self.manifest["summary"]
        return summary

    @property
    def run(self) -> Mapping[str, Any]:
        """What may differ between equal runs: seconds, throughput, host."""
        facts: dict[str, Any] = json.loads((self.path / RUN_FACTS).read_text())
        return facts

    def file(self, name: str, *, again: bool = False) -> Path:
        """Return the path of one data file after its checksum was verified; `again`: even if it was before.

        Raises
        ------
        MissingArtifact
            The manifest names no such file.
        CorruptArtifact
            The file is absent or its bytes differ from the manifest.
        """
        record = self.manifest["files"].get(name)
        if record is None:
            raise MissingArtifact(f"{self.asset} holds no file {name!r}; it has {sorted(self.manifest['files'])}")
        verify_file(self.path / name, record["sha256"], again=again)
        return self.path / name

    def json(self, name: str) -> Any:
        """Return the verified content of a JSON data file."""
        return json.loads(self.file(name).read_text())

    def is_complete(self) -> bool:
        """Return whether every file is there in its size; `verify` reads the bytes too."""
        try:
            return all(
                (self.path / name).stat().st_size == file["bytes"] for name, file in self.manifest["files"].items()
            )
        except OSError:
            return False

    def verify(self) -> None:
        """Verify every file and the manifest; see `file` and `verify_manifest` for the errors."""
        for name in self.manifest["files"]:
            self.file(name)
        self.verify_manifest()

    def verify_manifest(self) -> None:
        """Verify that the manifest's data version and fingerprint follow from what it records.

        Raises
        ------
        CorruptArtifact
            They do not: the manifest was edited.
        """
        if data_version_of(self.manifest["files"]) != self.data_version:
            raise CorruptArtifact(f"{self.path / MANIFEST} promises a data version that its files do not have")
        recorded = {name: self.manifest[name] for name in ("asset", "partition", "inputs", "config", "code")}
        if not Order(**recorded).fingerprint == self.fingerprint == self.path.name:
            raise CorruptArtifact(f"{self.path / MANIFEST} records other inputs, settings or code than its fingerprint")


def data_version_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the data version of a set of files: a hash over their names and contents."""
    return sha256_text(canonical_json({name: record["sha256"] for name, record in files.items()}))[:32]


_VERIFIED: dict[tuple[str, int, int, int], str] = {}


def verify_file(path: Path, sha256: str, *, again: bool = False) -> None:
    """Check a file against its SHA-256; one that this process hashed and nobody touched is read only if `again`.

    Raises
    ------
    CorruptArtifact
        The file is absent or differs.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise CorruptArtifact(f"{path} is gone; run `climb up` to make it again") from None
    key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if again or key not in _VERIFIED:
        _VERIFIED[key] = sha256_file(path)
    if _VERIFIED[key] != sha256:
        raise CorruptArtifact(f"{path} is not what its manifest promises; delete its folder and run `climb up`")


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
            manifest = _seal(order, draft)
            draft.path.replace(final)
            _fsync_directory(final.parent)
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


def _seal(order: Order, draft: Draft) -> dict[str, Any]:
    """Hash and sync every file of a draft and write its manifest, last."""
    files = {}
    for path in sorted(p for p in draft.path.rglob("*") if p.is_file() and p.name != RUN_FACTS):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        files[path.relative_to(draft.path).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    manifest = {
        "asset": order.asset,
        "partition": order.partition,
        "fingerprint": order.fingerprint,
        "data_version": data_version_of(files),
        "code_version": order.code_version,
        "code": dict(order.code),
        "config": dict(order.config),
        "inputs": dict(order.inputs),
        "files": files,
        "summary": draft.summary,
    }
    write_atomically(draft.path / RUN_FACTS, canonical_json(draft.run).encode())
    write_atomically(draft.path / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode())
    return manifest

"""Artefacts: what one is made from, how it is hashed, sealed and verified.

What belongs here: hashes, orders, drafts and finished artefacts. Where they lie belongs to the store.

One artefact is one directory. Its ``manifest.json`` is written last, so a directory without one does not exist.
``run.json`` beside the manifest holds what may differ between equal runs (seconds, host, when it ended, package
versions) and belongs to neither hash.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from climb_assets.errors import CorruptArtifact, MissingArtifact
from climb_assets.store.files import open_file, sync_file, sync_folder, write_atomically

if TYPE_CHECKING:
    from climb_assets.store.store import Store

MANIFEST = "manifest.json"
UNPARTITIONED = "_"  # the folder of an asset without partitions
RUN_FACTS = "run.json"


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
        Hash of what is used of each module, by module name.
    environment
        What else a number may depend on, by name: see `climb_assets.environment`.
    counted
        The names of the environment that the fingerprint answers for.
    """

    asset: str
    partition: str | None
    inputs: Mapping[str, str]
    config: Mapping[str, Any]
    code: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()

    @property
    def code_version(self) -> str:
        """Hash over the modules that are used."""
        return sha256_text(canonical_json(dict(self.code)))[:16]

    @property
    def fingerprint(self) -> str:
        """Hash of inputs, configuration, code and what counts of the environment: answers "was this work done?"."""
        record = {
            "asset": self.asset,
            "inputs": dict(self.inputs),
            "config": dict(self.config),
            "code": dict(self.code),
            "environment": self.counted_environment,
        }
        return sha256_text(canonical_json(record))[:32]

    @property
    def counted_environment(self) -> dict[str, str]:
        """The part of the environment that the fingerprint answers for."""
        return {name: value for name, value in self.environment.items() if name in self.counted}


@dataclass
class Draft:
    """An artefact while it is being written: the folder for its files, and what to say of them."""

    path: Path
    order: Order
    summary: dict[str, Any] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)  # what was not known when it was ordered


@dataclass(frozen=True)
class Artifact:
    """A finished artefact. Its files are verified against the manifest when they are first asked for.

    Parameters
    ----------
    path
        Folder of its files on this machine; where the store is elsewhere, those that were asked for.
    manifest
        What it was made from and what it holds.
    store
        Where it lies.
    digest
        SHA-256 of the manifest's bytes, by which the ledger knows it.
    """

    path: Path
    manifest: Mapping[str, Any]
    store: "Store" = field(compare=False, repr=False)
    digest: str = field(default="", compare=False, repr=False)

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
    def key(self) -> tuple[str, str | None, str]:
        """What the store knows it by: asset, partition and fingerprint."""
        return self.asset, self.partition, self.fingerprint

    @property
    def data_version(self) -> str:
        """Hash of what it holds."""
        return str(self.manifest["data_version"])

    @property
    def summary(self) -> Mapping[str, Any]:
        """The small deterministic facts that its maker recorded."""
        summary: dict[str, Any] = self.manifest["summary"]
        return summary

    @cached_property
    def run(self) -> Mapping[str, Any]:
        """What may differ between equal runs: seconds, throughput, host; empty where the file is lost."""
        return self.store.run_facts(self)

    def unnamed_files(self) -> list[str]:
        """Return what lies in its folder that its manifest does not name, sorted."""
        named = {MANIFEST, RUN_FACTS, *self.manifest["files"]}
        return sorted(self.store.files(self).keys() - named)

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
        path = self.store.localise(self, name, again=again)
        verify_file(path, record["sha256"], again=again)
        return path

    def folder(self) -> Path:
        """Return the folder with every data file in it, verified: for libraries that are given a folder."""
        for name in self.manifest["files"]:
            self.file(name)
        return self.path

    def json(self, name: str) -> Any:
        """Return the verified content of a JSON data file."""
        return json.loads(self.file(name).read_text(encoding="utf-8"))

    def is_complete(self) -> bool:
        """Return whether every file is there in its size; `verify` reads the bytes too."""
        return self.store.holds(self, {name: file["bytes"] for name, file in self.manifest["files"].items()})

    def verify(self) -> None:
        """Verify every file and the manifest; see `file` and `verify_manifest` for the errors."""
        self.folder()
        self.verify_manifest()

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What it was made in, by name; empty where that was not recorded."""
        recorded: dict[str, str] = self.run.get("environment", {})
        return dict(self.manifest.get("environment") or {}) | recorded

    def answers(self, order: Order) -> bool:
        """Return whether it is what an order asks for: the same inputs, configuration and code, in an environment that
        does not differ where it counts.
        """
        asked = {"inputs": order.inputs, "config": order.config, "code": order.code}
        same = all(canonical_json(self.manifest[name]) == canonical_json(dict(value)) for name, value in asked.items())
        before = self.environment
        return same and all(before.get(name) == order.environment.get(name) for name in order.counted)

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
        counted = self.manifest.get("environment") or {}
        order = Order(**recorded, environment=counted, counted=frozenset(counted))
        if not order.fingerprint == self.fingerprint == self.path.name:
            raise CorruptArtifact(f"{self.path / MANIFEST} records other inputs, settings or code than its fingerprint")
        if self.path.parent.name != (self.partition or UNPARTITIONED) or self.path.parent.parent.name != self.asset:
            raise CorruptArtifact(f"{self.path / MANIFEST} is of {self.asset}, {self.partition}, and lies elsewhere")
        checksum = self.manifest.get("checksum")  # manifests that were written before there was one have none
        if checksum is not None and checksum != checksum_of(self.manifest):
            raise CorruptArtifact(f"{self.path / MANIFEST} was edited: its checksum is that of another text")


def checksum_of(manifest: Mapping[str, Any]) -> str:
    """Return the checksum of a manifest: a hash over all else that it records, its summary and sizes too."""
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    return sha256_text(json.dumps(rest, sort_keys=True))[:32]


def data_version_of(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the data version of a set of files: a hash over their names and contents."""
    return sha256_text(canonical_json({name: record["sha256"] for name, record in files.items()}))[:32]


MOST_VERIFIED = 100_000  # files whose hashes a process remembers
_verified: dict[tuple[str, int, int, int], str] = {}


def verify_file(path: Path, sha256: str, *, again: bool = False) -> None:
    """Check a file against its SHA-256; one that this process hashed and nobody touched is read only if `again`.

    Raises
    ------
    CorruptArtifact
        The file is absent, no regular file, or differs.
    """
    try:
        with open_file(path) as stream:
            stat = os.fstat(stream.fileno())
            key = (str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino)
            found = None if again else _verified.get(key)
            if found is None:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
                if len(_verified) >= MOST_VERIFIED:
                    _verified.clear()
                _verified[key] = found
    except FileNotFoundError:
        raise CorruptArtifact(f"{path} is gone; run `climb up` to make it again") from None
    if found != sha256:
        raise CorruptArtifact(f"{path} is not what its manifest promises; delete its folder and run `climb up`")


def holds(path: Path, sha256: str) -> bool:
    """Return whether a file is there and has this SHA-256; see `verify_file`."""
    try:
        verify_file(path, sha256)
    except CorruptArtifact:
        return False
    return True


def seal(order: Order, draft: Draft) -> tuple[dict[str, Any], str]:
    """Hash and sync every file and folder of a draft and write its manifest, last; return that and its SHA-256."""
    files = {}
    for path in sorted(draft.path.rglob("*")):
        name = path.relative_to(draft.path).as_posix()
        if path.is_dir():
            sync_folder(path)
        elif name != RUN_FACTS:
            sync_file(path)
            files[name] = {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
    recorded = {
        "asset": order.asset,
        "partition": order.partition,
        "fingerprint": order.fingerprint,
        "data_version": data_version_of(files),
        "code_version": order.code_version,
        "code": dict(order.code),
        "config": dict(order.config),
        "inputs": dict(order.inputs),
        "environment": order.counted_environment,
        "files": files,
        "summary": draft.summary,
    }
    manifest: dict[str, Any] = json.loads(json.dumps(recorded, allow_nan=False))  # as it will be read
    manifest["checksum"] = checksum_of(manifest)
    environment = dict(order.environment) | draft.environment
    ended = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run = {"host": platform.node(), "environment": environment, "ended": ended} | draft.run
    write_atomically(draft.path / RUN_FACTS, canonical_json(run).encode())
    data = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False).encode()
    write_atomically(draft.path / MANIFEST, data)
    return manifest, hashlib.sha256(data).hexdigest()

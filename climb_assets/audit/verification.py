"""Verification: are the bytes, the fingerprints and the lineage still what the manifests say?

What belongs here: re-hashing and comparing. It changes nothing and trusts nothing but the manifests of the lake
and the rule by which a fingerprint is made.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from climb_assets.audit.lineage import name_of, walk, walk_fits
from climb_assets.corpus.raw_files import UNREADABLE
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.corpus.regular_file import IrregularFileError
from climb_assets.embeddings.shared_parts import PARTS
from climb_assets.errors import ClimbError, CorpusError, CorruptArtifact, MissingArtifact
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import TOLD, artefact_name
from climb_assets.search.questions import ASKED
from climb_assets.store.artifacts import RUN_FACTS, Artifact
from climb_assets.training.domain_tokens import DOMAIN_TOKENS
from climb_assets.training.measurement import TASKS
from climb_assets.training.proxy_orders import MODELS, SCORES
from climb_assets.training.reweighting import DOREMI

STORES = (PARTS, MODELS, SCORES, TASKS, DOREMI, DOMAIN_TOKENS, ASKED, TOLD)  # of no asset, and verified whole


@dataclass(frozen=True)
class Verification:
    """What was looked at, every difference found, one sentence each, and what the graph has and the lake has not."""

    artefacts: int
    files: int
    bytes: int
    differences: tuple[str, ...]
    not_made: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the form that `climb verify --json` prints."""
        return asdict(self)


def verify_lake(materializer: Materializer) -> Verification:
    """Verify every current artefact, all it rests on, the trained proxies and the raw files.

    Raises
    ------
    MissingArtifact
        The lake holds no artefact, so that nothing can be said of it.
    """
    with materializer.store.in_use(), materializer.store.glance():
        return _verify(materializer)


def _verify(materializer: Materializer) -> Verification:
    lake = materializer.store
    differences: list[str] = []
    current = list(_current(materializer, differences))
    behind: list[Artifact] = []
    try:
        behind.extend(walk(lake, current))  # as far as it comes
        behind.extend(walk_fits(lake, current))
    except ClimbError as error:
        differences.append(str(error))
    stored: list[Artifact] = []
    for name in STORES:
        try:
            stored += lake.all_of(name)
        except ClimbError as error:
            differences.append(str(error))
    everything = {artifact.path: artifact for artifact in [*current, *behind, *stored]}
    if not everything and not differences:
        raise MissingArtifact(f"{lake} holds no artefact to verify; run `climb up`")
    not_made = _not_made(materializer, differences)
    for artifact in everything.values():
        differences += _differences(artifact)
    differences += _raw_differences(materializer)
    files = [record for artifact in everything.values() for record in artifact.manifest["files"].values()]
    return Verification(
        len(everything),
        len(files),
        sum(record["bytes"] for record in files),
        tuple(dict.fromkeys(differences)),
        tuple(not_made),
    )


def _current(materializer: Materializer, differences: list[str]) -> Iterator[Artifact]:
    for spec in SPECS:
        for partition in materializer.store.partitions(spec.asset) if spec.dimension else [None]:
            try:
                artifact = materializer.store.current(spec.asset, partition)
            except ClimbError as error:
                differences.append(str(error))
                continue
            if artifact is not None:
                yield artifact
            elif partition is not None:
                differences.append(f"{spec.asset}@{partition} is referred to and is not there")


def _not_made(materializer: Materializer, differences: list[str]) -> list[str]:
    """Return what the graph has and the lake has not; of what was made and has lost its reference, tell `differences`.

    A reference that was deleted together with all its artefacts looks like what was never made.
    """
    names: list[str] = []
    for spec in SPECS:
        try:
            partitions = materializer.partitions(spec)
        except ClimbError as error:  # there is no raw folder any more
            differences.append(str(error))
            continue
        for partition in partitions:
            if _has_reference(materializer, spec.asset, partition):
                continue
            name = artefact_name(spec.asset, partition)
            if materializer.store.fingerprints(spec.asset, partition):
                differences.append(f"the reference of {name} is gone, its artefacts are not; run `climb up`")
            else:
                names.append(name)
    return names


def _has_reference(materializer: Materializer, asset: str, partition: str | None) -> bool:
    try:
        return materializer.store.reference(asset, partition) is not None
    except CorruptArtifact:  # told already
        return True


def _differences(artifact: Artifact) -> Iterator[str]:
    sizes = artifact.store.files(artifact)
    for name, record in artifact.manifest["files"].items():
        if sizes.get(name, record["bytes"]) != record["bytes"]:
            yield f"{artifact.path / name} has {sizes[name]} bytes, its manifest says {record['bytes']}"
        try:
            artifact.file(name, again=True)
        except ClimbError as error:
            yield str(error)
    try:
        artifact.verify_manifest()
    except ClimbError as error:
        yield str(error)
    if not artifact.run:
        yield f"{artifact.path / RUN_FACTS} is lost or is not what was written; what it cost is not known any more"
    for name in artifact.unnamed_files():
        yield f"{artifact.path / name} is not named by its manifest ({name_of(artifact)})"


def _raw_differences(materializer: Materializer) -> Iterator[str]:
    """Compare the raw files with the checksums that their shard was read by."""
    raw = materializer.raw.place
    for shard in materializer.store.partitions("raw_shards"):
        artifact = materializer.store.current("raw_shards", shard)
        if artifact is None:
            continue
        try:
            files = artifact.json("files.json")["files"]
        except ClimbError:
            continue  # reported with the artefact itself
        for record in files:
            if record["sha256"] != UNREADABLE:
                yield from _raw_difference(raw, record["path"], record["sha256"])


def _raw_difference(raw: RawPlace, name: str, sha256: str) -> Iterator[str]:
    path = raw.where(name)
    try:
        found = raw.hash_again(name)
    except (CorpusError, FileNotFoundError):
        yield f"{path} is gone; it was read with sha256 {sha256}"
    except (IrregularFileError, OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        reason = error.strerror if isinstance(error, OSError) else error
        yield f"{path} cannot be read ({reason}); it was read with sha256 {sha256}"
    else:
        if found != sha256:
            yield f"{path} is not the file that was read (sha256 {sha256})"

"""Verification: are the bytes, the fingerprints, the lineage and the ledger still what they were recorded to be?

What belongs here: re-hashing and comparing. It changes nothing and trusts nothing but the manifests of the lake, the
rule by which a fingerprint is made, and the ledger as far as its chain holds.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from climb_assets.audit.bundle_export import exported_bundles
from climb_assets.audit.differences.exported import compare_exports
from climb_assets.audit.differences.reconciliation import (
    Difference,
    LedgerReading,
    look,
    read_ledger,
    reconcile,
    run_facts_differ,
    strange_nodes,
)
from climb_assets.audit.differences.replay import Replay, replay
from climb_assets.audit.differences.touched import say_touched
from climb_assets.audit.lineage import name_of, walk, walk_fits
from climb_assets.corpus.raw_files import UNREADABLE
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.corpus.regular_file import IrregularFileError
from climb_assets.embeddings.shared_parts import PARTS
from climb_assets.errors import ClimbError, CorpusError, CorruptArtifact, MissingArtifact
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.raw_versions import RawVersions
from climb_assets.graph.spec import TOLD, artefact_name
from climb_assets.search.questions import ASKED
from climb_assets.store.artifacts import RUN_FACTS, UNPARTITIONED, Artifact, sha256_file
from climb_assets.store.ledger.chain import Head, Ledger
from climb_assets.training.domain_tokens import DOMAIN_TOKENS
from climb_assets.training.measurement import TASKS
from climb_assets.training.proxy_orders import MODELS, SCORES
from climb_assets.training.reweighting import DOREMI

STORES = (PARTS, MODELS, SCORES, TASKS, DOREMI, DOMAIN_TOKENS, ASKED, TOLD)  # of no asset, and verified whole


History = Callable[[LedgerReading], Iterable[Difference]]  # what a witness outside the lake says of a ledger


@dataclass(frozen=True)
class Verification:
    """What was looked at, every difference found, one sentence each, and what the graph has and the lake has not.

    Parameters
    ----------
    head
        The head of the ledger as it was read.
    notes
        What could not be compared, and why.
    replayed
        What was made again and came out the same or not.
    """

    artefacts: int
    files: int
    bytes: int
    differences: tuple[str, ...]
    not_made: tuple[str, ...] = ()
    head: str = str(Head())
    notes: tuple[str, ...] = ()
    replayed: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the form that `climb verify --json` prints."""
        return asdict(self)


def verify_lake(
    materializer: Materializer,
    *,
    published: Head | None = None,
    again: bool = False,
    history: History = lambda reading: (),
) -> Verification:
    """Verify every current artefact, all it rests on, the trained proxies, the raw files, the ledger and exports.

    Parameters
    ----------
    published
        A head of the ledger that was written down elsewhere.
    again
        Whether what is cheap is made again; see `climb_assets.audit.differences.replay`.
    history
        Differences between the ledger and what Dagster knows.

    Raises
    ------
    MissingArtifact
        The lake holds no artefact, so that nothing can be said of it.
    """
    with materializer.store.in_use():
        return _verify(_as_it_lies(materializer), published, history, again=again)


def _as_it_lies(materializer: Materializer) -> Materializer:
    """Return a materializer that takes also what the ledger does not know, so that all of it can be told."""
    found = copy.copy(materializer)
    found.store = materializer.store.unguarded()
    found.raw = RawVersions(materializer.config, found.store)
    return found


def _verify(materializer: Materializer, published: Head | None, history: History, *, again: bool) -> Verification:
    lake = materializer.store
    first, differences = read_ledger(lake, published), list[Difference]()
    with lake.glance():
        everything = _find_everything(materializer, differences)
        if not everything and not differences and not first.entries and not first.faults:
            raise MissingArtifact(f"{lake} holds no artefact to verify; run `climb up`")
        not_made = _not_made(materializer, differences)
        for artifact in everything:
            differences += (_difference(sentence, artifact) for sentence in _look_into(artifact, first.ledger))
        differences += _raw_differences(materializer)
    seen = look(lake)
    reading = read_ledger(lake, published, first)  # somebody may have been at work meanwhile
    differences = [*reading.faults, *differences]
    differences += reconcile(lake, seen, reading)
    differences += history(reading)
    exported, notes = compare_exports(lake, reading.entries, materializer.config.lake)
    differences += [*exported, *_bundle_differences(materializer.config.lake / "export", reading.ledger)]
    replayed = replay(materializer) if again else Replay()
    differences += replayed.differences
    files = [file for artifact in everything for file in artifact.manifest["files"].values()]
    return Verification(
        len(everything),
        len(files),
        sum(file["bytes"] for file in files),
        tuple(say_touched(differences, lake, list(materializer.config.objectives))),
        tuple(not_made),
        str(reading.ledger.head),
        (*reading.notes, *notes, *_links(everything), *(f"not made again: {one}" for one in replayed.not_replayed)),
        tuple(replayed.made_again),
    )


def _find_everything(materializer: Materializer, differences: list[Difference]) -> list[Artifact]:
    """Return every current artefact, what it rests on as far as that is there, and what lies in stores of no asset."""
    lake = materializer.store
    current = list(_current(materializer, differences))
    behind: list[Artifact] = []
    try:
        behind.extend(walk(lake, current))  # as far as it comes
        behind.extend(walk_fits(lake, current))
    except ClimbError as error:
        differences.append(Difference(str(error)))
    stored: list[Artifact] = []
    for name in STORES:
        try:
            stored += lake.look_at_all(name)
        except ClimbError as error:
            differences.append(Difference(str(error), name))
    return list({artifact.path: artifact for artifact in [*current, *behind, *stored]}.values())


def _links(artifacts: Iterable[Artifact]) -> Iterator[str]:
    """Yield a note of what lies elsewhere: its bytes are compared, and nobody's write-once folder keeps them."""
    files = (artifact.path / name for artifact in artifacts for name in ("", *artifact.manifest["files"]))
    if found := sorted(str(path) for path in files if path.is_symlink()):
        yield f"Links lie among the artefacts ({len(found)}, {found[0]} for one); what they lead to was compared."


def _difference(sentence: str, artifact: Artifact) -> Difference:
    """Return a difference of what lies in the folder of an artefact, whatever its manifest says that it is."""
    partition = artifact.path.parent.name
    place = (artifact.path.parent.parent.name, None if partition == UNPARTITIONED else partition)
    return Difference(sentence, *place, artifact.path.name)


def _bundle_differences(folder: Path, ledger: Ledger) -> Iterator[Difference]:
    """Yield what exported audit bundles name that the ledger does not know."""
    try:
        bundles = exported_bundles(folder)
    except ClimbError as error:
        yield Difference(str(error))
        return
    for bundle, named in bundles.items():
        yield from strange_nodes(bundle, named, ledger)


def _current(materializer: Materializer, differences: list[Difference]) -> Iterator[Artifact]:
    for spec in SPECS:
        for partition in materializer.store.partitions(spec.asset) if spec.dimension else [None]:
            try:
                artifact = materializer.store.current(spec.asset, partition)
            except ClimbError as error:
                differences.append(Difference(str(error), spec.asset, partition))
                continue
            if artifact is not None:
                yield artifact
            elif partition is not None:
                sentence = f"{artefact_name(spec.asset, partition)} is referred to and is not there"
                differences.append(Difference(sentence, spec.asset, partition))


def _not_made(materializer: Materializer, differences: list[Difference]) -> list[str]:
    """Return what the graph has and the lake has not; of what was made and has lost its reference, tell `differences`.

    Without a ledger, a reference that was deleted together with all its artefacts looks like what was never made.
    """
    names: list[str] = []
    for spec in SPECS:
        try:
            partitions = materializer.partitions(spec)
        except ClimbError as error:  # there is no raw folder any more
            differences.append(Difference(str(error)))
            continue
        for partition in partitions:
            if _has_reference(materializer, spec.asset, partition):
                continue
            name = artefact_name(spec.asset, partition)
            if materializer.store.fingerprints(spec.asset, partition):
                sentence = f"the reference of {name} is gone, its artefacts are not; run `climb up`"
                differences.append(Difference(sentence, spec.asset, partition))
            else:
                names.append(name)
    return names


def _has_reference(materializer: Materializer, asset: str, partition: str | None) -> bool:
    try:
        return materializer.store.reference(asset, partition) is not None
    except CorruptArtifact:  # told already
        return True


def _look_into(artifact: Artifact, ledger: Ledger) -> Iterator[str]:
    """Yield how an artefact differs, as far as this user may read it."""
    try:
        yield from _differences(artifact, ledger)
    except PermissionError as error:
        yield f"{error.filename or artifact.path} may not be read by this user, so it was not compared"


def _differences(artifact: Artifact, ledger: Ledger) -> Iterator[str]:
    sizes = artifact.store.files(artifact)
    for name, record in artifact.manifest["files"].items():
        if sizes.get(name, record["bytes"]) != record["bytes"]:  # one without end would be read for ever
            yield f"{artifact.path / name} has {sizes[name]} bytes, its manifest says {record['bytes']}"
            continue
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
    elif run_facts_differ(artifact, ledger, sha256_file(artifact.store.localise(artifact, RUN_FACTS))):
        yield f"{artifact.path / RUN_FACTS} is not what was recorded of the run that made it"
    for name in artifact.unnamed_files():
        yield f"{artifact.path / name} is not named by its manifest ({name_of(artifact)})"


def _raw_differences(materializer: Materializer) -> Iterator[Difference]:
    """Compare the raw files with the checksums that their shard was read by."""
    raw = materializer.raw.place
    for shard in materializer.store.partitions("raw_shards"):
        try:
            artifact = materializer.store.current("raw_shards", shard)
        except ClimbError:
            continue  # reported with the reference itself
        if artifact is None:
            continue
        try:
            files = artifact.json("files.json")["files"]
            read = [(str(record["path"]), str(record["sha256"])) for record in files]
        except ClimbError:
            continue  # reported with the artefact itself
        except (ValueError, TypeError, LookupError):  # with checksums that fit it
            sentence = f"{artifact.path} does not tell which raw files were read"
            yield Difference(sentence, *artifact.key)
            continue
        for name, sha256 in read:
            if sha256 != UNREADABLE:
                for sentence in _raw_difference(raw, name, sha256):
                    yield Difference(sentence, *artifact.key)


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

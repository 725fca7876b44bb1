"""Garbage collection: what of a lake nothing needs any more, and what removing it frees.

What belongs here: marking what is needed, and telling of the rest. Where it lies and how it is removed belongs to
`climb_assets.store.garbage`.

Needed is every artefact that a reference names, all that those were made from, the models that they rest on, and what
an audit bundle in the lake's export folder names; so the answer stays auditable and verifiable. Exports of data sets
name nothing in the lake. A model costs hours and may be found again when a setting is set back, so by default those are
needed too that were trained by today's code on training tokens that are needed: no other can be found again by a
setting alone. Scores stay with their model, prepared tasks with their scores. The token files of domains, which
trainers of the user's read, are copies, and garbage unless people were asked to train on them.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from climb_assets.audit.bundle_export import exported_bundles
from climb_assets.audit.lineage import still_read, trained_models, walk
from climb_assets.audit.verification import STORES
from climb_assets.config import Config
from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.errors import MissingArtifact
from climb_assets.graph.assets import SPEC
from climb_assets.graph.code_identity import code_of
from climb_assets.graph.kept import GENERATIONS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import artefact_name
from climb_assets.search.questions import ASKED, read_asked
from climb_assets.store.artifacts import Artifact
from climb_assets.store.garbage import Entry, Key, Survey
from climb_assets.store.ledger.recording import complete_moves
from climb_assets.store.store import Store
from climb_assets.training.domain_tokens import DOMAIN_TOKENS
from climb_assets.training.measurement import TASKS
from climb_assets.training.proxy_orders import COMMAND, MODELS, SCORES, TELL, TRAIN
from climb_assets.training.reweighting import DOREMI, REWEIGH

Models = Literal["used", "reusable", "all"]

ASSETS = frozenset({*SPEC, *STORES})  # whose artefacts may be garbage


@dataclass(frozen=True)
class Freed:
    """How much of one kind is garbage, of which asset where it is artefacts, and how much of it there is in all."""

    kind: str
    asset: str | None
    count: int
    bytes: int
    of: int
    of_bytes: int


@dataclass(frozen=True)
class Garbage:
    """What was found, and what of it was removed.

    Parameters
    ----------
    deleted
        Whether it was removed, or only looked at.
    before, after
        Bytes of all that the store has written, before and after; where nothing was removed, as it would be after.
    digests
        Files outside the lake that are gone and whose digests were remembered.
    bundles
        For each exported audit bundle, how many artefacts and bytes are needed for it alone.
    left
        What is neither needed nor garbage, and why each is left alone.
    """

    deleted: bool
    before: int
    after: int
    freed: tuple[Freed, ...]
    digests: int
    bundles: dict[str, tuple[int, int]]
    left: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return the form that `climb gc --json` prints."""
        return asdict(self)


def find_garbage(materializer: Materializer, models: Models = "reusable", *, keep_unfinished: bool = False) -> Garbage:
    """Return what `collect_garbage` would remove; nothing is written."""
    store = materializer.store
    needed = mark(store, models)
    named = _named_by_bundles(materializer.config, store)
    found = _survey(store, needed, named, keep_unfinished=keep_unfinished)
    gone = _gone(materializer.digests)
    after = found.bytes - sum(entry.bytes for entry in found.garbage)
    return _tell(found, needed, named, after, len(gone), deleted=False)


def collect_garbage(
    materializer: Materializer, models: Models = "reusable", *, keep_unfinished: bool = False
) -> Garbage:
    """Remove what nothing needs. Killed at any time it leaves a whole lake, and the next one goes on.

    Parameters
    ----------
    models
        Which trained models stay: those that needed artefacts rest on (``used``), also those that a search with other
        settings over the needed training tokens would find again (``reusable``), or ``all``.
    keep_unfinished
        Whether the drafts and checkpoints of interrupted work stay, from which the next `climb up` goes on.

    Raises
    ------
    TransientError
        Something is being made, verified or exported.
    ClimbError
        What is needed cannot be told: a reference, a manifest or a lineage is damaged.
    """
    store = materializer.store
    with store.garbage.undisturbed() as right:
        complete_moves(store)  # what a move that was broken off is to name would be taken for garbage
        needed = mark(store, models)
        named = _named_by_bundles(materializer.config, store)
        found = _survey(store, needed, named, keep_unfinished=keep_unfinished, since=right.began)
        left = store.garbage.remove(found, right)
        gone = _gone(materializer.digests)
        if materializer.digests is not None and gone:
            materializer.digests.forget(gone)
        after = _survey(store, needed, named, keep_unfinished=keep_unfinished, since=right.began).bytes
    still = {one.place for one in left}
    removed = tuple(entry for entry in found.garbage if entry.place not in still)
    stayed = tuple(entry for entry in found.garbage if entry.place in still)
    outcome = Survey((*found.needed, *stayed), removed, (*found.left, *left))
    return _tell(outcome, needed, named, after, len(gone), deleted=True)


def mark(store: Store, models: Models) -> set[Key]:
    """Return the artefacts that references need: those that they name, all behind them, their models and scores.

    Raises
    ------
    MissingArtifact
        A reference or a lineage names what is not there, so that what it rests on cannot be told.
    CorruptArtifact
        A reference or a manifest cannot be read.
    """
    made = list(walk(store, _referred(store)))
    needed = {_key(artifact) for artifact in made}
    tokens = {artifact.data_version for artifact in made if artifact.asset == "training_tokens"}
    trained = {_key(model): model for model in trained_models(store, made)}
    code = {MODELS: [code_of(function) for function in (TRAIN, COMMAND, TELL)], DOREMI: [code_of(REWEIGH)]}
    everything = [model for name in (MODELS, DOREMI) for model in store.all_of(name)]
    for model in everything:
        findable = (
            model.manifest["inputs"].get("training_tokens") in tokens
            and dict(model.manifest["code"]) in code[model.asset]
        )
        if models == "all" or (models == "reusable" and findable):
            trained[_key(model)] = model
    references = {model.manifest["inputs"].get(MODELS) for model in trained.values()}  # of DoReMi's
    trained |= {_key(model): model for model in everything if model.data_version in references}
    needed |= _handed_out(store, [artifact for artifact in made if artifact.asset == ASKED])
    needed |= _behind_carried(store, [artifact for artifact in made if artifact.asset == "carried_evidence"])
    return needed | trained.keys() | _measured(store, {model.data_version for model in trained.values()})


def _handed_out(store: Store, asked: Iterable[Artifact]) -> set[Key]:
    """Return the token files that people were asked to train on: they may be reading them."""
    versions = {question.tokens_version for one in asked for question in read_asked(one).questions}
    return {_key(tokens) for tokens in store.all_of(DOMAIN_TOKENS) if tokens.data_version in versions}


def _behind_carried(store: Store, carried: Iterable[Artifact]) -> set[Key]:
    """Return the training tokens of the models that carried evidence names, and the shards that tell their documents.

    A changed task measures the models again, and the next renewal carries them once more.
    """
    versions = {model.manifest["inputs"]["training_tokens"] for model in trained_models(store, carried)}
    snapshots = [tokens for tokens in store.all_of("training_tokens") if tokens.data_version in versions]
    return {_key(artifact) for tokens in snapshots for artifact in (tokens, *still_read(store, tokens))}


def _measured(store: Store, models: set[str]) -> set[Key]:
    """Return the scores of models, given by their data versions, and the prepared tasks that those were scored on."""
    scores = [one for one in store.all_of(SCORES) if one.manifest["inputs"].get("proxy_model") in models]
    asked = {entry for one in scores for entry in one.manifest["inputs"].items()}
    tasks = [task for task in store.all_of(TASKS) if (f"task:{task.partition}", task.data_version) in asked]
    return {_key(artifact) for artifact in (*scores, *tasks)}


def _referred(store: Store) -> Iterable[Artifact]:
    """Yield what references name; one of an unknown asset of which there is no artefact names something else."""
    for asset, partition in store.referred():
        if asset not in ASSETS and not store.fingerprints(asset, partition):
            continue
        artifact = store.current(asset, partition)
        if artifact is not None:
            yield artifact
        elif store.reference(asset, partition) is not None:  # else it was dropped meanwhile
            name = artefact_name(asset, partition)
            raise MissingArtifact(f"{name} is referred to and gone, so what it rests on is not known; run `climb up`")


def _key(artifact: Artifact) -> Key:
    return artifact.asset, artifact.partition, artifact.fingerprint


def _named_by_bundles(config: Config, store: Store) -> dict[str, set[Key]]:
    """Return what each audit bundle in the export folder names and the lake still has."""
    bundles = exported_bundles(config.lake / "export")
    return {path.name: {key for key in named if store.find(*key) is not None} for path, named in bundles.items()}


def _survey(
    store: Store,
    needed: set[Key],
    named: dict[str, set[Key]],
    *,
    keep_unfinished: bool,
    since: float = float("inf"),
) -> Survey:
    everything = needed.union(*named.values())
    assets = {*ASSETS, GENERATIONS}
    return store.garbage.survey(assets, everything, keep_unfinished=keep_unfinished, since=since)


def _gone(digests: DigestCache | None) -> list[Any]:
    return digests.gone() if digests is not None else []


def _tell(
    found: Survey, needed: set[Key], named: dict[str, set[Key]], after: int, digests: int, *, deleted: bool
) -> Garbage:
    bundles = {}
    for name, keys in named.items():
        alone = [entry for entry in found.needed if entry.kind == "artefact" and entry.key in keys - needed]
        bundles[name] = (len(alone), sum(entry.bytes for entry in alone))
    left = {one.place: one.reason for one in found.left}
    return Garbage(deleted, found.bytes, after, tuple(_freed(found)), digests, bundles, left)


def _freed(found: Survey) -> Iterable[Freed]:
    """Yield a row for each asset that has artefacts, and one for each other kind of garbage that there is."""
    rows: dict[tuple[str, str | None], list[tuple[int, bool]]] = {}
    for entries, garbage in ((found.needed, False), (found.garbage, True)):
        for entry in entries:
            rows.setdefault(_row(entry), []).append((entry.bytes, garbage))
    for kind, asset in sorted(rows, key=lambda row: (row[0] != "artefact", row[0], row[1] or "")):
        sizes = [size for size, _ in rows[kind, asset]]
        freed = [size for size, garbage in rows[kind, asset] if garbage]
        yield Freed(kind, asset, len(freed), sum(freed), len(sizes), sum(sizes))


def _row(entry: Entry) -> tuple[str, str | None]:
    return entry.kind, entry.key[0] if entry.kind == "artefact" and entry.key is not None else None

"""Lineage: every artefact that one rests on, back to the raw files, and the models in between.

What belongs here: walking manifests. Whether bytes are still what a manifest says is `verification`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from climb_assets.errors import MissingArtifact
from climb_assets.store.artifacts import Artifact
from climb_assets.store.store import Store
from climb_assets.tables import read_table
from climb_assets.training.proxy_orders import MODELS
from climb_assets.training.reweighting import DOREMI

MODELS_TABLE = "models.parquet"  # of every artefact that rests on trained models


@dataclass(frozen=True)
class Lineage:
    """Artefacts by name, what each was made from, and what lies outside the lake.

    Parameters
    ----------
    artefacts
        ``asset`` or ``asset@partition``: the artefact.
    edges
        (input, made from it), both by name.
    outside
        Versions of what is no artefact: raw files, the listing, model folders, task files.
    """

    artefacts: dict[str, Artifact] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    outside: dict[str, str] = field(default_factory=dict)


def name_of(artifact: Artifact) -> str:
    """Return an artefact's name as manifests write it."""
    return artifact.asset if artifact.partition is None else f"{artifact.asset}@{artifact.partition}"


def trace(store: Store, roots: Iterable[Artifact]) -> Lineage:
    """Walk from some artefacts to everything they were made from.

    Raises
    ------
    MissingArtifact
        A manifest names an input that is not in the lake with that data version: the lineage has a hole.
    """
    lineage = Lineage()
    waiting = list(roots)
    while waiting:
        artifact = waiting.pop()
        name = name_of(artifact)
        if name in lineage.artefacts:
            continue
        lineage.artefacts[name] = artifact
        for needed, version in artifact.manifest["inputs"].items():
            lineage.edges.append((needed, name))
            if ":" in needed or needed == "raw_corpus":
                lineage.outside[needed] = version
            else:
                waiting.append(_holding(store, needed, version, name))
    lineage.edges.sort()
    return lineage


def _holding(store: Store, name: str, version: str, wanted_by: str) -> Artifact:
    asset, _, partition = name.partition("@")
    artifact = store.with_data_version(asset, partition or None, version)
    if artifact is None:
        raise MissingArtifact(f"{wanted_by} was made from {name} in version {version}, which the lake does not hold")
    return artifact


def trained_models(store: Store, lineage: Lineage) -> list[Artifact]:
    """Return the models that the artefacts of a lineage rest on, from the store of proxies and from DoReMi's.

    Raises
    ------
    MissingArtifact
        A model is not in its store in the version that was used.
    """
    found: dict[str, Artifact] = {}
    for artifact in lineage.artefacts.values():
        used = [(DOREMI, artifact.summary["doremi"])] if "doremi" in artifact.summary else []
        if MODELS_TABLE in artifact.manifest["files"]:
            used += [(MODELS, row) for row in read_table(artifact.file(MODELS_TABLE)).to_pylist()]
        for kind, identity in used:
            model = store.find(kind, None, identity["fingerprint"])
            if model is None or model.data_version != identity["data_version"]:
                raise MissingArtifact(
                    f"{artifact.asset} rests on the model {identity['fingerprint']}, which is not in {kind}; "
                    f"run `climb up --to {artifact.asset}`"
                )
            found[model.fingerprint] = model
    return list(found.values())

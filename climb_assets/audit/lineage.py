"""The closure: every artefact that one rests on, back to the raw files.

What belongs here: walking manifests. Whether bytes are still what a manifest says is `verification`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from climb_assets.errors import MissingArtifact
from climb_assets.store.artifacts import Artifact
from climb_assets.store.store import Store


@dataclass(frozen=True)
class Closure:
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


def trace(store: Store, roots: Iterable[Artifact]) -> Closure:
    """Walk from some artefacts to everything they were made from.

    Raises
    ------
    MissingArtifact
        A manifest names an input that is not in the lake with that data version: the lineage has a hole.
    """
    closure = Closure()
    waiting = list(roots)
    while waiting:
        artifact = waiting.pop()
        name = name_of(artifact)
        if name in closure.artefacts:
            continue
        closure.artefacts[name] = artifact
        for needed, version in artifact.manifest["inputs"].items():
            closure.edges.append((needed, name))
            if ":" in needed or needed == "raw_corpus":
                closure.outside[needed] = version
            else:
                waiting.append(_holding(store, needed, version, name))
    closure.edges.sort()
    return closure


def _holding(store: Store, name: str, version: str, wanted_by: str) -> Artifact:
    asset, _, partition = name.partition("@")
    artifact = store.with_data_version(asset, partition or None, version)
    if artifact is None:
        raise MissingArtifact(f"{wanted_by} was made from {name} in version {version}, which the lake does not hold")
    return artifact

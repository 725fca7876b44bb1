"""Lineage: every artefact that one rests on, back to the raw files, and the models in between.

What belongs here: walking manifests. Whether bytes are still what a manifest says is `verification`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from climb_assets.errors import MissingArtifact
from climb_assets.graph.assets import SPEC
from climb_assets.graph.kept import deciding
from climb_assets.graph.spec import artefact_name, place_of
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
    fits
        Of each kept artefact, the lineage of what it was fitted on, which may be an earlier state of the corpus.
    gone
        Versions of what something was made from and the lake no longer holds; only in a fit.
    """

    artefacts: dict[str, Artifact] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    outside: dict[str, str] = field(default_factory=dict)
    fits: dict[str, "Lineage"] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)

    def everything(self) -> Iterator[Artifact]:
        """Yield every artefact, those of the fits too."""
        yield from self.artefacts.values()
        for fit in self.fits.values():
            yield from fit.everything()


def name_of(artifact: Artifact) -> str:
    """Return an artefact's name as manifests write it."""
    return artefact_name(artifact.asset, artifact.partition)


def is_outside(needed: str) -> bool:
    """Return whether what a manifest names as an input is no artefact: raw files, the listing, model folders, tasks."""
    return ":" in needed or needed == "raw_corpus"


def walk(store: Store, roots: Iterable[Artifact]) -> Iterator[Artifact]:
    """Yield some artefacts and everything that they rest on, each once; also several versions of one partition.

    What a kept artefact was fitted on is not among it, apart from what is still read of that: `Spec.still_read`.

    Raises
    ------
    MissingArtifact
        A manifest names an input that is not in the lake with that data version: the lineage has a hole.
    """
    yielded: dict[Path, Artifact] = {}
    found: set[tuple[str, str]] = set()

    def inputs(artifact: Artifact) -> Iterator[Artifact]:
        for needed, version in _deciding(artifact).items():
            if not is_outside(needed) and (needed, version) not in found:
                found.add((needed, version))
                yield _holding(store, needed, version, name_of(artifact))

    for artifact in _follow(roots, inputs):
        yielded[artifact.path] = artifact
        yield artifact
    read = [other for artifact in yielded.values() for other in still_read(store, artifact)]
    yield from {other.path: other for other in read if other.path not in yielded}.values()


def walk_fits(store: Store, roots: Iterable[Artifact]) -> Iterator[Artifact]:
    """Yield what `walk` does and what kept artefacts were fitted on, as far as the lake still holds it."""

    def inputs(artifact: Artifact) -> Iterator[Artifact]:
        for needed, version in artifact.manifest["inputs"].items():
            other = None if is_outside(needed) else _find(store, needed, version)
            if other is not None:
                yield other

    yield from _follow(roots, inputs)


def _follow(roots: Iterable[Artifact], inputs: Callable[[Artifact], Iterable[Artifact]]) -> Iterator[Artifact]:
    """Yield some artefacts and their inputs, and theirs in turn, each once."""
    waiting = list(roots)
    yielded: set[Path] = set()
    while waiting:
        artifact = waiting.pop()
        if artifact.path not in yielded:
            yielded.add(artifact.path)
            yield artifact
            waiting += inputs(artifact)


def _deciding(artifact: Artifact) -> dict[str, str]:
    inputs, spec = artifact.manifest["inputs"], SPEC.get(artifact.asset)
    return dict(inputs) if spec is None else deciding(spec, inputs)


def still_read(store: Store, artifact: Artifact) -> list[Artifact]:
    """Return what is read of the fit of a kept artefact as long as that is used, as far as it is there."""
    spec = SPEC.get(artifact.asset)
    names = spec.still_read if spec is not None else ()
    read = {name: version for name, version in artifact.manifest["inputs"].items() if place_of(name)[0] in names}
    found = [_find(store, name, version) for name, version in read.items()]
    return [other for other in found if other is not None]


def trace(store: Store, roots: Iterable[Artifact], *, fit: bool = False) -> Lineage:
    """Walk from some artefacts to everything they were made from.

    What is kept stays the one to use when the state of the corpus that it was fitted on has gone, so that state is a
    lineage of its own, under `Lineage.fits`.

    Parameters
    ----------
    fit
        Whether what is no longer there is noted instead of refused.

    Raises
    ------
    MissingArtifact
        A manifest names an input that is not in the lake with that data version: the lineage has a hole.
    """
    with store.glance():
        return _trace(store, roots, fit)


def _trace(store: Store, roots: Iterable[Artifact], fit: bool) -> Lineage:
    lineage = Lineage()
    waiting = list(roots)
    while waiting:
        artifact = waiting.pop()
        name = name_of(artifact)
        if name in lineage.artefacts:
            continue
        lineage.artefacts[name] = artifact
        inputs, decided = artifact.manifest["inputs"], _deciding(artifact)
        for needed, version in decided.items():
            lineage.edges.append((needed, name))
            if is_outside(needed):
                lineage.outside[needed] = version
            elif not fit:
                waiting.append(_holding(store, needed, version, name))
            elif (found := _find(store, needed, version)) is not None:
                waiting.append(found)
            else:
                lineage.gone[needed] = version
        if inputs.keys() - decided.keys():
            others = {needed: version for needed, version in inputs.items() if needed not in decided}
            lineage.fits[name] = _trace_fit(store, name, others)
    lineage.edges.sort()
    return lineage


def _trace_fit(store: Store, name: str, inputs: Mapping[str, str]) -> Lineage:
    """Return the lineage of what a kept artefact was fitted on, as far as the lake still holds it."""
    found = {needed: _find(store, needed, version) for needed, version in inputs.items()}
    fit = _trace(store, [artifact for artifact in found.values() if artifact is not None], fit=True)
    fit.edges[:] = sorted([*fit.edges, *((needed, name) for needed in inputs)])
    fit.gone.update({needed: inputs[needed] for needed, artifact in found.items() if artifact is None})
    return fit


def _holding(store: Store, name: str, version: str, wanted_by: str) -> Artifact:
    artifact = _find(store, name, version)
    if artifact is None:
        raise MissingArtifact(f"{wanted_by} was made from {name} in version {version}, which the lake does not hold")
    return artifact


def _find(store: Store, name: str, version: str) -> Artifact | None:
    return store.with_data_version(*place_of(name), version)


def trained_models(store: Store, artefacts: Iterable[Artifact]) -> list[Artifact]:
    """Return the models that some artefacts rest on, from the store of proxies and from DoReMi's, each once.

    Raises
    ------
    MissingArtifact
        A model is not in its store in the version that was used.
    """
    found: dict[str, Artifact] = {}
    for artifact in artefacts:
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

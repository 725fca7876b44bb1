"""Replay: what can be computed again in a moment comes out the same, from the inputs that its manifest names.

What belongs here: which assets are cheap, and making one again beside the lake. What comes out is compared by its data
version, and nothing is put down. Trained models, embeddings and clusters are not computed again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from climb_assets.audit.differences.reconciliation import Difference
from climb_assets.audit.lineage import name_of
from climb_assets.errors import ClimbError
from climb_assets.graph.assets import SPEC
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import artefact_name
from climb_assets.printable import printable
from climb_assets.store.artifacts import Artifact, Draft, canonical_json, data_version_of, sha256_file
from climb_assets.store.files import make_folder, scratch_folder

CHEAP = ("mixture_candidates", "predictor_state", "optimal_mixture", "mixed_corpus")  # sampling, fit, choice, data set


@dataclass
class Replay:
    """What was made again, what came out otherwise, and what could not be made again, with the reason."""

    made_again: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    not_replayed: list[str] = field(default_factory=list)


def replay(climb: Materializer) -> Replay:
    """Make the cheap assets of the graph again, each partition by itself."""
    found = Replay()
    for asset in CHEAP:
        for partition in climb.partitions(SPEC[asset]):
            name = artefact_name(asset, partition)
            try:
                artifact = climb.store.current(asset, partition)
                reason = "it is not made" if artifact is None else _why_not(climb, artifact)
                if artifact is not None and reason is None:
                    found.differences += _compare(climb, artifact)
                    found.made_again.append(name)
            except ClimbError as error:
                reason = str(error)
            except Exception as error:  # of a library, over a table that nobody would have written
                sentence = f"{name} cannot be made again from its inputs ({printable(str(error), 80)})"
                found.differences.append(Difference(sentence, asset, partition))
                continue
            if reason is not None:
                found.not_replayed.append(f"{name}: {reason}")
    return found


def _why_not(climb: Materializer, artifact: Artifact) -> str | None:
    """Return why what is made today could differ from an artefact; None: it must not."""
    order = climb.order_from(SPEC[artifact.asset], artifact.partition, {})
    same = replace(order, inputs=artifact.manifest["inputs"])
    if dict(artifact.manifest["code"]) != dict(same.code):
        return "it was made by other code"
    if not artifact.answers(same):
        return "it was made by other settings, or in another environment that counts"
    return None


def _compare(climb: Materializer, artifact: Artifact) -> Iterator[Difference]:
    spec, partition = SPEC[artifact.asset], artifact.partition
    order = replace(climb.order_from(spec, partition, {}), inputs=artifact.manifest["inputs"])
    function, cache = spec.load(), climb.config.lake / "cache"
    make_folder(cache)
    with scratch_folder(cache / "replay") as folder, climb.making(order):
        draft = Draft(folder, order)
        function(climb, draft) if partition is None else function(climb, partition, draft)
        paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        files = {name: {"sha256": sha256_file(path)} for name, path in paths.items()}
    key, name = artifact.key, name_of(artifact)
    if data_version_of(files) != artifact.data_version:
        recorded = artifact.manifest["files"]
        others = sorted(file for file in {*files, *recorded} if _digest(files, file) != _digest(recorded, file))
        yield Difference(
            f"{name} does not come out again from its inputs: {', '.join(others)} would be otherwise, so it was "
            "changed, or one of its inputs was",
            *key,
        )
    elif canonical_json(draft.summary) != canonical_json(dict(artifact.summary)):
        yield Difference(f"{name} comes out again with another summary than its manifest has", *key)


def _digest(files: dict[str, dict[str, str]], name: str) -> str | None:
    return files.get(name, {}).get("sha256")

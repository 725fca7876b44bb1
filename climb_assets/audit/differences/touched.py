"""Which answers rest on an artefact.

What belongs here: from an artefact to the objectives whose answer, data set or comparison was made from it. The lake is
taken as it lies, so what is damaged is looked through as far as it can be read.
"""

from collections.abc import Iterable, Sequence

from climb_assets.audit.differences.reconciliation import Difference
from climb_assets.audit.lineage import MODELS_TABLE, is_outside
from climb_assets.errors import ClimbError
from climb_assets.graph.spec import place_of
from climb_assets.store.artifacts import Artifact
from climb_assets.store.garbage import Key
from climb_assets.store.ledger.chain import Place
from climb_assets.store.store import Store
from climb_assets.tables import read_table
from climb_assets.training.measurement import TASKS
from climb_assets.training.proxy_orders import MODELS, SCORES
from climb_assets.training.reweighting import DOREMI

ANSWERS = ("audit_bundle", "mixed_corpus", "target_comparison", "optimal_mixture")  # what people take away


def say_touched(differences: Iterable[Difference], store: Store, objectives: Sequence[str]) -> list[str]:
    """Return the sentence of each difference, with the objectives whose answers rest on it; equal ones once."""
    told, answers = dict.fromkeys(differences), list[_Behind]()
    if any(difference.asset is not None for difference in told):
        answers = [_Behind(store, objective) for objective in objectives]
    sentences = []
    for difference in told:
        if difference.everywhere:
            sentences.append(f"{difference.sentence}; every answer rests on it")
        elif difference.asset is None:
            sentences.append(difference.sentence)
        else:
            names = [behind.objective for behind in answers if behind.holds(difference)]
            rests = f"what was answered for {', '.join(names)} rests on it" if names else "no answer rests on it"
            sentences.append(f"{difference.sentence}; {rests}")
    return list(dict.fromkeys(sentences))


class _Behind:
    """What the answer of one objective was made from."""

    def __init__(self, store: Store, objective: str) -> None:
        self.objective = objective
        self._store = store
        self._keys: set[Key] = set()
        self._places: set[Place] = set()  # of all that is named
        self._lost: set[Place] = set()  # of what is named in a version that is not there
        self._versions: set[str] = set()  # of models
        self._walk([(asset, objective) for asset in ANSWERS])

    def holds(self, difference: Difference) -> bool:
        """Return whether the answer rests on what a difference is of."""
        assert difference.asset is not None
        place = (difference.asset, difference.partition)
        if difference.asset in (TASKS, DOREMI):  # tables name neither
            return True
        if place in self._lost or difference.fingerprint is None:
            return place in self._places
        key = (*place, difference.fingerprint)
        return key in self._keys or (difference.asset == SCORES and self._scored(key))

    def _scored(self, key: Key) -> bool:
        try:
            scores = self._store.look(*key)
        except ClimbError:
            return True
        return scores is None or scores.manifest["inputs"].get("proxy_model") in self._versions

    def _walk(self, roots: Iterable[Place]) -> None:
        waiting = list[Artifact]()
        for place in roots:
            self._places.add(place)
            self._follow(place, None, waiting)
        while waiting:
            artifact = waiting.pop()
            key = (artifact.asset, artifact.partition, artifact.path.name)
            if key in self._keys:
                continue
            self._keys.add(key)
            self._add_models(artifact)
            for needed, version in artifact.manifest["inputs"].items():
                if not is_outside(needed):
                    self._places.add(place_of(needed))
                    self._follow(place_of(needed), version, waiting)

    def _follow(self, place: Place, version: str | None, waiting: list[Artifact]) -> None:
        """Add the artefact of a place, in a version or the current one, to what waits; note where there is none."""
        try:
            found = self._store.current(*place)
            if found is None or (version is not None and found.data_version != version):
                found = None if version is None else self._store.with_data_version(*place, version)
        except ClimbError:
            found = None
        if found is None:
            self._lost.add(place)
        else:
            waiting.append(found)

    def _add_models(self, artifact: Artifact) -> None:
        if MODELS_TABLE not in artifact.manifest["files"]:
            return
        try:
            rows = read_table(self._store.localise(artifact, MODELS_TABLE)).to_pylist()
        except (OSError, ClimbError, ValueError):
            return
        for row in rows:
            self._keys.add((MODELS, None, row["fingerprint"]))
            self._versions.add(row["data_version"])

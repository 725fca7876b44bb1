"""The materializer: one configuration, one lake, and how an asset is made from what is there now.

What belongs here: resolving a spec against the lake (which partitions, which input versions, which
fingerprint), calling its function and committing what that wrote. It knows neither Dagster nor what a stage computes.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from climb_assets.config import Config
from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.corpus.raw_files import Listing, digest_files
from climb_assets.environment import Environment, counted
from climb_assets.errors import ComputeError, MissingArtifact, TransientError
from climb_assets.graph.assets import SPEC, ancestors
from climb_assets.graph.code_identity import code_at_start, code_of
from climb_assets.graph.kept import GENERATION, decides, deciding, generation_of
from climb_assets.graph.raw_versions import RawVersions
from climb_assets.graph.spec import TOLD, Input, Spec, artefact_name, iteration_keys
from climb_assets.store.artifacts import Artifact, Draft, Order, canonical_json, sha256_text
from climb_assets.store.opening import open_store
from climb_assets.store.store import Store

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Made:
    """An artefact that is now current; `fresh` says whether it was computed just now or found done."""

    artifact: Artifact
    fresh: bool


@dataclass
class Materializer:
    """Makes artefacts of one configuration in one lake.

    Parameters
    ----------
    progress
        Called as ``progress(what, done, total)`` while long work goes on.
    run_id
        The run that makes what is made; None outside one.
    """

    config: Config
    progress: Progress = silent
    run_id: str | None = None
    store: Store = field(init=False)
    raw: RawVersions = field(init=False)
    _order: Order | None = field(init=False, default=None)
    _environments: dict[str, Environment] = field(init=False, default_factory=dict)
    _settings_of: dict[tuple[str, str | None], dict[str, Any]] = field(init=False, default_factory=dict)
    _digests: dict[Path, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.store = open_store(self.config)
        self.raw = RawVersions(self.config, self.store)

    def refresh(self) -> None:
        """Forget what was seen of the raw folder, of models and tasks: look again."""
        self.raw.forget()
        self._digests.clear()

    @cached_property
    def digests(self) -> DigestCache | None:
        """The digests of files outside the lake, so that planning reads no content twice; None: it may not write."""
        folder = self.config.lake / "cache"
        there = next(path for path in (folder, *folder.parents) if path.is_dir())
        return DigestCache(folder / "digests.sqlite") if os.access(there, os.W_OK) else None

    def listing(self) -> Listing:
        """Return the shards under the raw folder and the names that were rejected, as last seen."""
        return self.raw.listing()

    def partitions(self, spec: Spec) -> list[str | None]:
        """Return the partition keys that an asset should have now."""
        match spec.dimension:
            case "shard":
                return list(self.listing().shards)
            case "iteration":
                return list(iteration_keys(self.config))
            case "objective":
                return list(self.config.objectives)
            case _:
                return [None]

    def input_keys(self, spec: Spec, partition: str | None) -> Iterator[tuple[Input, str | None]]:
        """Yield each input with each partition key of it that this partition reads, `raw_corpus` left out."""
        for entry in spec.inputs:
            if entry.asset == "raw_corpus" or not entry.used(self.config):
                continue
            upstream = SPEC[entry.asset]
            if upstream.dimension is None:
                yield entry, None
                continue
            if entry.reach == "same":  # as most are: no partition is looked for among all
                yield entry, partition
                continue
            keys = self.partitions(upstream)
            if entry.reach == "all":
                yield from ((entry, key) for key in keys)
            elif entry.reach in ("first", "last"):
                yield entry, keys[0 if entry.reach == "first" else -1]
            elif keys.index(partition) > 0:  # previous
                yield entry, keys[keys.index(partition) - 1]

    def order(self, asset: str, partition: str | None = None) -> Order:
        """Return what making this partition now would mean.

        Raises
        ------
        MissingArtifact
            An input has not been made yet.
        ConfigError
            A file that the configuration names is absent.
        """
        spec = SPEC[asset]
        inputs = {}
        for entry, key in self.input_keys(spec, partition):
            inputs[entry.asset if key is None else f"{entry.asset}@{key}"] = self.store.get(
                entry.asset, key
            ).data_version
        return self.order_from(spec, partition, inputs)

    def order_from(self, spec: Spec, partition: str | None, inputs: dict[str, str]) -> Order:
        """Return the order for given versions of the inputs that are artefacts; adds those that are not."""
        environment = self.environment(spec)
        return Order(
            asset=spec.asset,
            partition=partition,
            inputs=inputs | self._outside(spec, partition),
            config=self._settings(spec, partition) | self._generation(spec),
            code=code_at_start(*spec.functions),
            environment=environment.record,
            counted=counted(environment, self.config.runtime.environment),
        )

    def _settings(self, spec: Spec, partition: str | None) -> dict[str, Any]:
        """Return the settings of a partition, which are the same for all shards."""
        place = (spec.asset, None if spec.dimension == "shard" else partition)
        if place not in self._settings_of:
            self._settings_of[place] = dict(spec.settings(self.config, partition))
        return self._settings_of[place]

    def _generation(self, spec: Spec) -> dict[str, int]:
        return {} if spec.kept is None else {GENERATION: generation_of(self.store, spec.kept)}

    def kept(self, asset: str, partition: str | None = None) -> Artifact | None:
        """Return the current artefact of a kept asset if it is still the one to use; None where it is to be made.

        Its inputs may have moved on; what decides of them, and all else that it is made from, is as it was.
        """
        spec, current = SPEC[asset], self.store.current(asset, partition)
        if spec.kept is None or current is None or not current.is_complete():
            return None
        recorded = current.manifest["inputs"]
        inputs = {name: version for name, version in recorded.items() if not decides(spec, name)}
        for entry, key in self.input_keys(spec, partition):
            name = artefact_name(entry.asset, key)
            if decides(spec, name):
                upstream = self.store.current(entry.asset, key)
                inputs[name] = "" if upstream is None else upstream.data_version
        order = self.order_from(spec, partition, inputs)
        return current if current.answers(replace(order, inputs=inputs | deciding(spec, order.inputs))) else None

    def environment(self, spec: Spec) -> Environment:
        """Return what an asset's numbers depend on besides code, configuration and data, as first seen."""
        if spec.asset not in self._environments:
            self._environments[spec.asset] = spec.environment(self.config)
        return self._environments[spec.asset]

    def _outside(self, spec: Spec, partition: str | None) -> dict[str, str]:
        """Versions of what no spec makes: raw files, model folders, task files, what people have told."""
        spec.require_files(self.config)
        versions = {f"file:{name}": self.digest(path) for name, path in spec.files(self.config).items()}
        if spec.asset == "raw_shards":
            assert partition is not None
            versions[f"raw:{partition}"] = self.raw.version(partition, self.digests)
        if any(entry.asset == "raw_corpus" for entry in spec.inputs):
            versions["raw_corpus"] = self.raw.listing_version()
        if spec.told(self.config) and (told := self.store.current(TOLD)) is not None:
            versions[TOLD] = told.data_version
        if spec.lineage:
            versions["lineage:fingerprints"] = self._lineage(spec, partition)
        return versions

    def _lineage(self, spec: Spec, partition: str | None) -> str:
        """Return a hash over how everything that a partition rests on was made, whatever came out."""
        found: dict[str, str | None] = {}
        for asset in sorted(ancestors(spec.asset, self.config) - {spec.asset}):
            keys = [partition] if SPEC[asset].dimension == spec.dimension else self.partitions(SPEC[asset])
            found |= {artefact_name(asset, key): self.store.reference(asset, key) for key in keys}
        return sha256_text(canonical_json(found))[:32]

    def digest(self, path: Path) -> str:
        """Return a hash over the contents of a file or folder outside the lake, as last seen."""
        if path not in self._digests:
            self._digests[path] = digest_files(path, self.digests)
        return self._digests[path]

    def make(self, asset: str, partition: str | None = None) -> Made:
        """Make a partition of an asset by the function of its name unless it is there; see `make_by`."""
        return self.make_by(SPEC[asset].load(), asset, partition)

    def make_by(self, function: Callable[..., None], asset: str, partition: str | None = None) -> Made:
        """Make a partition of an asset by a function unless it is there, and let the reference name it.

        While the function works, `get` hands out exactly the inputs of the order, whatever the references name by then.

        Parameters
        ----------
        function
            ``(climb, partition, draft)``, or ``(climb, draft)`` where the asset has no partitions.

        Raises
        ------
        ComputeError
            The source code was changed meanwhile.
        TransientError
            Its inputs and its reference were changed by another run meanwhile.
        ClimbError
            What the function says.
        """
        with self.store.in_use():
            return self._make(function, asset, partition)

    def _make(self, function: Callable[..., None], asset: str, partition: str | None) -> Made:
        kept = self.kept(asset, partition)
        if kept is not None and self.store.is_sound(kept):
            return Made(kept, False)
        replaced = self.store.reference(asset, partition)
        spec, order = SPEC[asset], self.order(asset, partition)

        def write(draft: Draft) -> None:
            self.raw.require_settled(asset, partition)
            start = time.perf_counter()
            with self.making(order):
                function(self, draft) if partition is None else function(self, partition, draft)
            if code_of(*spec.functions) != order.code:
                raise ComputeError(f"the source code of {asset} was changed while it was made; start again")
            draft.run["seconds"] = round(time.perf_counter() - start, 3)
            if self.run_id is not None:
                draft.run["run_id"] = self.run_id

        current = self.store.current(asset, partition)
        if current is not None and current.is_complete() and current.answers(order) and self.store.is_sound(current):
            return Made(current, False)  # by another policy's name
        artifact, fresh = self.store.put(order, write, resumable=spec.resumable)
        self._point(artifact, replaced)
        return Made(artifact, fresh)

    @contextlib.contextmanager
    def making(self, order: Order) -> Iterator[None]:
        """Let `get` hand out exactly the inputs of an order until the block ends."""
        self._order = order
        try:
            yield
        finally:
            self._order = None

    def _point(self, artifact: Artifact, replaced: str | None) -> None:
        """Let the reference name an artefact.

        Where another run moved it meanwhile, it is moved again only if the artefact is still what is to be made: of two
        configurations on one lake the later one stands, but slow work on old inputs never replaces what was made after.

        Parameters
        ----------
        replaced
            What the reference named before the work began.
        """
        asset, partition = artifact.asset, artifact.partition
        while not self.store.swap(asset, partition, replaced, artifact.fingerprint):
            replaced = self.store.reference(asset, partition)
            if self.order(asset, partition).fingerprint != artifact.fingerprint:
                name = artefact_name(asset, partition)
                raise TransientError(f"{name} was made from newer inputs by another run meanwhile; run again")

    def get(self, asset: str, partition: str | None = None) -> Artifact:
        """Return the current artefact of a partition or, while one is being made, the input that its order names.

        Raises
        ------
        MissingArtifact
            It has not been made yet, or is no longer there in that version.
        ComputeError
            What is being made reads an input that its spec does not declare, which is a defect.
        """
        if self._order is None:
            return self.store.get(asset, partition)
        name = artefact_name(asset, partition)
        version = self._order.inputs.get(name)
        if version is None:
            raise ComputeError(f"{self._order.asset} reads {name}, which its spec does not declare; report this")
        artifact = self.store.with_data_version(asset, partition, version)
        if artifact is None:
            raise MissingArtifact(f"{name} has changed since it was asked for; run `climb up`")
        return artifact

    @property
    def made_now(self) -> tuple[str, str | None] | None:
        """The asset and the partition that are being made; None where none is."""
        return None if self._order is None else (self._order.asset, self._order.partition)

    def told(self) -> Artifact | None:
        """Return what people have told of models that they trained, as it was ordered; None where there is nothing."""
        return self.get(TOLD) if self._order is not None and TOLD in self._order.inputs else None

    def earlier(self, order: Order) -> Artifact | None:
        """Return the current artefact of what is being made, if it is sound and other inputs alone make it stale.

        What can be renewed piece by piece may take from it what is still true; what it writes must not depend on it.
        """
        artifact = self.store.current(order.asset, order.partition)
        if artifact is None or not artifact.answers(replace(order, inputs=artifact.manifest["inputs"])):
            return None
        return artifact if self.store.is_sound(artifact) else None

    def version_named(self, asset: str, partition: str | None, data_version: str) -> Artifact:
        """Return an artefact that an input names by its data version; it may be of an earlier state of the corpus.

        Raises
        ------
        MissingArtifact
            The lake no longer holds it.
        """
        artifact = self.store.with_data_version(asset, partition, data_version)
        if artifact is None:
            name = artefact_name(asset, partition)
            raise MissingArtifact(
                f"{name}, which the search was begun with, is no longer there in that version; run "
                "`climb renew search`, then `climb up`"
            )
        return artifact

"""The planner: what is stale, why, and what redoing it will cost. Exact at any number of partitions.

What belongs here: comparing the lake with what the specs would make now. Dagster's own staleness shows
direct causes only and stops tracking at 100 upstream partitions. Nothing here runs or imports Dagster.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from climb_assets.config import Config
from climb_assets.environment import Difference, differences
from climb_assets.errors import ArgumentError, ClimbError, ConfigError
from climb_assets.graph.assets import SEARCH, SPEC, SPECS, ancestors, check_outside_files, checks_against
from climb_assets.graph.estimates import Cost, Estimates, Node, add_up, models_of
from climb_assets.graph.kept import (
    DRIFT,
    FITTED_ON,
    GENERATION,
    GROUPS,
    READ_LIVE,
    Drift,
    KeptGroup,
    compare_with_fit,
    counted_shards,
    decides,
    deciding,
)
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import Spec, artefact_name, load_function
from climb_assets.store.artifacts import Artifact, Order

TOKENS = "training_tokens"  # of whoever trains

Kind = Literal["code", "config", "data", "environment", "missing"]
State = Literal["current", "kept", "perhaps stale", "stale"]


@dataclass(frozen=True)
class Cause:
    """One reason for redoing: what kind of thing changed, and which."""

    kind: Kind
    input: str


@dataclass(frozen=True)
class StaleItem:
    """A partition that is stale.

    `certain` is False where an input will be redone first and may come out unchanged, so that this
    partition may turn out to be fresh. `estimate_s` is None where nobody has measured anything like it.
    """

    asset: str
    partition: str | None
    causes: tuple[Cause, ...]
    estimate_s: float | None
    certain: bool

    @property
    def name(self) -> str:
        """The item as people write it: ``asset`` or ``asset[partition]``."""
        return self.asset if self.partition is None else f"{self.asset}[{self.partition}]"


@dataclass(frozen=True)
class Elsewhere:
    """What was made in another environment and is not stale by that, since `runtime.environment` says so.

    Parameters
    ----------
    partitions
        The assets, and how many partitions of each.
    """

    difference: Difference
    partitions: Mapping[str, int]


@dataclass(frozen=True)
class Plan:
    """Everything that is stale, inputs before what is made from them; what another environment made; what is kept."""

    stale: tuple[StaleItem, ...]
    removed: tuple[Node, ...] = field(default=())
    elsewhere: tuple[Elsewhere, ...] = field(default=())
    kept: tuple[KeptGroup, ...] = field(default=())

    @property
    def certain(self) -> tuple[StaleItem, ...]:
        """The items that will be redone whatever comes out before them."""
        return tuple(item for item in self.stale if item.certain)

    def state_of(self, asset: str, partition: str | None = None) -> State:
        """Return whether what there is of a partition is of the current graph; one that is gone from it is stale.

        What is kept over changes of the corpus is of the current graph too, and is called `kept` once there was one.
        """
        item = self._by_node.get((asset, partition))
        if item is not None:
            return "stale" if item.certain else "perhaps stale"
        if (asset, partition) in self.removed:
            return "stale"
        return "kept" if any(asset in group.assets and group.since for group in self.kept) else "current"

    @cached_property
    def _by_node(self) -> Mapping[Node, StaleItem]:
        return {(item.asset, item.partition): item for item in self.stale}

    def cost(self, config: Config) -> Cost:
        """Return what redoing all of it costs at most."""
        return add_up(((item.asset, item.partition, item.estimate_s) for item in self.stale), config)

    def as_json(self) -> dict[str, Any]:
        """Return the plan in the form that `climb plan --json` prints."""
        elsewhere = [{**asdict(one.difference), "partitions": dict(one.partitions)} for one in self.elsewhere]
        kept = [asdict(group) for group in self.kept]
        return {"stale": [asdict(item) for item in self.stale], "environment": elsewhere, "kept": kept}


def make_plan(materializer: Materializer, to: str | None = None) -> Plan:
    """Compare the lake with the specs, and return what is stale.

    Parameters
    ----------
    to
        Plan only this asset and what it is made from.

    Raises
    ------
    ClimbError
        There is no such asset, a file that the configuration names is not there or not what it should be, or a task
        names what a corpus lacks that is known and not stale.
    """
    if to is not None and to not in SPEC:
        raise ArgumentError(f"{to!r} is no asset; choose one of {', '.join(SPEC)}")
    with materializer.store.glance():
        return _make_plan(materializer, to)


def _make_plan(materializer: Materializer, to: str | None) -> Plan:
    materializer.refresh()
    wanted = ancestors(to, materializer.config) if to else {spec.asset for spec in SPECS}
    check_outside_files(materializer.config, wanted)
    if "raw_shards" in wanted:
        materializer.raw.hash_ahead(materializer.digests)
    current = {node: _find(materializer, node) for node in _nodes(materializer, wanted)}
    stale: dict[Node, StaleItem] = {}
    estimates = Estimates(materializer.config, materializer.store, current)
    for node in current:
        causes, certain = _compare(materializer, node, current, stale)
        if causes:
            changed = any(cause.kind in ("config", "environment") and cause.input != GENERATION for cause in causes)
            renewed = (TOKENS, None) in stale
            changed |= renewed and bool(models_of(*node, materializer.config))  # none of them is found
            seconds = estimates.seconds(node, changed=changed, renewed=renewed)
            stale[node] = StaleItem(*node, tuple(causes), seconds, certain)
    fresh = {node: artifact for node, artifact in current.items() if artifact is not None and node not in stale}
    kept = tuple(_kept(materializer, current, stale, fresh))
    for spec, asset, function in checks_against(wanted):
        made = fresh.get((asset, None))
        if made is not None and not (spec.kept and (spec.asset, None) in fresh):
            _check_against(materializer.config, made, function, kept)
    return Plan(
        tuple(stale.values()),
        tuple(_removed(materializer, wanted)),
        tuple(_elsewhere(materializer, fresh.values())),
        kept,
    )


def _check_against(config: Config, made: Artifact, function: str, kept: Iterable[KeptGroup]) -> None:
    try:
        load_function(function)(config, made)
    except ConfigError as error:
        for group in kept:
            if made.asset in group.assets and group.since:
                since = f"the {group.group} was begun before {counted_shards(group.since)} changed"
                advice = f"`climb renew {group.group}` begins one from today's corpus"
                raise ConfigError(f"{error}; {since}; {advice}") from None
        raise


def check_against_lake(config: Config, assets: Collection[str]) -> None:
    """Check the configuration against what some assets will be made from, as far as that is there and not stale.

    Raises
    ------
    ClimbError
        What does not fit; see `Spec.check_against`.
    """
    for spec, asset, function in checks_against(assets):
        materializer = Materializer(config)  # it looks at the raw folder anew, and a run goes on with what it saw
        try:
            plan, kept = make_plan(materializer, asset), materializer.kept(spec.asset)
        except ClimbError:  # whether that is stale cannot be said
            continue
        made = materializer.store.current(asset)
        if made is not None and kept is None and plan.state_of(asset) in ("current", "kept"):
            load_function(function)(config, made)


def _elsewhere(materializer: Materializer, fresh: Iterable[Artifact]) -> Iterator[Elsewhere]:
    """Yield what differs of the environments of what is fresh, each difference once."""
    found: dict[Difference, Counter[str]] = {}
    for artifact in fresh:
        now = materializer.environment(SPEC[artifact.asset]).record
        before = artifact.environment  # empty: it was made before environments were recorded
        if before and before != now:
            for difference in differences(before, now):
                found.setdefault(difference, Counter())[artifact.asset] += 1
    yield from (Elsewhere(difference, partitions) for difference, partitions in found.items())


def _kept(
    materializer: Materializer,
    current: Mapping[Node, Artifact | None],
    stale: Mapping[Node, StaleItem],
    fresh: Mapping[Node, Artifact],
) -> Iterator[KeptGroup]:
    """Yield the groups that are kept, with what has come since they were fitted on documents.

    A group is kept as long as nothing of it that the live corpus rests on is to be made anew.
    """
    for group in GROUPS:
        members = [spec for spec in SPECS if spec.kept == group and spec.asset in READ_LIVE]
        fitted = [fresh.get((spec.asset, None)) for spec in members if FITTED_ON in {one.asset for one in spec.inputs}]
        if fitted and fitted[0] is not None and all((spec.asset, None) not in stale for spec in members):
            versions: dict[str, str | None] = {}
            for shard in materializer.listing().shards:
                made, item = current[FITTED_ON, shard], stale.get((FITTED_ON, shard))
                versions[shard] = None if made is None or (item is not None and item.certain) else made.data_version
            measured = fresh.get((DRIFT.get(group, ""), None))
            drift = _drift(measured, materializer.config) if measured is not None else None
            yield compare_with_fit(group, fitted[0], versions, drift)


def _drift(measured: Artifact, config: Config) -> Drift:
    facts = measured.summary
    return Drift(facts["token_drift"], facts["token_drift_noise"], config.taxonomy.drift)


def _nodes(materializer: Materializer, wanted: set[str]) -> list[Node]:
    """Every partition, inputs before what is made from them.

    The search is walked by iteration before asset: each iteration's candidates need the predictor before it.
    """
    nodes = [(spec.asset, key) for spec in SPECS if spec.asset in wanted for key in materializer.partitions(spec)]
    search = [node for node in nodes if node[0] in SEARCH]
    if not search:
        return nodes
    first = nodes.index(search[0])
    rest = [node for node in nodes if node[0] not in SEARCH]
    return rest[:first] + sorted(search, key=lambda node: str(node[1])) + rest[first:]


def _find(materializer: Materializer, node: Node) -> Artifact | None:
    """Return the current artefact of a partition; one that lost a file is not there."""
    artifact = materializer.store.current(*node)
    return artifact if artifact is not None and artifact.is_complete() else None


def _removed(materializer: Materializer, wanted: set[str]) -> list[Node]:
    """Partitions that the lake still refers to although they are gone from the corpus or the configuration."""
    gone: list[Node] = []
    for spec in SPECS:
        if spec.dimension is not None and spec.asset in wanted:
            expected = set(materializer.partitions(spec))
            gone += [(spec.asset, key) for key in materializer.store.partitions(spec.asset) if key not in expected]
    return gone


def _compare(
    materializer: Materializer, node: Node, current: Mapping[Node, Artifact | None], stale: Mapping[Node, StaleItem]
) -> tuple[list[Cause], bool]:
    """Return why a partition is stale (empty: it is fresh), and whether that is certain."""
    spec, partition, artifact = SPEC[node[0]], node[1], current[node]
    if artifact is None:
        return [Cause("missing", spec.asset)], True
    versions: dict[str, str] = {}
    redone: list[str] = []
    changing: list[str] = []
    for entry, key in materializer.input_keys(spec, partition):
        name = artefact_name(entry.asset, key)
        if not decides(spec, name):
            continue
        item = stale.get((entry.asset, key))
        if item is not None:
            certainly = SPEC[entry.asset].faithful and any(cause.kind == "data" for cause in item.causes)
            (changing if certainly else redone).append(name)
        upstream = current[entry.asset, key]
        if upstream is not None:
            versions[name] = upstream.data_version
    order = materializer.order_from(spec, partition, versions)
    certain = _differences(spec, artifact, order, redone + changing) + [Cause("data", name) for name in changing]
    if certain:
        return certain, True
    return [Cause("data", name) for name in redone], False


def _differences(spec: Spec, artifact: Artifact, order: Order, redone: list[str]) -> list[Cause]:
    """Return what differs for certain; inputs that will be redone are left out, they may come out unchanged."""
    manifest = artifact.manifest
    causes = [Cause("code", name) for name in _changed(manifest["code"], order.code)]
    if manifest["config"] != order.config:
        causes += [Cause("config", name) for name in _changed(_flat(manifest["config"]), _flat(order.config))]
    before, now = artifact.environment, order.environment
    causes += [
        Cause("environment", f"{name} {before.get(name, 'not recorded')} -> {now[name]}")
        for name in sorted(order.counted)
        if before.get(name) != now[name]
    ]
    had, has = deciding(spec, manifest["inputs"]), deciding(spec, order.inputs)
    for name in redone:
        if name in had:  # an input that was not counted before makes a difference whatever it holds
            had.pop(name)
            has.pop(name, None)
        else:
            has.setdefault(name, "")
    causes += [Cause("data", name) for name in _changed(had, has)]
    return causes


def _changed(before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    return sorted(
        key for key in {*before, *after} if key not in before or key not in after or before[key] != after[key]
    )


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested configuration values as dotted keys."""
    if not isinstance(value, dict):
        return {prefix: list(value) if isinstance(value, tuple) else value}
    if not value:
        return {prefix: {}}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return flat

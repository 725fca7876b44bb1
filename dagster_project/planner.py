"""The planner: what is stale, why, and what redoing it will cost. Exact at any number of partitions.

What belongs here: comparing the lake with what the recipes would make now. Dagster's own staleness shows
direct causes only and stops tracking at 100 upstream partitions. Nothing here runs or imports Dagster.
"""

from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any, Literal

from climb_assets.lake import Artifact, Order
from climb_assets.recipes import RECIPE, RECIPES, SEARCH, Recipe
from climb_assets.workshop import Workshop

Kind = Literal["code", "config", "data", "environment", "missing"]
Node = tuple[str, str | None]


@dataclass(frozen=True)
class Cause:
    """One reason for redoing: what kind of thing changed, and which."""

    kind: Kind
    input: str


@dataclass(frozen=True)
class StaleItem:
    """A partition that is stale.

    `certain` is False where an input will be redone first and may come out unchanged, so that this
    partition may turn out to be fresh.
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
class Plan:
    """Everything that is stale, inputs before what is made from them."""

    stale: tuple[StaleItem, ...]
    removed: tuple[Node, ...] = field(default=())

    @property
    def certain(self) -> tuple[StaleItem, ...]:
        """The items that will be redone whatever comes out before them."""
        return tuple(item for item in self.stale if item.certain)

    def as_json(self) -> dict[str, Any]:
        """Return the plan in the form that `climb plan --json` prints."""
        return {"stale": [asdict(item) for item in self.stale]}


def make_plan(workshop: Workshop, to: str | None = None) -> Plan:
    """Compare the lake with the recipes, and return what is stale.

    Parameters
    ----------
    to
        Plan only this asset and what it is made from.
    """
    workshop.refresh()
    wanted = _ancestors(to) if to else {recipe.asset for recipe in RECIPES}
    stale: dict[Node, StaleItem] = {}
    for recipe in RECIPES:
        if recipe.asset not in wanted:
            continue
        current = {key: workshop.lake.current(recipe.asset, key) for key in workshop.partitions(recipe)}
        for partition, artifact in current.items():
            causes, certain = _compare(workshop, recipe, partition, artifact, stale)
            if causes:
                estimate = _estimate(artifact, list(current.values()))
                node = (recipe.asset, partition)
                stale[node] = StaleItem(recipe.asset, partition, tuple(causes), estimate, certain)
    return Plan(tuple(_walk_iterations(list(stale.values()))), tuple(_removed(workshop, wanted)))


def _walk_iterations(items: list[StaleItem]) -> list[StaleItem]:
    """Order the search by iteration before asset: each iteration's candidates need the predictor before it."""
    search = [item for item in items if item.asset in SEARCH]
    if not search:
        return items
    first = items.index(search[0])
    rest = [item for item in items if item not in search]
    return rest[:first] + sorted(search, key=lambda item: str(item.partition)) + rest[first:]


def _ancestors(asset: str) -> set[str]:
    recipes = {recipe.asset: recipe for recipe in RECIPES}
    found: set[str] = set()
    waiting = [asset]
    while waiting:
        name = waiting.pop()
        if name in recipes and name not in found:
            found.add(name)
            waiting.extend(entry.asset for entry in recipes[name].inputs)
    return found


def _removed(workshop: Workshop, wanted: set[str]) -> list[Node]:
    """Partitions that the lake still refers to although they are gone from the corpus or the configuration."""
    gone: list[Node] = []
    for recipe in RECIPES:
        if recipe.dimension is not None and recipe.asset in wanted:
            expected = set(workshop.partitions(recipe))
            gone += [(recipe.asset, key) for key in workshop.lake.partitions(recipe.asset) if key not in expected]
    return gone


def _compare(
    workshop: Workshop, recipe: Recipe, partition: str | None, artifact: Artifact | None, stale: dict[Node, StaleItem]
) -> tuple[list[Cause], bool]:
    """Return why a partition is stale (empty: it is fresh), and whether that is certain."""
    if artifact is None:
        return [Cause("missing", recipe.asset)], True
    versions: dict[str, str] = {}
    redone: list[str] = []
    changing: list[str] = []
    for entry, key in workshop.input_keys(recipe, partition):
        name = entry.asset if key is None else f"{entry.asset}@{key}"
        item = stale.get((entry.asset, key))
        if item is not None:
            certainly = RECIPE[entry.asset].faithful and any(cause.kind == "data" for cause in item.causes)
            (changing if certainly else redone).append(name)
        upstream = workshop.lake.current(entry.asset, key)
        if upstream is not None:
            versions[name] = upstream.data_version
    order = workshop.order_from(recipe, partition, versions)
    certain = _differences(artifact, order, redone + changing) + [Cause("data", name) for name in changing]
    if certain:
        return certain, True
    return [Cause("data", name) for name in redone], False


def _differences(artifact: Artifact, order: Order, redone: list[str]) -> list[Cause]:
    """Return what differs for certain; inputs that will be redone are left out, they may come out unchanged."""
    manifest = artifact.manifest
    causes = [Cause("code", name) for name in _changed(manifest["code"], order.code)]
    causes += [Cause("config", name) for name in _changed(_flat(manifest["config"]), _flat(order.config))]
    had, has = dict(manifest["inputs"]), dict(order.inputs)
    for name in redone:
        if name in had:  # an input that was not counted before makes a difference whatever it holds
            had.pop(name)
            has.pop(name, None)
        else:
            has.setdefault(name, "")
    causes += [Cause("data", name) for name in _changed(had, has)]
    return causes


def _changed(before: Any, after: Any) -> list[str]:
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


def _estimate(artifact: Artifact | None, siblings: list[Artifact | None]) -> float | None:
    """Return the seconds that this partition took last time, else what its siblings took on average."""
    known = [artifact] if artifact is not None else [sibling for sibling in siblings if sibling is not None]
    return round(fmean(float(item.run["seconds"]) for item in known), 1) if known else None

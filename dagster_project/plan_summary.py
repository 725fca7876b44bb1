"""What people read of a plan: what is stale, why, and what it will cost.

What belongs here: text for the terminal, from a plan alone, and whether to ask before it is begun.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

from tabulate import tabulate

from climb_assets.config import Runtime
from climb_assets.errors import ArgumentError
from climb_assets.graph.estimates import Cost, in_hours
from climb_assets.graph.planner import Cause, Elsewhere, Plan, StaleItem
from climb_assets.graph.spec import place_of

SHOWN = 3  # of causes, and of partitions, by name


def _alike(stale: Iterable[StaleItem]) -> list[list[StaleItem]]:
    """Return the partitions of each asset that are stale for the same reasons together, so that a row tells of all."""
    groups: dict[Hashable, list[StaleItem]] = {}
    for item in stale:
        reasons = frozenset((cause.kind, _asset_of(cause)) for cause in item.causes)
        groups.setdefault((item.asset, item.certain, reasons), []).append(item)
    return list(groups.values())


def _asset_of(cause: Cause) -> str:
    return place_of(cause.input)[0] if cause.kind == "data" else cause.input


def _row(items: Sequence[StaleItem]) -> list[str]:
    first = items[0]
    name = first.name if len(items) == 1 else f"{first.asset}[{_count([str(item.partition) for item in items])}]"
    seconds = [item.estimate_s for item in items]
    known = [value for value in seconds if value is not None]
    takes = in_hours(sum(known)) if len(known) == len(seconds) else "unknown"
    return [name, "yes" if first.certain else "perhaps", _describe_causes(items), takes]


def _count(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= SHOWN else f"{len(names):,} partitions"


def _describe_causes(items: Sequence[StaleItem]) -> str:
    """Return why partitions are stale, the inputs that are partitions of one asset together."""
    groups: dict[tuple[str, str], list[str]] = {}
    for cause in items[0].causes:
        groups.setdefault((cause.kind, _asset_of(cause)), []).append(cause.input)
    alone = len(items) == 1
    told = [f"{kind}: {_inputs(asset, inputs) if alone else asset}" for (kind, asset), inputs in groups.items()]
    return ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")


def _inputs(asset: str, inputs: Sequence[str]) -> str:
    return inputs[0] if len(inputs) == 1 else f"{asset} ({_count([place_of(name)[1] or '' for name in inputs])})"


def _describe_elsewhere(one: Elsewhere) -> str:
    before, now = one.difference.before or "none", one.difference.now or "none"
    assets = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in one.partitions.items())
    return f"Made with another {one.difference.name} ({before}, now {now}), as runtime.environment allows: {assets}."


def describe_plan(plan: Plan, advice: Mapping[str, str], cost: Cost) -> str:
    """Return a plan as text: what is stale, why, and what it will cost; `advice` is whether to search on, by objective.

    The advice is of an iteration beyond `search.iterations`, for whoever sets them.
    """
    told = [_describe_elsewhere(one) for one in plan.elsewhere]
    told += [f"{group.in_words()}." for group in plan.kept]
    told += [f"Another iteration for {objective}? {sentence}." for objective, sentence in advice.items()]
    if not plan.stale:
        return "\n".join(["Nothing is stale.", *told])
    rows = [_row(items) for items in _alike(plan.stale)]
    total = f"{len(plan.certain)} of {len(plan.stale)} stale for certain; {cost.in_words()}"
    table = tabulate(rows, ["stale", "certain", "because of", "estimate"], maxcolwidths=[60, None, 60, None])
    return "\n".join([table, total, *told])


def beyond_bounds(cost: Cost, runtime: Runtime) -> bool:
    """Return whether a cost is beyond what the configuration lets `climb up` begin unasked."""
    return cost.seconds > runtime.confirm_hours * 3600 or cost.model_bytes > runtime.confirm_gigabytes * 1e9


def require_consent(cost: Cost, runtime: Runtime, ask: Callable[[str], bool] | None) -> None:
    """Ask before work beyond the configured bounds.

    Parameters
    ----------
    ask
        Asks a person a question; None where there is nobody to ask.

    Raises
    ------
    ArgumentError
        There is nobody to ask, or the answer is no.
    """
    if not beyond_bounds(cost, runtime) or (ask is not None and ask(f"This takes {cost.in_words()}. Begin?")):
        return
    raise ArgumentError(
        f"nothing was begun: this takes {cost.in_words()}; give --yes to begin, or raise runtime.confirm_hours "
        f"({runtime.confirm_hours:g}) and runtime.confirm_gigabytes ({runtime.confirm_gigabytes:g})"
    )

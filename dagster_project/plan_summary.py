"""What people read of a plan: what is stale, why, and what it will cost.

What belongs here: text for the terminal, from a plan alone, and whether to ask before it is begun.
"""

from collections.abc import Callable, Mapping

from tabulate import tabulate

from climb_assets.config import Runtime
from climb_assets.errors import ConfigError
from climb_assets.graph.estimates import Cost, in_hours
from climb_assets.graph.planner import Elsewhere, Plan


def _describe_elsewhere(one: Elsewhere) -> str:
    before, now = one.difference.before or "none", one.difference.now or "none"
    assets = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in one.partitions.items())
    return f"Made with another {one.difference.name} ({before}, now {now}), as runtime.environment allows: {assets}."


def describe_plan(plan: Plan, advice: Mapping[str, str], cost: Cost) -> str:
    """Return a plan as text: what is stale, why, and what it will cost; `advice` is whether to search on, by objective.

    The advice decides nothing: it is for whoever sets `search.iterations`.
    """
    told = [_describe_elsewhere(one) for one in plan.elsewhere]
    told += [f"Another iteration for {objective}? {sentence}." for objective, sentence in advice.items()]
    if not plan.stale:
        return "\n".join(["Nothing is stale.", *told])
    rows = []
    for item in plan.stale:
        causes = [f"{cause.kind}: {cause.input}" for cause in item.causes]
        shown = ", ".join(causes[:3]) + (f" and {len(causes) - 3} more" if len(causes) > 3 else "")
        takes = "unknown" if item.estimate_s is None else in_hours(item.estimate_s)
        rows.append([item.name, "yes" if item.certain else "perhaps", shown, takes])
    total = f"{len(plan.certain)} of {len(plan.stale)} stale for certain; {cost.in_words()}"
    table = tabulate(rows, ["stale", "certain", "because of", "estimate"], maxcolwidths=[None, None, 60, None])
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
    ConfigError
        There is nobody to ask, or the answer is no.
    """
    if not beyond_bounds(cost, runtime) or (ask is not None and ask(f"This takes {cost.in_words()}. Begin?")):
        return
    raise ConfigError(
        f"nothing was begun: this takes {cost.in_words()}; give --yes to begin, or raise runtime.confirm_hours "
        f"({runtime.confirm_hours:g}) and runtime.confirm_gigabytes ({runtime.confirm_gigabytes:g})"
    )

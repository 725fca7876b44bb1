"""What people read of a plan: what is stale, why, and what it will cost.

What belongs here: text for the terminal, from a plan alone.
"""

from collections.abc import Mapping

from tabulate import tabulate

from climb_assets.graph.planner import Elsewhere, Plan


def _describe_elsewhere(one: Elsewhere) -> str:
    before, now = one.difference.before or "none", one.difference.now or "none"
    assets = ", ".join(name if count == 1 else f"{name} ({count})" for name, count in one.partitions.items())
    return f"Made with another {one.difference.name} ({before}, now {now}), as runtime.environment allows: {assets}."


def describe_plan(plan: Plan, advice: Mapping[str, str]) -> str:
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
        cost = "unknown" if item.estimate_s is None else f"{item.estimate_s:.1f} s"
        rows.append([item.name, "yes" if item.certain else "perhaps", shown, cost])
    known = [item.estimate_s for item in plan.stale if item.estimate_s is not None]
    total = f"{len(plan.certain)} of {len(plan.stale)} stale for certain; about {sum(known):.0f} s if all are redone"
    table = tabulate(rows, ["stale", "certain", "because of", "last took"], maxcolwidths=[None, None, 60, None])
    return "\n".join([table, total, *told])

"""Renewal by policy: what an update does once the corpus has drifted away from what is kept.

What belongs here: `taxonomy.renew`. What drift is, and when it is due, is `climb_assets.graph.kept`; a person renews by
`climb renew`.
"""

from collections.abc import Callable, Iterable

from climb_assets.config import Config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.kept import GENERATION, renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, StaleItem

AUTO = "auto"
TAXONOMY = frozenset(spec.asset for spec in SPECS if spec.kept == "taxonomy")


def renew_where_due(materializer: Materializer, plan: Plan, report: Callable[[str], None]) -> bool:
    """Renew what is due by a plan, or tell that it is; return whether either was done.

    An update asks this until it is, and then no more: so it renews once, whatever comes in the meantime.
    """
    due = [group for group in plan.kept if group.drift is not None and group.drift.is_due]
    for group in due:
        if materializer.config.taxonomy.renew == AUTO:
            generation = renew(materializer.store, group.group)
            report(f"{group.in_words()}: generation {generation} is made now (taxonomy.renew: {AUTO})")
        else:
            report(f"{group.in_words()}: `climb renew {group.group}` asks for that, and `climb up` does it")
    return bool(due)


def for_a_person(config: Config, items: Iterable[StaleItem]) -> list[StaleItem]:
    """Return which items of a search a person has to ask for.

    Under ``taxonomy.renew: auto`` these are not the taxonomy that is stale by its generation, nor what is behind it:
    the owner asked for it. Once a new taxonomy is made, only the update that renewed it goes on by itself.
    """
    items = list(items)
    pending = any(cause.input == GENERATION for item in items if item.asset in TAXONOMY for cause in item.causes)
    if config.taxonomy.renew != AUTO or not pending:
        return items
    return [item for item in items if item.certain and not _follows_renewal(item)]


def _follows_renewal(item: StaleItem) -> bool:
    """Return whether it is stale by nothing but its generation and other artefacts."""
    return all(
        cause.input == GENERATION if cause.kind == "config" else cause.kind == "data" and ":" not in cause.input
        for cause in item.causes
    )

"""Whether what is shown is of the current graph: made from what everything else would be made from now.

What belongs here: asking the planner, and words for its answer. After an interrupt behind new domains a lake holds
artefacts of two generations; each of them is whole, and together they tell of no corpus that there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from climb_assets.errors import ArgumentError, ClimbError
from climb_assets.graph.estimates import Node
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, make_plan
from climb_assets.graph.spec import artefact_name

STALE_OPTION = "--stale"


@dataclass(frozen=True)
class Generations:
    """What is of the current graph: a plan, or the reason why that cannot be said."""

    plan: Plan | None
    reason: str = ""

    def state_of(self, asset: str, partition: str | None = None) -> str:
        """Return ``current``, ``kept``, ``perhaps stale``, ``stale`` or ``unknown``."""
        return "unknown" if self.plan is None else self.plan.state_of(asset, partition)

    def as_json(self) -> list[str] | str:
        """Return the names of what is stale, or the reason why that cannot be said."""
        return self.reason if self.plan is None else [item.name for item in self.plan.stale]

    @property
    def kept(self) -> list[str]:
        """What is kept over changes of the corpus, each group in one line."""
        return [] if self.plan is None else [group.in_words() for group in self.plan.kept]

    def complaint(self, nodes: Iterable[Node]) -> str | None:
        """Return one sentence if some artefacts are not of the current graph, or if nobody can say; else None."""
        if self.plan is None:
            return f"whether this is of the current graph cannot be said: {self.reason}"
        states = {artefact_name(*node): self.plan.state_of(*node) for node in nodes}
        old = [f"{name} is {state}" for name, state in states.items() if state not in ("current", "kept")]
        if not old:
            return None
        more = f" and {len(old) - 3} more" if len(old) > 3 else ""
        return f"not of the current graph: {', '.join(old[:3])}{more}; see `climb plan`"


def look_at_generations(materializer: Materializer) -> Generations:
    """Return what is of the current graph; looks at the raw folder again."""
    try:
        return Generations(make_plan(materializer))
    except ClimbError as error:
        return Generations(None, str(error))


def require_current(generations: Generations, nodes: Iterable[Node], *, stale_too: bool) -> str | None:
    """Return what there is to say of artefacts that are about to leave the lake; None if they are current.

    Parameters
    ----------
    stale_too
        Whether the user asked for what is stale.

    Raises
    ------
    ArgumentError
        They are not of the current graph, and the user did not ask for that.
    """
    complaint = generations.complaint(nodes)
    if complaint is not None and not stale_too:
        raise ArgumentError(f"{complaint}, run `climb up`, or give {STALE_OPTION} to take it as it is")
    return complaint

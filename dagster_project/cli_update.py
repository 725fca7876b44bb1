"""Bringing a lake up to date from a command: with progress, and with the consent that a long one needs.

What belongs here: what commands that make something share. Commands are `cli` and its other files.
"""

import sys
from typing import TYPE_CHECKING

import click

from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan
from dagster_project.cli_options import notice

if TYPE_CHECKING:
    from dagster_project.progress import Reporter
    from dagster_project.update import Update

yes_option = click.option("--yes", is_flag=True, help="Begin without asking, also beyond runtime.confirm_hours.")


def update_with_consent(materializer: Materializer, to: str | None, reporter: "Reporter", *, yes: bool) -> "Update":
    """Bring assets up to date, up to one or all; ask first where it takes long and nobody said yes."""
    import warnings

    import dagster as dg

    from dagster_project.instance import open_instance

    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    from dagster_project.plan_summary import require_consent
    from dagster_project.update import bring_up_to_date

    def approve(plan: Plan) -> None:
        cost = plan.cost(materializer.config)
        hint = "" if cost.seconds else " `climb check` measures it on a sample."
        reporter.line(f"{len(plan.stale)} partition(s) to make: {cost.in_words()}.{hint}")
        if not yes:
            require_consent(cost, materializer.config.runtime, click.confirm if sys.stdin.isatty() else None)

    with open_instance(materializer.config.lake, notice) as instance:
        return bring_up_to_date(instance, materializer, to, reporter.line, approve, reporter.show_outlook)

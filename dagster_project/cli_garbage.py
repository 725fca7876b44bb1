"""`climb gc`: removes from a lake what nothing needs any more.

What belongs here: arguments, printing, and refusing where a run is under way. What is garbage is
`climb_assets.audit.garbage`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from climb_assets.errors import TransientError
from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable, printable_lines
from dagster_project.cli_options import json_option, notice
from dagster_project.private_files import load_privately
from dagster_project.strict_json import to_json

if TYPE_CHECKING:
    from climb_assets.audit.garbage import Garbage, Models

SHOWN = 10  # paths that are left alone; --json has all


@click.command("gc", epilog="Example: climb gc --delete")
@click.option("--delete", is_flag=True, help="Remove it; without this, only tell.")
@click.option(
    "--keep-models",
    "models",
    type=click.Choice(["used", "reusable", "all"]),
    default="reusable",
    show_default=True,
    help="Trained models to keep: those that current artefacts rest on; also those that other settings over the same "
    "training tokens would find again; all.",
)
@click.option("--keep-unfinished", is_flag=True, help="Keep what an interrupted `climb up` would go on from.")
@json_option
def collect(delete: bool, models: "Models", keep_unfinished: bool, as_json: bool) -> None:
    """Tell what of the lake no current artefact, answer or exported audit bundle needs; with --delete, remove it."""
    from climb_assets.audit.garbage import collect_garbage, find_garbage

    config = load_privately(notice=notice)
    materializer = Materializer(config)
    if delete:
        _require_no_run(config.lake)
    found = (collect_garbage if delete else find_garbage)(materializer, models, keep_unfinished=keep_unfinished)
    click.echo(to_json(found.as_json()) if as_json else printable_lines(describe(found)))


def _require_no_run(lake: Path) -> None:
    """Check that Dagster knows of no run that makes something, on another host either.

    Raises
    ------
    TransientError
        There is one.
    """
    import dagster as dg

    from dagster_project.dead_runs import UNFINISHED, close_dead_runs
    from dagster_project.instance import open_instance

    with open_instance(lake) as instance:
        close_dead_runs(instance)
        statuses = [*UNFINISHED, dg.DagsterRunStatus.CANCELING]
        runs = instance.get_runs(filters=dg.RunsFilter(statuses=statuses), limit=1)
    if runs:
        raise TransientError(
            f"the run {runs[0].run_id} is under way; wait for it or, if its process is gone, end it in `climb ui`, "
            "then run again"
        )


def describe(found: "Garbage") -> str:
    """Return what was found, for people."""
    lines = []
    for row in found.freed:
        if row.count:
            what = row.asset or row.kind
            lines.append(f"{what:<22} {row.count:>7,} of {row.of:<7,} {row.bytes:>16,} of {row.of_bytes:,} bytes")
    if found.digests:
        lines.append(f"{'digests of gone files':<22} {found.digests:>7,}")
    garbage = bool(lines)
    for bundle, (count, size) in found.bundles.items():
        if count:
            lines.append(f"Kept for export/{bundle} alone: {count} artefact(s), {size:,} bytes.")
    for path, reason in list(found.left.items())[:SHOWN]:
        lines.append(f"Left alone: {printable(path)} {reason}.")
    if len(found.left) > SHOWN:
        lines.append(f"Left alone: {len(found.left) - SHOWN} more; --json names them.")
    freed = found.before - found.after
    sizes = f"{found.before:,} bytes before, {found.after:,} after"
    if not garbage:
        lines.append(f"There is no garbage: {found.after:,} bytes.")
    elif found.deleted:
        lines.append(f"Removed: {sizes}, {freed:,} freed.")
    else:
        lines.append(f"Nothing was removed; `climb gc --delete` frees {freed:,} bytes: {sizes}.")
    return "\n".join(lines)

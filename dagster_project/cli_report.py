"""The command of `climb` that writes the report of an objective.

What belongs here: arguments and printing; the page is `climb_assets.audit.report.writer`.
"""

import webbrowser
from pathlib import Path

import click

from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable
from dagster_project.cli_options import notice, require_objective, require_outside
from dagster_project.private_files import load_privately


@click.command(epilog="Example: climb report general --open")
@click.argument("objective")
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: export/report-OBJECTIVE.html.")
@click.option("--open", "open_it", is_flag=True, help="Open it in a browser.")
def report(objective: str, out: Path | None, open_it: bool) -> None:
    """Write what was found for an objective as one page that begins with the answer and fetches nothing."""
    from climb_assets.audit.report.writer import answer_of, trace_report, write_report
    from dagster_project.generations import look_at_generations

    config = load_privately(notice=notice)
    require_objective(config, objective)
    file = out or config.lake / "export" / f"report-{objective}.html"
    require_outside(file, config)
    materializer = Materializer(config)
    complaint = look_at_generations(materializer).complaint([("optimal_mixture", objective)])
    with materializer.store.in_use():
        lineage = trace_report(materializer.store, objective)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_report(
            objective, lineage, file, [] if complaint is None else [f"When this was written it was {complaint}."]
        )
    if complaint is not None:
        notice(complaint)
    click.echo(printable(answer_of(objective, lineage), 1000))
    click.echo(f"{file}")
    if open_it:
        webbrowser.open(file.resolve().as_uri())

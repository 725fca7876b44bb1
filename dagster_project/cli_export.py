"""`climb export`: the data set of an objective, for those who train on it.

What belongs here: arguments and printing. The forms are `climb_assets.export`.
"""

from pathlib import Path

import click

from climb_assets.export.forms import FORMS, Form
from climb_assets.graph.materializer import Materializer
from dagster_project.cli_options import NOT_RECORDED, notice, require_objective, require_outside, stale_option
from dagster_project.generations import look_at_generations, require_current
from dagster_project.private_files import load_privately


@click.command("export", epilog="Example: climb export general --to data/ --format huggingface")
@click.argument("objective")
@click.option("--to", "out", type=click.Path(path_type=Path), help="Default: export/OBJECTIVE-FORMAT in the lake.")
@click.option("--format", "form", type=click.Choice(FORMS), default="huggingface", show_default=True)
@click.option("--tokens", is_flag=True, help="For megatron: .bin and .idx files rather than text.")
@click.option("--language", "languages", multiple=True, help="A language for the card, such as en; repeatable.")
@stale_option
def export(
    objective: str, out: Path | None, form: Form, tokens: bool, languages: tuple[str, ...], stale_too: bool
) -> None:
    """Write the data set of an objective with a card and checksums; what was broken off goes on."""
    from climb_assets.audit.differences.exported import record_export
    from climb_assets.export.data_set import read_data_set
    from climb_assets.export.export import export_data_set

    config = load_privately(notice=notice)
    require_objective(config, objective)
    folder = out or config.lake / "export" / f"{objective}-{form}"
    require_outside(folder, config)
    materializer = Materializer(config)
    with materializer.store.in_use():
        node = ("mixed_corpus", objective)
        corpus = materializer.get(*node)
        complaint = require_current(look_at_generations(materializer), [node], stale_too=stale_too)
        notes = [] if complaint is None else [f"When this was exported it was {complaint}."]
        data = read_data_set(materializer, objective, notes, with_tokens=tokens)
        exported = export_data_set(data, form, folder, tokens=tokens, languages=languages)
        if not record_export(materializer.store, folder, config.lake, form, corpus):
            notice(NOT_RECORDED)
    click.echo(f"{folder}")
    click.echo("It was there already, whole." if exported is None else exported.in_words())

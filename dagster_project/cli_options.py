"""What commands of `climb` in several files share: their options, and where they may write.

What belongs here: options and checks of arguments. Commands are `cli` and its other files.
"""

from pathlib import Path

import click

from climb_assets.config import Config
from climb_assets.store.files import real_path

CHECK_FAILED, TO_PUT_RIGHT, WAITING = 1, 2, 3  # exit codes

NOT_RECORDED = "the lake may not be written, so this is not in its ledger and `climb verify` passes it by"
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
stale_option = click.option("--stale", "stale_too", is_flag=True, help="Take it although it is not up to date.")


def notice(line: str) -> None:
    """Tell something beside the output."""
    click.echo(f"climb: {line}", err=True)


def require_objective(config: Config, objective: str) -> None:
    """Check that there is such an objective."""
    if objective not in config.objectives:
        raise click.BadParameter(f"{objective!r} is no objective; choose one of {', '.join(config.objectives)}")


def require_outside(folder: Path, config: Config) -> None:
    """Check that what is written into a folder takes the place of nothing that the lake is made from."""
    raw = config.corpus.raw
    if isinstance(raw, Path) and real_path(folder).is_relative_to(raw):
        raise click.BadParameter(f"{folder} lies in corpus.raw, so it would be read as a shard; name another folder")
    if config.search.evidence is not None and real_path(folder) == real_path(config.search.evidence):
        raise click.BadParameter(f"{folder} is search.evidence, which this search began with; name another folder")

"""The command of `climb` that begins a project.

What belongs here: arguments and printing; the work is done by `climb_assets.setup`.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from climb_assets.printable import printable

if TYPE_CHECKING:
    from climb_assets.setup.first_settings import FirstSettings
    from climb_assets.setup.raw_sample import RawSample

SHOWN = 8  # sources, and entries that are no shards, by name
CACHE_BYTES = 10**9  # of files of a bucket that are fetched to be looked at


@click.command(epilog="Example: climb init my-mixture --raw /data/texts")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--raw", required=True, help="The folder that holds your text, or an address such as s3://bucket/raw.")
@click.option(
    "--profile", type=click.Choice(["smoke", "demo", "evening", "paper"]), help="Default: by text and machine."
)
@click.option(
    "--encoder", help="Folder or name of a sentence-transformers model; default: climb fetch-encoder gets one."
)
def init(folder: Path, raw: str, profile: str | None, encoder: str | None) -> None:
    """Look at raw files and write a project for them: climb.yaml, workspace.yaml and the next commands."""
    from climb_assets.config import Corpus
    from climb_assets.corpus.raw_opening import open_place
    from climb_assets.environment import resolve_device
    from climb_assets.executor.capacity import measure_capacity
    from climb_assets.setup.first_settings import choose_profile, choose_settings, look_at, sampling_settings
    from climb_assets.setup.project_folder import (
        LAKE,
        WRITTEN,
        check_places,
        in_columns,
        next_commands,
        write_project,
    )
    from dagster_project.server import OUR_WORKSPACE

    corpus = sampling_settings(Corpus(raw=Path(raw).absolute() if "://" not in raw else raw))
    check_places(folder, corpus.raw)
    model = str(Path(encoder).absolute()) if encoder is not None and Path(encoder).is_dir() else encoder
    place = open_place(corpus, (folder / LAKE).absolute(), CACHE_BYTES)
    sample, column = look_at(place, profile or "demo", corpus.raw)
    chosen = profile or choose_profile(sample.text_bytes, measure_capacity().cores, resolve_device("auto"))
    if chosen != (profile or "demo"):  # which reads other texts and holds others out
        sample, column = look_at(place, chosen, corpus.raw)
    settings = choose_settings(sample, chosen, column)
    commands = next_commands(folder, encoder_missing=model is None)
    write_project(folder, corpus.raw, model, settings, sample, OUR_WORKSPACE.read_bytes(), commands)
    for line in _describe(str(place), sample, settings):
        click.echo(line)
    click.echo(f"Wrote {', '.join(WRITTEN)} into {folder}.\n\nNext:\n{in_columns(commands)}")


def _describe(where: str, sample: "RawSample", settings: "FirstSettings") -> list[str]:
    """Return what was found and chosen, as lines."""
    from climb_assets.setup.first_settings import TAKES
    from climb_assets.setup.raw_sample import in_bytes

    about = "" if sample.whole else "about "
    shards = f"{sample.shards} shard{'s' * (sample.shards != 1)}"
    lines = [f"Found in {printable(where)}: {shards}, {sample.files:,} files, {in_bytes(sample.bytes)}."]
    lines += [f"  {kind}: {printable(one.in_words(), 400)}" for kind, one in sorted(sample.formats.items())]
    for name, reason in list(sample.rejected.items())[:SHOWN]:
        lines.append(f"  not read: {printable(name, 100)}: {printable(reason, 200)}")
    if len(sample.rejected) > SHOWN:
        lines.append(f"  not read: {len(sample.rejected) - SHOWN} more entries")
    by_size = sorted(sample.documents, key=lambda source: -sum(sample.documents[source].values()))
    shown = [f"{printable(name, 60)} {sum(sample.documents[name].values()):,.0f}" for name in by_size[:SHOWN]]
    more = f" and {len(by_size) - SHOWN} more" if len(by_size) > SHOWN else ""
    lines.append(
        f"{about}{sample.total:,} documents, {in_bytes(sample.text_bytes)} of text ({sample.written_in()}), by source: "
        f"{', '.join(shown)}{more}."
    )
    tasks = list(settings.values["objectives"]["general"])
    lines.append(f"Profile {settings.profile}: {TAKES[settings.profile]}.")
    lines.append(f"The mixture is to be good at held-out text of {len(tasks)} sources: {', '.join(tasks)}.")
    return [line[:1].upper() + line[1:] for line in lines]

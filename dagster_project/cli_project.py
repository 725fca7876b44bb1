"""The commands of `climb` that begin a project and look whether it is ready.

What belongs here: arguments and printing; the work is done by `climb_assets.setup`.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tabulate import tabulate

from climb_assets.config import Config
from climb_assets.printable import printable
from dagster_project.cli_options import CHECK_FAILED, json_option, notice
from dagster_project.private_files import load_privately
from dagster_project.strict_json import to_json

if TYPE_CHECKING:
    from climb_assets.graph.speeds import Speeds
    from climb_assets.setup.first_settings import FirstSettings
    from climb_assets.setup.raw_sample import RawSample
    from climb_assets.setup.readiness import Finding
    from climb_assets.setup.stage_costs import StageCost

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


@click.command(epilog="Example: climb check --json")
@click.option("--quick", is_flag=True, help="Look only; measure no speeds.")
@json_option
def check(quick: bool, as_json: bool) -> None:
    """See before anything long whether all is there, and measure what each stage will take; exit 1 if not."""
    from climb_assets.setup.first_settings import open_as_it_is
    from climb_assets.setup.readiness import look_at_project
    from climb_assets.setup.stage_costs import count_costs, sample_and_time, total_of

    config = load_privately(notice=notice)
    sample, reading = sample_and_time(open_as_it_is(config), config)
    findings = look_at_project(config, sample)
    missing = [one for one in findings if one.state == "missing"]
    measured = not quick and not any(one.what in ("files", "packages", "corpus") for one in missing)
    costs = count_costs(config, sample, reading, _measure_speeds(config, sample)) if measured else []
    if as_json:
        facts = {"ready": not missing, "findings": [asdict(one) for one in findings]}
        click.echo(to_json(facts | {"costs": [asdict(one) for one in costs], "seconds": total_of(costs)}))
    else:
        for line in [*_describe_findings(findings), *_describe_costs(config, costs, quick=quick)]:
            click.echo(line)
    sys.exit(CHECK_FAILED if missing else 0)


def _measure_speeds(config: Config, sample: "RawSample") -> "Speeds":
    """Measure how fast this machine is, and keep it in the lake for the first estimates of `climb up`."""
    from climb_assets.setup.stage_costs import measure_project

    speeds = measure_project(config, sample, notice)
    try:
        speeds.save(config.lake)
    except OSError as error:
        notice(f"the speeds cannot be kept for `climb up`: {printable(str(error), 200)}")
    return speeds


def _describe_findings(findings: "Sequence[Finding]") -> list[str]:
    """Return a line for each finding, and what mends it."""
    marks = {"good": "ok", "doubtful": "look", "missing": "MISSING"}
    width = max(len(one.what) for one in findings)
    lines = []
    for one in findings:
        lines.append(f"{marks[one.state]:<8}{one.what:<{width}}  {printable(one.says, 600)}")
        if one.cure:
            lines.append(f"{'':<{width + 10}}-> {one.cure}")
    return lines


def _describe_costs(config: Config, costs: "Sequence[StageCost]", *, quick: bool) -> list[str]:
    """Return what each stage will take, all of them, and the next command."""
    from climb_assets.environment import resolve_device
    from climb_assets.setup.stage_costs import between, cores_in_words, total_of

    if not costs:
        told = "not measured, as --quick says" if quick else "measured once nothing is missing: `climb check` again"
        return ["", f"What it will take is {told}."]
    computes = cores_in_words(resolve_device(config.runtime.device))
    rows = [[cost.stage, cost.in_words(), cost.work] for cost in costs]
    return [
        "",
        f"What it will take from an empty lake, by a sample that was measured just now on {computes}:",
        tabulate(rows, tablefmt="plain"),
        f"Together {between(*total_of(costs))}, and some minutes for what was not measured: clusters, predictors, the "
        "data set and its audit.",
        "",
        "Next: climb up",
    ]

"""The command line: `climb`.

What belongs here: arguments, printing and exit codes (0 done, 1 a check failed, 2 something to put right,
3 somebody is to measure something first).
The work is done by the modules that each command names.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from climb_assets.config import Config
from climb_assets.config_file import CONFIG_VARIABLE, find_config
from climb_assets.corpus.raw_place import describe_unsettled
from climb_assets.device_faults import device_fault
from climb_assets.errors import ClimbError, WaitingForResults
from climb_assets.executor.process_start import collect_garbage_seldom
from climb_assets.graph.assets import SPEC
from climb_assets.graph.kept import GROUPS
from climb_assets.graph.kept import renew as ask_to_renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.printable import MOST_OF_A_SENTENCE, printable, printable_lines
from dagster_project.cli_ask import ask, tell
from dagster_project.cli_audit import audit
from dagster_project.cli_demo import demo_corpus, fetch_encoder, fetch_tasks
from dagster_project.cli_export import export
from dagster_project.cli_garbage import collect
from dagster_project.cli_options import TO_PUT_RIGHT, WAITING, json_option, notice
from dagster_project.cli_project import check, init
from dagster_project.cli_report import report
from dagster_project.cli_swarm import export_swarm
from dagster_project.cli_taxonomy import classify, export_taxonomy
from dagster_project.cli_update import update_with_consent, yes_option
from dagster_project.cli_verify import ledger, verify
from dagster_project.interrupts import ended_after, run_interruptibly
from dagster_project.locales import survive_any_locale, use_utf8
from dagster_project.private_files import load_privately
from dagster_project.strict_json import to_json

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # FAISS' threads would spin against the workers' on few cores

GRACE = 2.0  # seconds in which DuckDB may heed that a query is interrupted; inside one function call it does not


class OneSentence(click.Group):
    """A group whose commands print our own errors as one sentence and exit with 2."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        """Begin as a process."""
        if args is None:
            collect_garbage_seldom()
            use_utf8()
        return super().main(args, *others, **options)

    def invoke(self, context: click.Context) -> Any:
        """Run a command; it ends at once when a signal comes."""
        survive_any_locale()
        invoke = super().invoke
        advice = "what is finished is kept; give the same command again and it goes on from there"
        try:
            return run_interruptibly(lambda: invoke(context), advice)
        except WaitingForResults as error:
            click.echo(f"climb: {error}", err=True)
            sys.exit(WAITING)
        except ClimbError as error:
            sentence = str(error)
        except Exception as error:
            fault = device_fault(error)
            if fault is None:
                raise
            sentence = fault
        click.echo(f"climb: {printable(sentence, MOST_OF_A_SENTENCE)}", err=True)
        sys.exit(TO_PUT_RIGHT)


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    help="Configuration file; default: climb.yaml here or in the nearest folder above.",
)
@click.pass_context
def main(context: click.Context, path: Path | None) -> None:
    """Find in which proportions to train on a corpus (CLIMB), as a graph of Dagster assets.

    \b
    Example: climb up && climb status
    """
    if path is not None:
        os.environ[CONFIG_VARIABLE] = str(path.resolve())
    context.obj = path


def _example(text: str) -> dict[str, str]:
    return {"epilog": f"Example: {text}"}


profile_option = click.option("--profile", help="Profile of settings: smoke, demo, evening or paper.")


def _load(profile: str | None = None) -> Config:
    """Load the configuration; the profile reaches the runs of the web server by the file alone."""
    return load_privately(profile, notice)


def _asset(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and value not in SPEC:
        raise click.BadParameter(f"{value!r} is no asset; choose one of {', '.join(SPEC)}")
    return value


@main.command(**_example("climb up --to domains"))
@click.option("--to", callback=_asset, help="Stop at this asset.")
@profile_option
@yes_option
def up(to: str | None, profile: str | None, yes: bool) -> None:
    """Materialise what is stale, in order; the second time it does nothing and says so."""
    from dagster_project.answer_text import describe_answers
    from dagster_project.progress import Reporter
    from dagster_project.summary_text import describe

    config = _load(profile)
    with Reporter() as reporter:
        materializer = Materializer(config, progress=reporter.progress)
        update = update_with_consent(materializer, to, reporter, yes=yes)
    if update.reported:
        click.echo(f"{update.reported} artefact(s) were reported to Dagster again; their events were missing.")
    nothing = "Nothing is stale." if to is None else f"Nothing is stale up to {to}."
    click.echo(f"{update.made} partition(s) materialised." if update.made else nothing)
    answers = describe_answers(materializer)
    click.echo(printable_lines(answers or describe(materializer)))


@main.command(**_example("climb plan --json"))
@click.option("--to", callback=_asset, help="Plan only this asset and what it is made from.")
@profile_option
@json_option
def plan(to: str | None, profile: str | None, as_json: bool) -> None:
    """Show what is stale, why, and what it will cost."""
    from dagster_project.plan_summary import describe_plan
    from dagster_project.summary import advice

    config = _load(profile)
    materializer = Materializer(config)
    materializer.raw.wait_until_settled(notice)
    made = make_plan(materializer, to)
    if unsettled := describe_unsettled(materializer.listing()):
        notice(unsettled)
    text = describe_plan(made, advice(materializer, made), made.cost(config))
    click.echo(to_json(made.as_json()) if as_json else printable_lines(text))


@main.command(**_example("climb renew taxonomy && climb up"))
@click.argument("group", type=click.Choice(GROUPS))
def renew(group: str) -> None:
    """Ask for what is kept over changes of the corpus to be made anew; the next `climb up` does it."""
    generation = ask_to_renew(Materializer(_load()).store, group)
    click.echo(f"The {group} will be of generation {generation}; `climb plan` shows what that costs.")


@main.command(**_example("climb status"))
@profile_option
@json_option
def status(profile: str | None, as_json: bool) -> None:
    """Show shards, domains, iterations and the best mixture so far."""
    from dagster_project.summary import summarise
    from dagster_project.summary_text import describe

    materializer = Materializer(_load(profile))
    click.echo(to_json(summarise(materializer)) if as_json else printable_lines(describe(materializer)))


@main.command(**_example('climb sql "SELECT source, count(*) FROM documents GROUP BY source"'))
@click.argument("query")
@json_option
def sql(query: str, as_json: bool) -> None:
    """Ask DuckDB about the lake, read-only; docs/queries.md shows the views and thirteen queries."""
    from climb_assets.graph.catalog import artefacts_read, as_rows, query_lake
    from dagster_project.generations import look_at_generations

    materializer = Materializer(_load())
    limits = materializer.config.sql
    deaf = (
        f"the query took longer than {limits.seconds:g} s and heeds no request to stop; narrow it or raise sql.seconds"
    )
    with ended_after(limits.seconds + GRACE, deaf, TO_PUT_RIGHT):
        found = query_lake(materializer.store, query, limits)
    complaint = look_at_generations(materializer).complaint(artefacts_read(materializer.store, query))
    if complaint is not None:
        notice(complaint)
    click.echo(to_json(as_rows(found)) if as_json else printable_lines(str(found)))
    if found.cut:
        notice(f"these are the first {limits.rows} rows; narrow the query or raise sql.rows")


@main.command(**_example("climb ui --port 3000"))
@click.option("--port", default=3000, show_default=True, help="Port on the loopback address.")
@click.option("--read-only", is_flag=True, help="Show, and start or change nothing; no daemon runs.")
@click.option("--host", "hosts", multiple=True, help="Further name of the server, where a proxy stands before it.")
@click.option("--token", "make_token", is_flag=True, help="Let in only who has the printed token, or $CLIMB_UI_TOKEN.")
def ui(port: int, read_only: bool, hosts: tuple[str, ...], make_token: bool) -> None:
    """Serve Dagster's web UI and daemon on loopback, until interrupted."""
    from dagster_project.failure_webhook import webhook_address
    from dagster_project.server import ADDRESS, become_server, prepare_lake, require_free, workspace_of
    from dagster_project.ui_token import address_to_open, choose_token

    token = choose_token(make=make_token)
    webhook_address()  # or the server would say below a traceback what is wrong with it
    require_free(port)
    config = _load()
    address = address_to_open(f"http://{ADDRESS}:{port}", token)
    click.echo(
        f"Starting the Dagster UI, which takes most of a minute; then it answers on {address} (end it with Ctrl-C)"
    )
    path = find_config().resolve()
    environment = prepare_lake(config, notice) | {CONFIG_VARIABLE: str(path)}
    become_server(workspace_of(path.parent), port, environment, token=token, read_only=read_only, hosts=hosts)


main.add_command(verify)
main.add_command(ledger)
main.add_command(init)
main.add_command(check)
main.add_command(ask)
main.add_command(audit)
main.add_command(tell)
main.add_command(classify)
main.add_command(export)
main.add_command(export_taxonomy)
main.add_command(export_swarm)
main.add_command(report)
main.add_command(demo_corpus)
main.add_command(fetch_encoder)
main.add_command(fetch_tasks)
main.add_command(collect)

if __name__ == "__main__":
    main()

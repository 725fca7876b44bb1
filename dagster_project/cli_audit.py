"""`climb audit`: the audit bundle of an objective, and what it tells and proves of one document.

What belongs here: arguments and printing. The bundle is `climb_assets.audit`.
"""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from climb_assets.config import Config
from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable, printable_lines
from dagster_project.cli_options import NOT_RECORDED, json_option, notice, require_objective, require_outside
from dagster_project.cli_update import update_with_consent, yes_option
from dagster_project.private_files import load_privately
from dagster_project.strict_json import to_json

if TYPE_CHECKING:
    from climb_assets.audit.document_trace import DocumentTrace

NOT_THERE = 1
BUNDLE = "bundle"


def _utf8(context: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("an id is text in UTF-8") from None
    return value


document_argument = click.argument("document", callback=_utf8)
bundle_option = click.option(
    "--bundle",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that `climb audit` wrote; no lake is needed then. Default: the bundle in the lake.",
)
objective_option = click.option("--objective", help="Of the bundle in the lake; not needed where there is only one.")


class ByObjective(click.Group):
    """A group whose first word may be an objective: `climb audit general` is `climb audit bundle general`."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Put in the command that is left out."""
        if args and args[0] not in (*self.commands, *context.help_option_names):
            args = [BUNDLE, *args]
        return super().parse_args(context, args)


@click.group(cls=ByObjective)
def audit() -> None:
    """Write the audit bundle of an objective, and ask it about documents.

    \b
    `climb audit OBJECTIVE` is short for `climb audit bundle OBJECTIVE`.
    Example: climb audit general
    """


@audit.command(BUNDLE, epilog="Example: climb audit general --out audit-general")
@click.argument("objective")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder to write; default: export/audit-OBJECTIVE in the lake."
)
@yes_option
def write_bundle(objective: str, out: Path | None, yes: bool) -> None:
    """Bring the audit bundle of an objective up to date, and write it into a folder."""
    from climb_assets.audit.bundle_export import export_bundle, require_libraries
    from climb_assets.audit.differences.exported import record_export
    from dagster_project.progress import Reporter

    config = load_privately(notice=notice)
    require_objective(config, objective)
    folder = out or config.lake / "export" / f"audit-{objective}"
    require_outside(folder, config)
    require_libraries()
    with Reporter() as reporter:
        materializer = Materializer(config, progress=reporter.progress)
        update_with_consent(materializer, "audit_bundle", reporter, yes=yes)
    with materializer.store.in_use():
        bundle = materializer.get("audit_bundle", objective)
        export_bundle(bundle, folder, config.dagster.owners)
        if not record_export(materializer.store, folder, config.lake, "audit", bundle):
            notice(NOT_RECORDED)
    click.echo(f"{folder}")
    notice(f"the root over its {bundle.summary['documents']:,} documents is {bundle.summary['documents_root']}")


@audit.command("trace", epilog="Example: climb audit trace 6db3468141f1ac8f8903f60ec676dcda --bundle audit-general")
@document_argument
@objective_option
@bundle_option
@click.option("--text", "as_text", is_flag=True, help="Print the text alone, read again from the raw file.")
@json_option
def trace(document: str, objective: str | None, folder: Path | None, as_text: bool, as_json: bool) -> None:
    """Show where a document of a data set comes from, and what set the weight of its domain.

    DOCUMENT is its id. Exit code 1: the data set does not hold it.
    """
    from climb_assets.audit.document_trace import read_text, trace_document

    with _open_bundle(folder, objective) as bundle:
        found = trace_document(bundle, document)
    if found is None:
        notice(f"{printable(document)} is not in the data set; `climb audit prove` proves that")
        sys.exit(NOT_THERE)
    if as_text:
        materializer = Materializer(load_privately(notice=notice))
        text = read_text(found, materializer.raw.place, materializer.config.corpus)
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    else:
        click.echo(to_json(found.as_json()) if as_json else printable_lines(describe(found)))


@audit.command("prove", epilog="Example: climb audit prove 6db3468141f1ac8f8903f60ec676dcda --out proof.json")
@document_argument
@objective_option
@bundle_option
@click.option("--out", type=click.Path(path_type=Path), help="File to write; default: standard output.")
def prove(document: str, objective: str | None, folder: Path | None, out: Path | None) -> None:
    """Prove that a document is, or is not, in a data set.

    DOCUMENT is its id. `python check_proof.py PROOF ROOT DOCUMENT` checks the proof; the script lies in the bundle.
    """
    from climb_assets.audit.proof import prove as prove_document
    from climb_assets.store.files import write_atomically

    with _open_bundle(folder, objective) as bundle:
        proof = prove_document(bundle, document)
    if out is None:
        sys.stdout.buffer.write(proof.text.encode())
        sys.stdout.flush()
    else:
        write_atomically(out, proof.text.encode())
    notice(f"{printable(document)} is {'' if proof.there else 'NOT '}in the data set with root {proof.root}")


@contextlib.contextmanager
def _open_bundle(folder: Path | None, objective: str | None) -> Iterator[Path]:
    """Hand out the folder of a bundle; where none is named, of the one that the lake holds, its files verified."""
    if folder is not None:
        yield folder
        return
    config = load_privately(notice=notice)
    materializer = Materializer(config)
    with materializer.store.in_use():
        yield materializer.get("audit_bundle", _only(config, objective)).folder()


def _only(config: Config, objective: str | None) -> str:
    if objective is None and len(config.objectives) > 1:
        raise click.BadParameter(f"there are several; name one by --objective: {', '.join(config.objectives)}")
    if objective is not None:
        require_objective(config, objective)
        return objective
    return next(iter(config.objectives))


def describe(trace: "DocumentTrace") -> str:
    """Return a trace as people read it."""
    row, raw, answer = trace.document, trace.raw_file, trace.answer
    searched = [proxy for proxy in trace.proxies if proxy.used_by.startswith("proxy_results@")]
    confirmed = [proxy for proxy in trace.proxies if proxy not in searched]
    by_iteration: dict[str, list[Any]] = {}
    for proxy in searched:
        by_iteration.setdefault(proxy.used_by, []).append(proxy)
    labels = f"source {row['source'] or 'not named'}, licence {row['licence'] or 'not named'}"
    tasks, iteration = ", ".join(answer["tasks"]), answer["iteration"]
    measured = "which no iteration measured" if iteration is None else f"measured in iteration {iteration}"
    lines = [
        f"document   {row['id']} ({labels})",
        f"text       sha256 {row['sha256']}, {row['tokens']:,} tokens",
        f"raw file   {raw['path']}, record {row['record']}, of shard {row['shard']}",
        f"           sha256 {raw['sha256']}, {raw['bytes']:,} bytes",
        f"domain     {row['domain']} ({row['domain_name']})",
        f"weight     {row['weight']:.4f} of the mixture {answer['key']}; {row['copies']} time(s) in the data set",
        f"set by     {answer['origin']}, {measured}, chosen for {tasks}",
        f"           fresh seeds: {answer['confirmed'] or 'it was not confirmed'}",
    ]
    for name, proxies in by_iteration.items():
        weights = [proxy.weight for proxy in proxies if proxy.weight is not None]
        span = f", weight {min(weights):.4f} to {max(weights):.4f} in their mixtures" if weights else ""
        lines.append(f"           {name}: {len(proxies)} proxies{span}")
    lines += [f"           confirmed by proxy {proxy.fingerprint}" for proxy in confirmed]
    lines += [f"root       {trace.root}", "", "made by (code and settings; --json has all of both)"]
    for made in trace.makings:
        commit = f"  commit {made.source['commit'][:12]}" if "commit" in made.source else ""
        changed = ", with changes" if made.source.get("dirty") else ""
        lines.append(f"  {made.artefact}  {made.fingerprint}  code {made.code_version}{commit}{changed}")
    return "\n".join(lines)

"""`climb verify` and `climb ledger`: is everything as it was recorded, and what was recorded.

What belongs here: arguments, printing and exit codes. What is compared is `climb_assets.audit.verification`, what the
ledger is `climb_assets.store.ledger.chain`.
"""

import dataclasses
import getpass
import os
import sys
from typing import TYPE_CHECKING

import click

from climb_assets.config import Config
from climb_assets.errors import MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import place_of
from climb_assets.printable import MOST_OF_A_SENTENCE, printable
from climb_assets.store.ledger.chain import Entry, Head
from dagster_project.cli_options import CHECK_FAILED, json_option, notice
from dagster_project.private_files import load_privately
from dagster_project.strict_json import to_json

if TYPE_CHECKING:
    from climb_assets.audit.verification import Verification

SHOWN = 5  # names of what is not made


def _load() -> Config:
    return load_privately(notice=notice)


@click.command(epilog="Example: climb verify --head 812:5f0c...")
@click.option("--replay", is_flag=True, help="Make again what is cheap (candidates, predictors, choice, data set).")
@click.option("--head", "published", help="A head of the ledger, as `climb ledger head` printed it some day.")
@json_option
def verify(replay: bool, published: str | None, as_json: bool) -> None:
    """Compare the lake with its manifests, its ledger, Dagster's history and exports; list differences, exit 1."""
    from climb_assets.audit.verification import verify_lake
    from dagster_project.ledger_history import history_of

    materializer = Materializer(_load())
    head, notes = Head.parse(published) if published is not None else None, list[str]()
    history = history_of(materializer, notes)
    outcome = verify_lake(materializer, published=head, again=replay, history=history)
    outcome = dataclasses.replace(outcome, notes=(*outcome.notes, *notes))
    click.echo(to_json(outcome.as_json()) if as_json else "\n".join(_in_words(outcome)))
    sys.exit(CHECK_FAILED if outcome.differences else 0)


def _in_words(outcome: "Verification") -> list[str]:
    lines = [printable(difference, MOST_OF_A_SENTENCE) for difference in outcome.differences]
    lines += [printable(note, MOST_OF_A_SENTENCE) for note in outcome.notes]
    if outcome.replayed:
        lines.append(f"Made again: {', '.join(outcome.replayed)}.")
    if outcome.not_made:
        more = len(outcome.not_made) - SHOWN
        rest = f" and {more} more." if more > 0 else "."
        lines.append(f"Not made, so not verified: {', '.join(outcome.not_made[:SHOWN])}{rest}")
    found = f"{len(outcome.differences)} difference(s)" if outcome.differences else "all as recorded"
    lines.append(f"{outcome.artefacts} artefacts, {outcome.files} files, {outcome.bytes:,} bytes: {found}")
    return [*lines, f"Head of the ledger: {outcome.head}"] if outcome.head != str(Head()) else lines


@click.group(epilog="Example: climb ledger head")
def ledger() -> None:
    """Show the record of everything that was made, pointed to, removed and exported."""


@ledger.command(epilog="Example: climb ledger head >> heads.txt")
def head() -> None:
    """Print the number and the hash of the last entry: write it down elsewhere, and `climb verify --head` compares."""
    found = Materializer(_load()).store.ledger().head
    if found == Head():
        raise MissingArtifact("there is no ledger yet; the next command that writes begins one")
    click.echo(str(found))


@ledger.command(epilog="Example: climb ledger show optimal_mixture@general")
@click.argument("artefact", required=False)
@json_option
def show(artefact: str | None, as_json: bool) -> None:
    """Print the entries, the oldest first: all of them, or those about an artefact such as domains or X@PARTITION."""
    asset, partition = place_of(artefact or "")
    store = Materializer(_load()).store
    store.ledger()  # refuses a chain that is broken
    from climb_assets.store.ledger.chain import examine

    _, entries, _ = examine(store.keeper.lines())
    about = [
        entry
        for entry in entries
        if not asset or (entry.record.get("asset") == asset and partition in (None, entry.record.get("partition")))
    ]
    if artefact is not None and not about:
        raise MissingArtifact(f"the ledger has no entry about {artefact}; `climb ledger show` prints all")
    if as_json:
        click.echo(to_json([{**entry.record, "hash": entry.head.hash} for entry in about]))
        return
    for entry in about:
        click.echo(printable(_line(entry), MOST_OF_A_SENTENCE))


def _line(entry: Entry) -> str:
    """Return an entry as people read it."""
    record = entry.record
    partition = "" if record.get("partition") is None else f"@{record['partition']}"
    parts = [str(entry.head.sequence), entry.head.hash[:12], str(record.get("time", "")), entry.kind]
    parts += [f"{record['asset']}{partition} {record['fingerprint'] or 'nothing'}"] if "asset" in record else []
    more = ("data_version", "run_id", "host", "found", "unrecorded_after", "reason", "by", "place", "form", "bytes")
    parts += [f"{name}={record[name]}" for name in more if record.get(name) is not None]
    source = record.get("source")
    if isinstance(source, dict) and "commit" in source:
        parts.append(f"commit={source['commit'][:12]}{'+changes' if source.get('dirty') else ''}")
    return " ".join(parts)


@ledger.command(epilog='Example: climb ledger accept domains --reason "restored from the backup of Monday"')
@click.argument("artefact")
@click.option("--reason", required=True, help="Why what lies there is right; it stands in the ledger for ever.")
def accept(artefact: str, reason: str) -> None:
    """Record that what lies there of an artefact, such as domains or X@PARTITION, counts, though nobody recorded it."""
    from climb_assets.store.ledger.recording import accept_as_it_lies

    store = Materializer(_load()).store
    done = accept_as_it_lies(store, place_of(artefact), reason, _user())
    if not done:
        raise MissingArtifact(f"{artefact} is as the ledger has recorded it; there is nothing to accept")
    for line in done:
        click.echo(line)


def _user() -> str:
    """Return the name of who asks; their number where it has no name, as in most containers."""
    try:
        return getpass.getuser()
    except (KeyError, ImportError, OSError):
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"

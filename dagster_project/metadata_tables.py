"""Facts and tables of an artefact as Dagster's metadata: few digits, and first what is short.

What belongs here: turning values into metadata that can be read at a glance. Which of them a page shows is chosen in
`dagster_project.metadata`; all digits stand in the artefact.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from climb_assets.printable import escape_markdown, printable
from climb_assets.rounding import round_number, round_numbers
from climb_assets.store.artifacts import Artifact
from dagster_project.column_schema import Describe, table_column
from dagster_project.event_tags import LEDGER_ENTRY, LEDGER_HEAD, LEDGER_PLACE

TABLE_ROWS = 50  # larger tables make the event log and the UI slow
TEXT_CHARACTERS = 120  # of a value
LIST_CHARACTERS = 80
SENTENCE_CHARACTERS = 700  # with its marks less than 1000, up to which a page shows Markdown in its place
LINE_CHARACTERS = 62


def facts(artifact: Artifact) -> dict[str, Any]:
    """Return what an artefact's manifest says that people want to see."""
    known = {key: value for key, value in round_numbers(artifact.summary).items() if value is not None}
    plain = {key: value for key, value in known.items() if isinstance(value, int | float | str)}
    nested = {key: dg.JsonMetadataValue(value) for key, value in known.items() if key not in plain}
    run = {key: value for key, value in round_numbers(artifact.run).items() if isinstance(value, int | float | str)}
    where = {"dagster/uri": artifact.store.where(artifact), "fingerprint": artifact.fingerprint}
    return plain | nested | run | where | _ledger(artifact)


def _ledger(artifact: Artifact) -> dict[str, Any]:
    """Return the entry of an artefact and the last one of the ledger, so that the history can tell if they change."""
    ledger = artifact.store.keeper.known()
    if ledger.last(artifact.key) is None:  # another process has made it
        ledger = artifact.store.ledger()
    recorded = ledger.last(artifact.key)
    if recorded is None:
        return {}
    place = artifact.store.keeper.place
    return {LEDGER_ENTRY: str(recorded.head), LEDGER_HEAD: str(ledger.head), LEDGER_PLACE: place}


def sentence_metadata(sentence: str) -> dg.MetadataValue:
    """Return a sentence as Dagster metadata, in lines that a narrow column shows whole; nothing in it is Markdown."""
    lines = textwrap.wrap(printable(sentence, SENTENCE_CHARACTERS), LINE_CHARACTERS)
    return dg.MetadataValue.md("  \n".join(map(escape_markdown, lines)))


def table_metadata(
    table: pa.Table, order: Sequence[tuple[str, str]] = (), describe: Describe = lambda name: None
) -> dg.MetadataValue:
    """Return the head of a table as Dagster metadata; lists become short texts and stand at the end.

    Parameters
    ----------
    order
        Columns to sort by, each with ``ascending`` or ``descending``.
    describe
        What says what a column means.
    """
    if not table.num_rows:
        return dg.MetadataValue.text("no rows")
    head = (table.sort_by(list(order)) if order else table).slice(0, TABLE_ROWS)
    fields = sorted(head.schema, key=lambda field: pa.types.is_nested(field.type))  # stable: else as in the file
    records = [dg.TableRecord({field.name: _plain(row[field.name]) for field in fields}) for row in head.to_pylist()]
    columns = [table_column(field.name, _kind(field.type), describe(field.name)) for field in fields]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind):
        return "int"
    return "float" if pa.types.is_floating(kind) else "string"


def _plain(value: Any) -> int | float | str | bool | None:
    match value:
        case None | bool() | int():
            return value
        case float():
            return round_number(value)
        case list():
            return printable(", ".join(map(_in_words, value)), LIST_CHARACTERS)
        case _:
            return printable(_in_words(value), TEXT_CHARACTERS)


def _in_words(value: Any) -> str:
    """Return an entry of a list as text: of a record its values, the first by itself, the others in brackets."""
    match value:
        case float():
            return f"{round_number(value):g}"
        case Mapping():
            first, *others = map(_in_words, value.values())
            return f"{first} ({', '.join(others)})" if others else first
        case _:
            return str(value)

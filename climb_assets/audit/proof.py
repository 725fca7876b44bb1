"""A proof that one document is, or is not, in a data set: for whoever has its root and nothing else.

What belongs here: making one from the folder of an audit bundle. Rows are sorted by id, so that a document is not there
where two rows stand side by side and its id lies between theirs. `check_proof` checks it, with nothing of ours.
"""

import json
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from climb_assets.audit.check_proof import check
from climb_assets.audit.documents import DOCUMENTS_TABLE, ROOT, SCHEMA, row_bytes
from climb_assets.audit.merkle import hash_leaf, hash_run, path_within
from climb_assets.errors import ArgumentError, CorruptArtifact
from climb_assets.store.artifacts import canonical_json
from climb_assets.tables import count_rows, read_span


@dataclass(frozen=True)
class Proof:
    """What is proved of a document, and the text by which anybody may check it."""

    document: str
    there: bool
    root: str
    text: str


def prove(bundle: Path, document: str) -> Proof:
    """Prove that a document is, or is not, in the data set of an audit bundle. One run of rows is in memory.

    Raises
    ------
    ArgumentError
        The folder is no audit bundle that has a root.
    CorruptArtifact
        Its table of documents is not the one that the root was made from.
    """
    rows, size, runs, root = _read_root(bundle)
    try:
        leaves = _leaves_at(bundle / DOCUMENTS_TABLE, document, rows, size, runs)
        text = canonical_json({"document": document, "rows": rows, "leaves": leaves}) + "\n"
        return Proof(document, check(text, root, document), root, text)
    except (OSError, ValueError, LookupError, ArithmeticError) as error:
        told = f"{bundle / DOCUMENTS_TABLE} is not the table that its root was made from ({error})"
        raise CorruptArtifact(f"{told}; write the bundle anew with `climb audit`") from None


def _leaves_at(table: Path, document: str, rows: int, size: int, runs: list[bytes]) -> list[dict[str, Any]]:
    """Return the row of a document or, where there is none, those that stand beside its place."""
    if count_rows(table) != rows:
        raise ValueError("it has another number of rows")
    place = _place_of(table, document)
    found = [_leaf(table, place, size, runs)] if place < rows else []
    if found and json.loads(found[0]["row"])["id"] == document:
        return found
    return [_leaf(table, beside, size, runs) for beside in (place - 1, place) if 0 <= beside < rows]


def _read_root(bundle: Path) -> tuple[int, int, list[bytes], str]:
    """Return the number of rows, how many make a run, the hash of each run, and the root."""
    try:
        told = json.loads((bundle / ROOT).read_text(encoding="utf-8"))
        return int(told["rows"]), int(told["run"]), [bytes.fromhex(run) for run in told["runs"]], str(told["root"])
    except (OSError, ValueError, LookupError, TypeError):
        raise ArgumentError(f"{bundle / ROOT} cannot be read; name the folder that `climb audit` wrote") from None


def _place_of(table: Path, document: str) -> int:
    """Return the number of rows whose id is less."""
    less = 0
    with pq.ParquetFile(table, page_checksum_verification=True) as file:
        column = file.schema_arrow.get_field_index("id")
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            known = group.column(column).statistics
            if known is None or not known.has_min_max or known.max >= document:
                ids = file.read_row_group(number, columns=["id"])["id"].to_pylist()
                within = bisect_left(ids, document)
                if within < len(ids):
                    return less + within
            less += group.num_rows
    return less


def _leaf(table: Path, place: int, size: int, runs: list[bytes]) -> dict[str, Any]:
    """Return a row with the hashes beside its way to the root."""
    run = place // size
    rows = [row_bytes(row) for row in read_span(table, run * size, size, SCHEMA.names).to_pylist()]
    leaves = [hash_leaf(row) for row in rows]
    if hash_run(leaves) != runs[run]:
        raise ValueError("a row was changed")
    path = path_within(leaves, place % size) + path_within(runs, run)
    return {"place": place, "row": rows[place % size].decode(), "path": [node.hex() for node in path]}

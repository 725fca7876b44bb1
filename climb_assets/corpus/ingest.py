"""One raw shard in; documents, quarantine and accounts out.

What belongs here: what is decided among the records of a shard (duplicates, lengths, accounts) and the
promise that nothing is lost: per file, kept + filtered + quarantined = read. Formats are `readers`, the normal
form is `documents`, duplicates between shards are `manifest`.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from climb_assets.config import Corpus
from climb_assets.corpus.digest_cache import hash_file
from climb_assets.corpus.documents import DOCUMENTS, SPLITS, Document, make_document
from climb_assets.corpus.raw_files import UNREADABLE, RawFile, ShardDigest
from climb_assets.corpus.raw_place import Localise, RawPlace
from climb_assets.corpus.readers import read_records
from climb_assets.corpus.records import WHOLE_FILE, Fault, Record
from climb_assets.corpus.regular_file import IrregularFileError
from climb_assets.corpus.seen_ids import SeenIds
from climb_assets.errors import ComputeError, CorpusError, TransientError
from climb_assets.tables import open_table, write_rows

QUARANTINE = pa.schema(
    [("file", pa.string()), ("record", pa.int64()), ("reason", pa.string()), ("detail", pa.string())]
)

# Labels of filtered duplicates: whoever joins articles that share a text needs them, whichever text came first.
REPEATS = pa.schema([("id", pa.string()), ("article", pa.string())])

OUTCOMES = ("kept", "filtered_short", "filtered_duplicate", "quarantined")

# Size and checksum of a raw file belong to `raw_shards`: here they would spread a change that no document shows.
# `dropped_labels` counts labels of any record that could not be made text.
ACCOUNTS = pa.schema([("file", pa.string()), *((name, pa.int64()) for name in ("read", *OUTCOMES, "dropped_labels"))])

PART_ROWS = 2048  # rows that are in memory at a time, and a row group: no setting, as the bytes of a table follow it


def ingest_shard(raw: RawPlace, shard: str, digest: ShardDigest, settings: Corpus, out: Path) -> dict[str, Any]:
    """Read a shard and write its documents, repeats, quarantine and accounts as ``.parquet`` into `out`.

    Memory holds `PART_ROWS` documents (or about `settings.max_record_bytes` of text)
    and some 25 bytes a document, by which exact duplicates are found; the first of them is kept.

    Returns
    -------
    documents, read, kept, filtered_short, filtered_duplicate, quarantined, bytes (of the kept texts),
    by_split (documents), reasons (quarantined records), dropped_labels (by label, those that could not be made text).

    Raises
    ------
    CorpusError
        A file is not what `digest` says: it changed since or meanwhile, or it cannot be opened.
    TransientError
        The device failed in the middle of a file.
    ComputeError
        The accounts of a file do not add up, which is a defect of this program.
    """
    seen = SeenIds()
    accounts: list[dict[str, Any]] = []
    reasons, dropped = Counter[str](), Counter[str]()
    files = raw.files(shard)
    splits = dict.fromkeys(SPLITS, 0)
    size = 0
    with (
        open_parts(out / "documents.parquet", DOCUMENTS, settings) as documents,
        open_parts(out / "repeats.parquet", REPEATS, settings) as repeats,
        open_parts(out / "quarantine.parquet", QUARANTINE, settings) as quarantine,
    ):
        for file in digest.files:
            account = dict.fromkeys(("read", *OUTCOMES, "dropped_labels"), 0)
            for item in _read_file(raw.where(file.path), files.get(file.path), file, settings):
                account["read"] += 1
                if isinstance(item, Record) and item.dropped:
                    account["dropped_labels"] += len(item.dropped)
                    dropped.update(item.dropped)
                outcome, judged = _judge(item, file.path, settings, seen)
                account[outcome] += 1
                if isinstance(judged, Fault):
                    quarantine.append((file.path, judged.row, judged.reason, judged.detail), len(judged.detail))
                    reasons[judged.reason] += 1
                elif outcome == "kept":
                    documents.append(judged, judged.bytes)
                    splits[judged.split] += 1
                    size += judged.bytes
                elif outcome == "filtered_duplicate" and judged.article is not None:
                    repeats.append((judged.id, judged.article), len(judged.article))
            _check_account(file, account)
            accounts.append({"file": file.path, **account})
    write_rows(out / "accounts.parquet", accounts, ACCOUNTS)
    totals = {name: sum(account[name] for account in accounts) for name in ("read", *OUTCOMES)}
    counted = {"reasons": dict(sorted(reasons.items())), "dropped_labels": dict(sorted(dropped.items()))}
    facts = {"bytes": size, "by_split": splits, **counted}
    return {"shard": shard, "documents": totals["kept"], **totals, **facts}


def _judge(item: Record | Fault, file: str, settings: Corpus, seen: SeenIds) -> tuple[str, Document | Fault]:
    """Return one of `OUTCOMES`, and the document or the fault."""
    if isinstance(item, Fault):
        return "quarantined", item
    document = make_document(item, file, settings)
    if len(document.text) < settings.min_characters:
        return "filtered_short", document
    return "kept" if seen.add(bytes.fromhex(document.id)) else "filtered_duplicate", document


def _read_file(where: str, localise: Localise | None, file: RawFile, settings: Corpus) -> Iterator[Record | Fault]:
    """Yield what a file holds, then make sure that it was the file of the digest.

    Parameters
    ----------
    where
        What people know it by.
    localise
        None: it is there no more.
    """
    if file.sha256 == UNREADABLE:
        yield Fault(WHOLE_FILE, "unreadable_file", file.problem)
        return
    if localise is None:
        raise CorpusError(f"{where} went away while it was being read; run again")
    try:
        with localise(file.sha256) as path:
            yield from read_records(path, settings, PurePosixPath(file.path).name)
            found = hash_file(path)
    except FileNotFoundError:
        raise CorpusError(f"{where} went away while it was being read; run again") from None
    except OSError as error:
        raise TransientError(f"reading {where} failed ({error.strerror}); check the disk and run again") from None
    except IrregularFileError:
        raise CorpusError(f"{where} changed while it was being read; run again when nothing writes to it") from None
    if found.sha256 != file.sha256:
        raise CorpusError(f"{where} changed while it was being read; run again when nothing writes to it")


def _check_account(file: RawFile, account: dict[str, int]) -> None:
    if account["read"] != sum(account[name] for name in OUTCOMES):
        raise ComputeError(f"the accounts of {file.path} do not add up ({account}); please report this")


class PartWriter:
    """Writes rows that are pushed to it, part by part. Make one with `open_parts`."""

    def __init__(self, writer: pq.ParquetWriter, settings: Corpus) -> None:
        self._writer, self._settings = writer, settings
        self._rows: list[tuple[Any, ...]] = []
        self._bytes = 0

    def append(self, row: tuple[Any, ...], size: int) -> None:
        """Add a row, its cells in the order of the schema, that holds `size` bytes of text."""
        self._rows.append(row)
        self._bytes += size
        if len(self._rows) >= PART_ROWS or self._bytes >= self._settings.max_record_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are waiting."""
        if self._rows:
            schema = self._writer.schema
            columns = zip(schema, zip(*self._rows, strict=True), strict=True)
            arrays = [pa.array(cells, field.type) for field, cells in columns]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        self._rows, self._bytes = [], 0


@contextlib.contextmanager
def open_parts(path: Path, schema: pa.Schema, settings: Corpus) -> Iterator[PartWriter]:
    """Hand out a writer of one table, which is there, whole, when the block ends.

    Parameters
    ----------
    settings
        Bounds the bytes of a part's texts; `PART_ROWS` its rows.
    """
    with open_table(path, schema) as writer:
        parts = PartWriter(writer, settings)
        yield parts
        parts.flush()

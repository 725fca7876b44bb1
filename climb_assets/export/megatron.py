"""A blend for Megatron-LM: a file of documents for each domain, and with which weights to draw from them.

What belongs here: text for preprocess_data.py or, on request, the binary files that it would make, of the tokens of the
lake. Their format is `indexed_dataset`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from climb_assets.corpus.frozen_tokenizer import load_tokenizer
from climb_assets.errors import ComputeError
from climb_assets.executor.database import open_database
from climb_assets.export.by_domain import Write, paths_by_domain, write_by_domain
from climb_assets.export.data_set import DataSet, Domain, Exported
from climb_assets.export.folder import unless_there, write_unless_there
from climb_assets.export.indexed_dataset import count_documents, ids_dtype, write_ids, write_index
from climb_assets.store.files import MappedArrays
from climb_assets.tables import iterate_batches

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SUFFIX = "_text_document"  # what preprocess_data.py puts behind the name of its output
READ_ROWS = 8192
CHUNK = 2**20  # bytes

_PLACES = "CREATE TABLE place (shard VARCHAR, id VARCHAR, domain INTEGER, number BIGINT)"
_SPANS = "CREATE TABLE span (ordinal INTEGER, shard VARCHAR, id VARCHAR, start BIGINT, tokens BIGINT)"
_COLLECT = """
INSERT INTO span SELECT $ordinal, $shard, id, start, tokens FROM read_parquet($tokens, hive_partitioning = false)
WHERE id IN (SELECT id FROM place WHERE shard = $shard)
"""
_OF_DOMAIN = """
SELECT ordinal, start, tokens FROM place JOIN span USING (shard, id) WHERE domain = $domain ORDER BY number
"""


def write_megatron(data: DataSet, out: Path, *, tokens: bool) -> Exported:
    """Write a file or, with tokens, two for each domain, and ``blend.txt``, for ``--data-args-path``.

    A domain's documents are there as often as the mixture repeats them and weights are the realised shares of tokens,
    so one pass over the blend is the data set, and no domain is repeated more often than its cap allows.

    Parameters
    ----------
    tokens
        Whether to write ``.bin`` and ``.idx`` rather than text.
    """
    if tokens:
        _write_binary(data, out)
        rows = sum(map(count_documents, paths_by_domain(data.domains, out, f"{SUFFIX}.idx").values()))
    else:
        paths = paths_by_domain(data.domains, out, ".jsonl")
        write_by_domain(data, paths, open_json_lines, ["id", "text", "domain"])
        rows = sum(map(_count_lines, paths.values()))
    blend = [f"{domain.weight:.8f} {domain.key}{SUFFIX}\n" for domain in data.domains]
    write_unless_there(out / "blend.txt", "".join(blend).encode())
    return Exported(rows, lines=_BINARY if tokens else _TEXT)


_TEXT = [
    "Make the binary files, one pair for each domain, then train with `--data-args-path blend.txt`:",
    "",
    "    for file in domain-*.jsonl; do",
    '      python tools/preprocess_data.py --input "$file" --output-prefix "${file%.jsonl}" --append-eod ...',
    "    done",
]
_BINARY = [
    "Train with `--data-args-path blend.txt`, from this folder, and the tokenizer of `tokenizer.json`, whose ids these "
    "are. Each document ends with its end token, which counts among the tokens above.",
]


@contextmanager
def open_json_lines(path: Path) -> Iterator[Write]:
    """Hand out what writes rows into a file, a JSON object a line."""
    with path.open("w", encoding="utf-8") as stream:

        def write(batch: pa.RecordBatch) -> None:
            names = [name for name in batch.schema.names if name != "domain"]
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.select(names).to_pylist())

        yield write


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(chunk.count(b"\n") for chunk in iter(partial(stream.read, CHUNK), b""))


def _write_binary(data: DataSet, out: Path) -> None:
    dtype = ids_dtype(load_tokenizer(data.tokenizer).get_vocab_size(with_added_tokens=True))
    arrays = MappedArrays(shard.tokens for shard in data.shards)
    with open_database(out) as connection:
        _load_spans(connection, data)
        for domain in data.domains:
            prefix = out / f"{domain.key}{SUFFIX}"
            with unless_there(prefix.with_suffix(".idx")) as index:
                if index is not None:  # it is written after its ids, so where it is they are
                    ids = prefix.with_suffix(".bin")
                    ids.unlink(missing_ok=True)
                    with unless_there(ids) as temporary:
                        assert temporary is not None, "it was removed"
                        lengths = write_ids(temporary, _documents(connection, domain, arrays), dtype)
                    _require_all(domain, lengths)
                    write_index(index, lengths, dtype)
    write_unless_there(out / "tokenizer.json", data.tokenizer.read_bytes())


def _load_spans(connection: "DuckDBPyConnection", data: DataSet) -> None:
    """Load where each row of the data set is in its order, and where the tokens of its document lie."""
    connection.execute(_PLACES)
    connection.execute(_SPANS)
    first = 0
    for part in data.parts:
        for batch in iterate_batches(part, READ_ROWS, ["shard", "id", "domain"]):
            numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
            connection.register("rows", pa.table(batch).append_column("number", numbers))
            connection.execute("INSERT INTO place SELECT shard, id, domain, number FROM rows")
            connection.unregister("rows")
            first += batch.num_rows
    for ordinal, shard in enumerate(data.shards):
        values = {"ordinal": ordinal, "shard": shard.shard, "tokens": str(shard.documents)}
        connection.execute(_COLLECT, values)


def _documents(connection: "DuckDBPyConnection", domain: Domain, arrays: MappedArrays) -> Iterator[np.ndarray]:
    """Yield the ids of each row of a domain, in the order of the data set."""
    for batch in connection.sql(_OF_DOMAIN, params={"domain": domain.number}).to_arrow_reader(READ_ROWS):
        for ordinal, start, tokens in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield arrays[ordinal][start : start + tokens]


def _require_all(domain: Domain, lengths: np.ndarray) -> None:
    if int(lengths.sum()) != domain.tokens:
        raise ComputeError(
            f"{domain.key} has {domain.tokens} tokens in the data set and {int(lengths.sum())} in the shards; run "
            "`climb verify`"
        )

"""Arrow batches as records: which columns are read, and their cells as Python values.

What belongs here: what Parquet and Arrow IPC share. Whether a column holds text is asked of Arrow, never listed:
strings and bytes of any width, views, dictionaries and extension types of them all do.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.config import Corpus
from climb_assets.corpus.records import LABEL_KEYS, BrokenFileError, Fault, Record, make_record
from climb_assets.errors import TransientError

BATCH_ROWS = 1024
BATCH_BYTES = 2**28
DAMAGE = (pa.ArrowException, ValueError)  # what Arrow raises over damaged bytes; a name that is no UTF-8 is the latter
# What it raises over a value that Python cannot hold: a date beyond the year 9999, an unknown time zone (LookupError).
NO_VALUE = (*DAMAGE, ArithmeticError, LookupError)
BYTES = (  # the types whose values are bytes; of type null there are none
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary),
    *(pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary, pa.types.is_null),
)
_ASKED_FOR = re.compile(r"size (\d+)")  # in Arrow's message when memory is refused

Rows = Iterator[dict[str, Any]]


def read_table(
    stream: BinaryIO, read_rows: Callable[[BinaryIO, Corpus], Rows], settings: Corpus
) -> Iterator[Record | Fault]:
    """Yield the record or the fault of each row of an open table, counted from 1.

    Parameters
    ----------
    read_rows
        Yields the rows of the table's format, as `batch_rows` does. What it raises is laid to the file; what is done
        with its rows here is not.

    Raises
    ------
    BrokenFileError
        The file is damaged, a bomb, or has other columns.
    TransientError
        This machine lacks the memory that the file needs.
    OSError
        The device failed.
    """
    allowed = os.fstat(stream.fileno()).st_size * settings.max_expansion
    for row, cells in enumerate(_rows_or_damage(stream, read_rows, settings), start=1):
        size = sum(len(cell) for cell in cells.values() if isinstance(cell, bytes))
        allowed -= size
        if allowed < 0:
            raise BrokenFileError("bomb", f"unpacks to more than {settings.max_expansion} times its size")
        if size > settings.max_record_bytes:
            yield Fault(row, "record_too_long", f"more than corpus.max_record_bytes, {settings.max_record_bytes}")
        else:
            yield _decode_row(row, cells, settings.text_column)


def _rows_or_damage(stream: BinaryIO, read_rows: Callable[[BinaryIO, Corpus], Rows], settings: Corpus) -> Rows:
    with damage_as_fault(stream, settings):
        yield from read_rows(stream, settings)


@contextmanager
def damage_as_fault(stream: BinaryIO, settings: Corpus) -> Iterator[None]:
    """Let what Arrow and Python raise over a damaged file be a fault of the file, and nothing else.

    Raises
    ------
    BrokenFileError
        The file is damaged.
    TransientError
        This machine lacks the memory that the file needs.
    OSError
        The device failed.
    """
    try:
        yield
    except MemoryError as error:
        allowed = os.fstat(stream.fileno()).st_size * settings.max_expansion
        asked = _ASKED_FOR.search(str(error))
        if int(asked[1]) <= allowed if asked else not _can_have(allowed):  # no sound file of this size needs more
            raise TransientError(
                "there is too little memory to read a table of the corpus; end other processes, or lower "
                "runtime.workers, and run again"
            ) from error
        raise BrokenFileError("corrupt", f"asks for more than {allowed:,} bytes of memory") from None
    except DAMAGE as error:
        raise BrokenFileError("corrupt", str(error)) from None
    except OSError as error:  # Arrow reports damaged bytes so too, but without an error number
        if error.errno is not None:
            raise
        raise BrokenFileError("corrupt", str(error)) from None


def _can_have(size: int) -> bool:
    try:
        bytearray(size)
    except MemoryError:
        return False
    return True


class _NoValue:
    """Stands for a value that is there and that Python cannot hold."""


def choose_columns(schema: pa.Schema, text: str) -> list[str]:
    """Return the columns to read; the text column must be there once and hold text.

    Raises
    ------
    BrokenFileError
        It does not, or a column's name is no UTF-8.
    """
    try:
        names = schema.names
    except UnicodeDecodeError:
        raise BrokenFileError("wrong_columns", "a column's name is not UTF-8; rename it") from None
    if names.count(text) != 1 or not holds_text(schema.field(text).type):
        found = ", ".join(f"{field.name} {field.type}" for field in schema)
        raise BrokenFileError("wrong_columns", f"needs one column {text} of text, has {found}")
    return [text, *(key for keys in LABEL_KEYS.values() for key in keys if names.count(key) == 1 and key != text)]


def holds_text(kind: pa.DataType) -> bool:
    """Return whether the values of a type are bytes, which may be text."""
    if isinstance(kind, pa.BaseExtensionType):
        return not isinstance(kind, pa.UuidType) and holds_text(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return holds_text(kind.value_type)
    return any(is_one(kind) for is_one in BYTES)


def batch_rows(batch: pa.RecordBatch) -> Rows:
    """Yield the rows of a batch, text as bytes: Arrow does not check that it is UTF-8."""
    values = [column_cells(column) for column in batch.columns]
    for cells in zip(*values, strict=True):
        yield dict(zip(batch.schema.names, cells, strict=True))


def column_cells(column: pa.Array) -> list[Any]:
    """Return a column's values, text as bytes; one that Python cannot hold, or that is nested, is an object of ours."""
    if isinstance(column, pa.ExtensionArray) and not isinstance(column, pa.UuidArray):  # whose bytes are no text
        return column_cells(column.storage)
    if isinstance(column, pa.DictionaryArray):
        entries = column_cells(column.dictionary)
        return [None if place is None else entries[place] for place in column.indices.to_pylist()]
    if isinstance(column, pa.RunEndEncodedArray):
        return column_cells(pc.run_end_decode(column))
    if holds_text(column.type):
        return list(column.cast(pa.large_binary()).to_pylist())
    if pa.types.is_nested(column.type):
        return [_NoValue() if valid else None for valid in column.is_valid().to_pylist()]
    try:
        return list(column.to_pylist())
    except NO_VALUE:
        return [_cell(scalar) for scalar in column]


def _cell(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except NO_VALUE:
        return _NoValue()


def _decode_row(row: int, cells: dict[str, Any], text: str) -> Record | Fault:
    value = cells.get(text)
    try:
        decoded = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        return Fault(row, "bad_utf8", f"byte {error.start}: {error.reason}")
    return make_record(row, cells | {text: decoded}, text)

"""One line of JSON as a record, at a bounded cost.

What belongs here: parsing. Lines are `readers`.
"""

import json
import re

import numpy as np

from climb_assets.config import Corpus
from climb_assets.corpus.records import Fault, Record, make_record
from climb_assets.printable import printable

# One that nothing ends reaches to the end of the line: else each quote in it would be tried as the start of another.
_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_BYTES = np.arange(256)
_STEPS = np.isin(_BYTES, list(b"[{")).astype(np.int64) - np.isin(_BYTES, list(b"]}"))  # of depth, by byte


def parse_json(row: int, line: bytes, settings: Corpus) -> Record | Fault:
    """Return the record of a line, or what is wrong with it.

    A value costs Python a hundred times its bytes, so a line is looked through before it is parsed: it may hold at
    most `settings.max_values` values, nested at most `settings.max_nesting` deep.
    """
    fault = _count(row, line, settings)
    if fault is not None:
        return fault
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return Fault(row, "bad_utf8", f"byte {error.start}: {error.reason}")
    except RecursionError:
        return Fault(row, "too_deep", "JSON is nested too deeply")
    except ValueError as error:
        return Fault(row, "bad_json", printable(str(error)))
    if not isinstance(value, dict):
        return Fault(row, "not_an_object", f"a {type(value).__name__}, not an object")
    return make_record(row, value, settings.text_column)


def _count(row: int, line: bytes, settings: Corpus) -> Fault | None:
    """Return a fault if a line holds too much; in strings no character counts."""
    nested = line.count(b"[") + line.count(b"{")
    few = len(line) <= settings.max_values or line.count(b",") + nested <= settings.max_values
    if few and nested <= settings.max_nesting:
        return None
    bare = _STRINGS.sub(b"", line)
    opened = bare.count(b"[") + bare.count(b"{")
    if opened + bare.count(b",") > settings.max_values:
        return Fault(row, "too_many_values", f"holds more than {settings.max_values} values")
    if opened > settings.max_nesting:
        depth = np.cumsum(_STEPS[np.frombuffer(re.sub(rb"[^\[\]{}]+", b"", bare), np.uint8)])
        if depth.max() > settings.max_nesting:
            return Fault(row, "too_deep", f"JSON is nested more than {settings.max_nesting} deep")
    return None

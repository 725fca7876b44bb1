"""Documents that somebody has scored: what a scorer is fitted on.

What belongs here: reading and checking the file of `quality.annotations`. What is fitted on it is `fitted_scorer`.
"""

import functools
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climb_assets.config import Config
from climb_assets.config_quality import TAKEN
from climb_assets.corpus.normal_text import normalise
from climb_assets.corpus.outside_files import iterate_records
from climb_assets.errors import ConfigError
from climb_assets.printable import printable
from climb_assets.store.artifacts import sha256_text

KEY = "quality.annotations"
RECORD = 'a record is {"text": TEXT, "scores": {DIMENSION: NUMBER}}, each score from 0 to 5'
SCALE = (0.0, 5.0)  # of the paper's prompt (appendix D.11)
LEAST = 20  # different documents; fewer say nothing of those that were held out
DIMENSION = re.compile("[a-z][a-z0-9_]{0,99}")  # the name of a column, whose case SQL does not see


@dataclass(frozen=True)
class Annotations:
    """Texts in the normal form of documents, each once, and their scores (texts, dimensions)."""

    texts: list[str]
    dimensions: tuple[str, ...]
    scores: NDArray[np.float64]


def read_annotations(path: Path, *, whole: bool) -> Annotations:
    """Return the annotations of a file, in its order; a text that stands there again with equal scores counts once.

    Parameters
    ----------
    whole
        Whether scores must be whole numbers, as the labels of fastText are.

    Raises
    ------
    ConfigError
        The file cannot be read, a record is bad, a text has two scores, or there are too few: names the line.
    """
    texts: list[str] = []
    rows: list[tuple[float, ...]] = []
    seen: dict[str, tuple[int, int]] = {}  # of each text its line and its row
    dimensions: tuple[str, ...] = ()
    for number, _, record in iterate_records(path, KEY, RECORD, "name another"):
        where = f"{KEY}: {path}:{number}"
        fault = _fault(record, dimensions, whole=whole)
        if fault is not None:
            raise ConfigError(f"{where}: {fault}")
        text, scores = normalise(record["text"]), record["scores"]
        dimensions = dimensions or tuple(sorted(scores))
        row = tuple(float(scores[name]) for name in dimensions)
        line, place = seen.setdefault(sha256_text(text), (number, len(rows)))
        if place == len(rows):
            texts.append(text)
            rows.append(row)
        elif row != rows[place]:
            raise ConfigError(f"{where}: the text of line {line} has other scores here; leave one of the two out")
    if len(texts) < LEAST:
        raise ConfigError(f"{KEY}: {path} has {len(texts)} different documents, too few; give at least {LEAST}")
    return Annotations(texts, dimensions, np.array(rows))


def _fault(record: Any, dimensions: tuple[str, ...], *, whole: bool) -> str | None:
    """Return what is wrong with a record and what to do, or None.

    Parameters
    ----------
    dimensions
        Those of the records before it; none before the first.
    """
    if not isinstance(record, dict) or set(record) != {"text", "scores"}:
        return f"not these two fields; {RECORD}"
    text, scores = record["text"], record["scores"]
    if not isinstance(text, str) or not normalise(text):
        return f"text must be a text; {RECORD}"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "a text holds half of a surrogate pair and so is none; leave the record out"
    if not isinstance(scores, dict) or not scores:
        return f"scores must be an object with a number for each dimension; {RECORD}"
    for name in scores:
        if not DIMENSION.fullmatch(name) or name in TAKEN:
            shown = printable(repr(name), 60)
            taken = ", ".join(TAKEN)
            return f"{shown} cannot name a dimension; use lower-case letters, digits and _, and none of {taken}"
    missing, unknown = sorted(set(dimensions) - set(scores)), sorted(set(scores) - set(dimensions))
    if dimensions and (missing or unknown):
        what = f"lacks {missing[0]!r}" if missing else f"has {unknown[0]!r}, too"
        return f"scores {what}, unlike those before; score the same dimensions in every record"
    for name, score in scores.items():
        if type(score) not in (int, float) or not SCALE[0] <= score <= SCALE[1]:
            return f"{name} must be a number from 0 to 5; leave out a document without a score"
        if whole and math.floor(score) != score:
            return f"{name} is {score}, and fastText learns whole numbers; round it, or set quality.scorer: probe"
    return None


def annotated_dimensions(config: Config) -> tuple[str, ...]:
    """Return the dimensions of the annotations; each version of the file is read once.

    Raises
    ------
    ConfigError
        As of `read_annotations`.
    """
    path, whole = config.quality.annotations, config.quality.scorer == "fasttext"
    assert path is not None, "the scorer is fitted on annotations"
    try:
        stat = path.stat()
    except OSError:  # reading it will say what is wrong
        return read_annotations(path, whole=whole).dimensions
    return _dimensions(path, whole, (stat.st_mtime_ns, stat.st_size, stat.st_ino))


@functools.lru_cache(maxsize=8)
def _dimensions(path: Path, whole: bool, _stamp: tuple[int, int, int]) -> tuple[str, ...]:
    return read_annotations(path, whole=whole).dimensions

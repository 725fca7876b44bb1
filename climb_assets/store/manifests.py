"""Manifests and references as they are read: what stands in them was perhaps not written by us.

What belongs here: the shape of what is read, before anybody relies on it. Whether bytes are those that a manifest
promises is `climb_assets.store.artifacts`.
"""

import json
import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from climb_assets.errors import CorruptArtifact
from climb_assets.printable import printable
from climb_assets.store.files import LEADS_NOWHERE, read_file

FINGERPRINT = re.compile(r"[0-9A-Za-z_-]{1,128}")
LATER = ("environment",)  # what manifests that were written before there was one have not
AGAIN = "delete its folder and run `climb up`"
SHARED = {"code", "config", "environment"}  # what the manifests of an asset's partitions have in common
MOST_SHARED = 1_000
MOST_READ = 100_000  # files of which a process remembers what they hold

Held = TypeVar("Held")


class Remembered(Generic[Held]):
    """What small files hold that are written once: one that nobody has touched since is not read again.

    Parameters
    ----------
    read
        Reads a file at a path.
    """

    def __init__(self, read: Callable[[str], Held]) -> None:
        self._read = read
        self._held: dict[str, tuple[tuple[int, ...], Held]] = {}

    def read(self, path: str) -> Held:
        """Return what the file holds; it must not be changed. Errors are those of reading it."""
        try:
            stat = os.stat(path)  # noqa: PTH116 (a plan asks for thousands)
        except OSError as error:
            if error.errno not in LEADS_NOWHERE:
                raise
            return self._read(path)  # who reads it says what it is
        # st_ctime is the one of its times that nobody can set back
        stamp = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
        known = self._held.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        found = self._read(path)
        if len(self._held) >= MOST_READ:
            self._held.clear()
        self._held[path] = stamp, found
        return found


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest at a path.

    Raises
    ------
    CorruptArtifact
        It is not UTF-8, not JSON, or not of the shape that `seal` writes.
    FileNotFoundError, NotADirectoryError
        There is none.
    """
    return parse_manifest(read_file(path), path)


def parse_manifest(data: bytes, where: Path | str) -> dict[str, Any]:
    """Return the manifest that bytes hold, which were found somewhere; see `read_manifest` for what is refused."""
    manifest = _parse(data, where)
    if not isinstance(manifest, dict):
        raise CorruptArtifact(f"{where} is no manifest but a {type(manifest).__name__}; {AGAIN}")
    for key, is_right in _SHAPE.items():
        if not (key in manifest or key in LATER) or not is_right(manifest.get(key)):
            raise CorruptArtifact(f"{where} is no manifest: its {key!r} is missing or of another kind; {AGAIN}")
    for key in SHARED & manifest.keys():
        manifest[key] = _share(manifest[key])
    return manifest


_shared: dict[str, Any] = {}


def _share(value: Any) -> Any:
    """Return an equal value that was met before, so that thousands of manifests keep one."""
    if len(_shared) >= MOST_SHARED:
        _shared.clear()
    return _shared.setdefault(repr(value), value)  # the text tells 1 from 1.0


def read_reference(path: Path | str) -> str:
    """Return the fingerprint that a reference names.

    Raises
    ------
    CorruptArtifact
        It holds something else.
    FileNotFoundError
        There is none.
    """
    return parse_reference(read_file(path), path)


def parse_reference(data: bytes, where: Path | str) -> str:
    """Return the fingerprint that bytes name, which were found somewhere; see `read_reference` for what is refused."""
    text = data[:200].decode("utf-8", "replace").strip()
    if not FINGERPRINT.fullmatch(text):
        raise CorruptArtifact(
            f"{where} names no artefact but {printable(text, 40)!r}; delete this file, then `climb up` makes it again"
        )
    return text


def read_run_facts(path: str) -> dict[str, Any]:
    """Return the facts of a run; none where the file is gone or is not what was written: they belong to no hash."""
    try:
        return _run_facts.read(path)
    except (FileNotFoundError, NotADirectoryError, CorruptArtifact):
        return {}


def _read_run_facts(path: str) -> dict[str, Any]:
    facts = _parse(read_file(path), path)
    if not isinstance(facts, dict):
        return {}
    if not _is_texts(facts.get("environment", {})):
        facts.pop("environment")
    if "environment" in facts:
        facts["environment"] = _share(facts["environment"])
    return facts


_run_facts = Remembered(_read_run_facts)


def _parse(data: bytes, where: Path | str) -> Any:
    """Return a JSON value that could be hashed again: its numbers are finite, its texts have no lone surrogates."""
    try:
        text = data.decode()
        value = _DECODER.decode(text)
        if "\\u" in text:  # elsewhere a surrogate is no UTF-8
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        reason = "it is nested too deep" if isinstance(error, RecursionError) else printable(str(error), 80)
        raise CorruptArtifact(f"{where} is not JSON ({reason}); {AGAIN}") from None


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is no finite number")
    return value


def _with_shared_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose names are those of every other one: thousands of manifests are held at a time."""
    return {sys.intern(name): value for name, value in pairs}


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_finite, object_pairs_hook=_with_shared_names)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _is_files(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_file, value.items()))


def _is_file(item: tuple[str, Any]) -> bool:
    name, record = item
    inside = not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
    return inside and isinstance(record, dict) and type(record.get("bytes")) is int and _is_text(record.get("sha256"))


_SHAPE: Mapping[str, Callable[[Any], bool]] = {
    "asset": _is_text,
    "partition": lambda value: value is None or _is_text(value),
    "fingerprint": _is_text,
    "data_version": _is_text,
    "code": _is_texts,
    "config": lambda value: isinstance(value, dict),
    "inputs": _is_texts,
    "environment": lambda value: value is None or _is_texts(value),
    "files": _is_files,
    "summary": lambda value: isinstance(value, dict),
}

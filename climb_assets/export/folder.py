"""The folder of an export: whole or not there, taken up where it was broken off, with checksums over all of it.

What belongs here: how files come to lie in the folder. What is in them is `export` and the forms.

Files are written beside the folder, into a hidden one that tells what it will be; there each appears whole. Once all of
them are there and their checksums with them, that folder gets its name. So nobody sees half an export, and one that was
killed goes on from the files that it has.
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from climb_assets.errors import ArgumentError
from climb_assets.store.artifacts import sha256_file
from climb_assets.store.files import atomic_file, make_folder, remove_unfinished_below, sync_folder, write_atomically
from climb_assets.store.locks import write_alone

CHECKSUMS = "SHA256SUMS"  # as sha256sum writes and checks them
IDENTITY = "export.json"  # what was exported, from which artefacts, by which version
UNFINISHED = "unfinished"


@contextlib.contextmanager
def export_folder(out: Path, identity: Mapping[str, Any]) -> Iterator[Path | None]:
    """Hand out the folder to write into, which gets its name at the end of the block; None: all of it is there already.

    Files that are there were written by an earlier try at the same export, and are whole.

    Parameters
    ----------
    out
        Where the export will lie; it must not hold anything else.
    identity
        What decides every byte of it.

    Raises
    ------
    ArgumentError
        The folder holds something else, or an earlier export that is damaged; or it is being written.
    """
    told = _canonical(identity)
    with write_alone(out) as place:
        if _is_there(place, told):
            yield None
            return
        unfinished = place.with_name(f".{place.name}.{UNFINISHED}")
        _prepare(unfinished, told)
        yield unfinished
        write_checksums(unfinished)
        _rename(unfinished, place)


def _canonical(identity: Mapping[str, Any]) -> bytes:
    text = json.dumps(identity, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


def _is_there(out: Path, told: bytes) -> bool:
    """Return whether the very export lies there, whole."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    sums = out / CHECKSUMS
    if not sums.is_file() or not (out / IDENTITY).is_file() or (out / IDENTITY).read_bytes() != told:
        raise ArgumentError(f"{out} is not an empty folder; name another or empty it")
    if differences := check_export(out):
        raise ArgumentError(f"{out} is this export and damaged: {differences[0]}; move it away and export again")
    return True


def _prepare(unfinished: Path, told: bytes) -> None:
    """Keep what an earlier try at the same export left, and nothing else."""
    identity = unfinished / IDENTITY
    if unfinished.is_dir() and (not identity.is_file() or identity.read_bytes() != told):
        shutil.rmtree(unfinished)
    make_folder(unfinished)
    remove_unfinished_below(unfinished)
    write_atomically(identity, told)


def _rename(unfinished: Path, out: Path) -> None:
    if out.is_dir():
        out.rmdir()
    unfinished.rename(out)
    sync_folder(out.parent)


def _files(folder: Path) -> list[Path]:
    """Return the files of an export but its checksums, by their names in it."""
    files = (path for path in folder.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(path for path in files if path != folder / CHECKSUMS)


def write_checksums(folder: Path) -> None:
    """Write the checksums of all other files of a folder into it, as the last file."""
    lines = [f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    write_atomically(folder / CHECKSUMS, "".join(lines).encode())


def read_checksums(folder: Path) -> list[tuple[str, str]]:
    """Return the name and the SHA-256 of each line of a folder's checksums."""
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return [(name, sha256) for sha256, _, name in (line.partition("  ") for line in lines)]


def check_export(folder: Path) -> list[str]:
    """Return what of an export is not as its checksums say, one sentence each.

    Raises
    ------
    ArgumentError
        It has no checksums: it is no export, or half of one.
    """
    if not (folder / CHECKSUMS).is_file():
        raise ArgumentError(f"{folder} has no {CHECKSUMS}; it is no finished export")
    recorded = dict(read_checksums(folder))
    found = {file.relative_to(folder).as_posix(): file for file in _files(folder)}
    differences = [f"{folder / name} is gone" for name in sorted(recorded.keys() - found.keys())]
    differences += [f"{folder / name} is not of this export" for name in sorted(found.keys() - recorded.keys())]
    return differences + [
        f"{folder / name} is not what was exported (sha256 {recorded[name]})"
        for name in sorted(recorded.keys() & found.keys())
        if sha256_file(found[name]) != recorded[name]
    ]


@contextlib.contextmanager
def unless_there(path: Path) -> Iterator[Path | None]:
    """Hand out a temporary file that takes the place of `path` when the block ends; None: an earlier try wrote it."""
    if path.exists():
        yield None
        return
    make_folder(path.parent)
    with atomic_file(path) as temporary:
        yield temporary


def write_unless_there(path: Path, data: bytes) -> None:
    """Write a small file, unless an earlier try wrote it."""
    with unless_there(path) as temporary:
        if temporary is not None:
            temporary.write_bytes(data)

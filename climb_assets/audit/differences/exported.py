"""Exports: what left the lake, recorded in its ledger, so that an edited copy is told from the one that was written.

What belongs here: recording the files of an exported folder, and comparing them. Who writes them is
`climb_assets.export` and `climb_assets.audit.bundle_export`.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from climb_assets.audit.differences.reconciliation import Difference
from climb_assets.device_faults import NO_RIGHT
from climb_assets.errors import CorruptArtifact
from climb_assets.export.folder import CHECKSUMS, read_checksums
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import Artifact, sha256_file
from climb_assets.store.bucket import NoPermission
from climb_assets.store.ledger.chain import EXPORTED, Entry
from climb_assets.store.ledger.records import about
from climb_assets.store.store import Store

COPIED = {"audit": "", "huggingface": "part-"}  # forms that copy files of an artefact, and how their names begin


def record_export(store: Store, folder: Path, lake: Path, form: str, artifact: Artifact) -> bool:
    """Record the files of a folder that was written from an artefact; a later record of the same folder replaces it.

    Parameters
    ----------
    lake
        The folder of the lake: a folder in it is named by its path below it.
    form
        As what it was exported.

    Returns
    -------
    Whether it was recorded; not where the lake may be read and not written.
    """
    files = {name: sha256_file(path) for name, path in _files(folder)}
    try:
        store.record([about(EXPORTED, artifact.key, place=_place(folder, lake), form=form, files=files)])
    except NoPermission:
        return False
    except OSError as error:
        if error.errno not in NO_RIGHT:
            raise
        return False
    return True


def compare_exports(store: Store, entries: Iterable[Entry], lake: Path) -> tuple[list[Difference], list[str]]:
    """Return how exported folders that are still where they were written differ from what was recorded, and notes.

    A folder is held against the ledger, against its own list of checksums where it has one, and against the artefact
    that it is a copy of, as entries can be added; each file is read once.
    """
    last = {str(entry.record.get("place")): entry for entry in entries if entry.kind == EXPORTED}
    folders = {place: lake / place for place in last}  # an absolute place stays what it is
    folders |= {_place(path, lake): path for path in _entries(lake / "export")}
    differences, notes = list[Difference](), list[str]()
    for place, folder in sorted(folders.items()):
        entry = last.get(place)
        if not folder.is_dir():
            continue
        if entry is None:
            notes.append(f"{folder} is in no entry of the ledger; only what it says of itself was compared.")
        found = {name: sha256_file(path) for name, path in _files(folder)}
        sentences = [*_compare_checksums(folder, found)]
        if entry is not None:
            sentences += _compare(folder, found, entry.record.get("files", {}), entry.head.sequence)
            sentences = sentences or list(_compare_copies(store, entry, folder, found))
        differences += [Difference(sentence, *(entry.key if entry else ())) for sentence in sentences]
    return differences, notes


def _compare(folder: Path, found: Mapping[str, str], recorded: Mapping[str, str], number: int) -> Iterator[str]:
    for name in sorted({*found, *recorded}):
        if name not in found:
            yield f"{folder / name} was exported (entry {number} of the ledger) and is gone; export it again"
        elif name not in recorded:
            yield f"{folder / name} lies among what was exported (entry {number} of the ledger) and was not"
        elif found[name] != recorded[name]:
            yield f"{folder / name} is not the file that was exported (entry {number} of the ledger); export it again"


def _compare_copies(store: Store, entry: Entry, folder: Path, found: Mapping[str, str]) -> Iterator[str]:
    """Yield what an artefact holds and the folder that is a copy of it does not, as far as its form copies files."""
    copied = COPIED.get(str(entry.record.get("form")))
    if copied is None:
        return
    try:
        artifact = store.look(*entry.key)
    except CorruptArtifact:  # told with the artefact
        return
    files = artifact.manifest["files"] if artifact is not None else {}
    for name in sorted(files):
        if name.startswith(copied) and files[name]["sha256"] not in found.values():
            yield (
                f"{folder} lacks {name} as {artefact_name(*entry.place)} holds it, though entry {entry.head.sequence} "
                "of the ledger says that it was exported so: it was changed and recorded anew; export it again"
            )


def _compare_checksums(folder: Path, found: Mapping[str, str]) -> Iterator[str]:
    """Yield how a folder differs from its own list of checksums."""
    for name, digest in read_checksums(folder) if CHECKSUMS in found else ():
        if found.get(name) != digest:
            yield f"{folder / name} is not what {CHECKSUMS} beside it says"


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder, but what is being written."""
    return sorted(path for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []


def _place(folder: Path, lake: Path) -> str:
    folder, lake = folder.resolve(), lake.resolve()
    return folder.relative_to(lake).as_posix() if folder.is_relative_to(lake) else str(folder)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path

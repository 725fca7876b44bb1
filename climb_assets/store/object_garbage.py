"""Garbage of a store in a bucket: what lies in it besides what is needed, and removing it.

What belongs here: looking through the objects below the store's address, and removing those that are old and that
nobody needs. What is needed is not known here: see `climb_assets.audit.garbage`.

Whoever makes something is seen to be at work only as long as he says so (`ObjectStore.in_use`), and one who is late is
taken for dead. So nothing is removed that was put down within the last `YOUNG_SECONDS`: his commit, whose reference is
not set yet, and his files, whose manifest is still to come. What is older and was superseded he finds to be gone, and
begins anew. What a dead writer left on this machine is removed as it is of a lake.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path

from climb_assets.errors import CorruptArtifact
from climb_assets.store import garbage
from climb_assets.store.artifacts import MANIFEST, UNPARTITIONED
from climb_assets.store.bucket_objects import Listed
from climb_assets.store.garbage import UNKNOWN, Entry, Key, Left, Survey
from climb_assets.store.manifests import FINGERPRINT
from climb_assets.store.object_keys import (
    ARTIFACTS,
    COLLECTING,
    IN_USE,
    LEASES,
    REFERENCES,
    folder_of,
    is_file,
    names_of,
)
from climb_assets.store.objects import ObjectStore

YOUNG_SECONDS = 86_400.0
YOUNG = f"is younger than {YOUNG_SECONDS / 3600:.0f} hours; its writer may still be at work"


def survey(
    store: ObjectStore,
    assets: Collection[str],
    needed: Collection[Key],
    *,
    keep_unfinished: bool = False,
    since: float = float("inf"),
) -> Survey:
    """Look through a bucket, and the drafts and checkpoints of this machine's lake; see `garbage.survey`.

    Parameters
    ----------
    since
        The time by the clock of the store; unless given, it is taken to be that of the youngest object.
    """
    objects = store.bucket.below("")
    now = since if since < float("inf") else max((one.modified for one in objects), default=0.0)
    old = now - YOUNG_SECONDS
    folders: dict[str, list[Listed]] = defaultdict(list)
    found: list[Entry | Left] = []
    for one in objects:
        top, *rest = one.key.split("/")
        if top == ARTIFACTS and len(rest) > 3 and rest[0] in assets and FINGERPRINT.fullmatch(rest[2]):
            folders["/".join([top, *rest[:3]])].append(one)
        elif top == ARTIFACTS or (top == REFERENCES and rest[0] not in assets):
            found.append(Left(Path(one.key), UNKNOWN))
        elif top in (LEASES, IN_USE) and one.key != COLLECTING and one.modified < old:
            found.append(Entry("lock", Path(one.key), one.bytes))
    for folder, inside in folders.items():
        found += _what(store, folder, inside, needed, old)
    here = garbage.survey(store.machine, assets, (), keep_unfinished=keep_unfinished)
    kept = [entry for entry in here.needed if entry.kind != "artefact"]
    kept += [one for one in found if isinstance(one, Entry) and one.kind == "artefact" and one.key in needed]
    rubbish = [entry for entry in here.garbage if entry.kind != "artefact"]
    rubbish += [one for one in found if isinstance(one, Entry) and one not in kept]
    return Survey(tuple(kept), tuple(rubbish), tuple(one for one in found if isinstance(one, Left)))


def _what(
    store: ObjectStore, folder: str, inside: list[Listed], needed: Collection[Key], old: float
) -> Iterator[Entry | Left]:
    """Yield what the objects in the folder of an artefact are.

    Parameters
    ----------
    old
        What was put down before this time has no writer any more.
    """
    asset, partition, fingerprint = folder.split("/")[1:]
    key = (asset, None if partition == UNPARTITIONED else partition, fingerprint)
    path, size = Path(folder), sum(one.bytes for one in inside)
    try:
        artifact = store.find(*key)
    except CorruptArtifact:
        yield Left(path, "has a manifest that cannot be read")
        return
    named = names_of(artifact.manifest) if artifact is not None else {}
    others = [one for one in inside if one.key.removeprefix(f"{folder}/") not in named]
    strange = [one for one in others if not is_file(one.key.removeprefix(f"{folder}/"))]
    if artifact is not None and key in needed:
        losers = [one for one in others if one not in strange and one.modified < old]
        yield Entry("artefact", path, size - sum(one.bytes for one in losers), key)
        yield from (Entry("unfinished work", Path(one.key), one.bytes, key) for one in losers)
    elif strange:
        yield Left(path, f"holds {strange[0].key.removeprefix(f'{folder}/')}, which no manifest names")
    elif any(one.modified >= old for one in inside):
        yield Left(path, YOUNG)
    elif artifact is None:
        yield Entry("unfinished work", path, size, key)
    elif (artifact.asset, artifact.partition, artifact.fingerprint) != key:
        yield Left(path, "has the manifest of another artefact")
    else:
        yield Entry("artefact", path, size, key)


def remove_garbage(store: ObjectStore, found: Survey) -> list[Left]:
    """Remove what a survey found to be garbage; return what has found a writer or a reference since, and was left.

    An artefact loses its manifest first, so it is there whole or not at all, whenever this process dies.
    """
    here = [entry for entry in found.garbage if entry.path.is_absolute()]
    left = garbage.remove_garbage(store.machine, Survey((), tuple(here), ()))
    for entry in found.garbage:
        if not entry.path.is_absolute() and (reason := _remove(store, entry)) is not None:
            left.append(Left(entry.path, reason))
    return left


def _remove(store: ObjectStore, entry: Entry) -> str | None:
    """Remove the objects of one entry; return why they were not."""
    place = entry.path.as_posix()
    if entry.key is None or place != folder_of(*entry.key):  # one object
        store.bucket.delete([place])
        return None
    if store.reference(*entry.key[:2]) == entry.key[2]:
        return "is the current artefact by now"
    inside = store.bucket.below(place)
    if sum(one.bytes for one in inside) != entry.bytes:
        return "has found a writer"
    store.bucket.delete(sorted((one.key for one in inside), key=lambda key: key != f"{place}/{MANIFEST}"))
    return None

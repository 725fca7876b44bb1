"""Garbage of a store in a bucket: looking through the objects, and removing those that are old and that nobody needs.

What belongs here: what of the objects below the store's address is taken for garbage, and how it goes. What a survey is
belongs to `climb_assets.store.garbage`.

Whoever makes something is seen to be at work only as long as he says so (`ObjectStore.in_use`), and one who is late is
taken for dead. So nothing is removed that was put down within the last `YOUNG_SECONDS`: his commit, whose reference is
not set yet, and his files, whose manifest is still to come. What is older and was superseded he finds to be gone, and
begins anew. Whoever removes may be late himself: so he asks for his right, and looks at what he is about to remove,
each time. What a dead writer left on this machine is removed as it is of a lake.
"""

import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from climb_assets.errors import CorruptArtifact, TransientError
from climb_assets.store.artifacts import MANIFEST, UNPARTITIONED
from climb_assets.store.bucket_objects import Listed
from climb_assets.store.garbage import UNKNOWN, Entry, Key, Kind, Left, StoreGarbage, Survey, Undisturbed
from climb_assets.store.ledger.chain import REMOVED
from climb_assets.store.ledger.recording import STRANGE, is_strange
from climb_assets.store.ledger.records import about
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
AT_ONCE = 100  # objects that are removed before the right to do so is asked for again


@dataclass(frozen=True)
class ObjectEntry(Entry):
    """Something that the store has written into a bucket.

    Parameters
    ----------
    objects
        What it consists of, sorted by key.
    """

    objects: tuple[Listed, ...] = ()


class ObjectGarbage(StoreGarbage):
    """The garbage of a store in a bucket, and of the lake beside it on this machine."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def survey(
        self,
        assets: Collection[str],
        needed: Collection[Key],
        *,
        keep_unfinished: bool = False,
        since: float = float("inf"),
    ) -> Survey:
        """Look through a bucket, and the drafts and checkpoints of this machine's lake; see `StoreGarbage.survey`.

        Parameters
        ----------
        since
            What was put down shortly before then is left alone; unless given, it is when the youngest object was.
        """
        here = self._store.machine.garbage.survey(assets, (), keep_unfinished=keep_unfinished)
        kept: list[Entry] = [entry for entry in here.needed if entry.kind != "artefact"]
        rubbish: list[Entry] = [entry for entry in here.garbage if entry.kind != "artefact"]
        left: list[Left] = []
        for one in self._look(assets, needed, since):
            if isinstance(one, Left):
                left.append(one)
            elif one.kind == "artefact" and one.key in needed:
                kept.append(one)
            else:
                rubbish.append(one)
        return Survey(tuple(kept), tuple(rubbish), tuple(left))

    def _look(self, assets: Collection[str], needed: Collection[Key], since: float) -> Iterator[ObjectEntry | Left]:
        """Yield what the objects of the bucket are."""
        objects = self._store.bucket.below("")
        now = since if since < float("inf") else max((one.modified for one in objects), default=0.0)
        old = now - YOUNG_SECONDS
        folders: dict[str, list[Listed]] = defaultdict(list)
        for one in objects:
            top, *rest = one.key.split("/")
            if top == ARTIFACTS and len(rest) > 3 and rest[0] in assets and FINGERPRINT.fullmatch(rest[2]):
                folders["/".join([top, *rest[:3]])].append(one)
            elif top == ARTIFACTS or (top == REFERENCES and rest[0] not in assets):
                yield Left(one.key, UNKNOWN)
            elif top in (LEASES, IN_USE) and one.key != COLLECTING and one.modified < old:
                yield _entry("lock", one.key, [one])
        for folder, inside in folders.items():
            yield from _what(self._store, folder, inside, needed, old)

    @contextlib.contextmanager
    def undisturbed(self) -> Iterator[Undisturbed]:
        """Hold the store while nobody is in an `in_use` block; see `StoreGarbage.undisturbed`."""
        store = self._store
        with store.machine.garbage.undisturbed(), store.leases.hold(COLLECTING, alone=True) as right:
            if right is None or not right.still_held():
                raise TransientError(f"the right to remove garbage of {store} was not granted; run again")
            began = right.renewed
            if any(one.modified > began - store.leases.seconds for one in store.bucket.below(IN_USE)):
                raise TransientError(
                    f"{store} is in use on some machine: something is being made, verified or exported; wait for it "
                    "and run again"
                )
            yield Undisturbed(began, right.still_held)

    def remove(self, found: Survey, right: Undisturbed) -> list[Left]:
        """Remove what a survey found to be garbage; see `StoreGarbage.remove`.

        An artefact loses its manifest first.
        """
        here = tuple(entry for entry in found.garbage if not isinstance(entry, ObjectEntry))
        of_machine = replace(right, still_held=lambda: True)  # its lock ends with this process
        left = self._store.machine.garbage.remove(Survey((), here, ()), of_machine)
        for entry in found.garbage:
            if isinstance(entry, ObjectEntry) and (reason := _remove(self._store, entry, right)) is not None:
                left.append(Left(entry.place, reason))
        return left


def _what(
    store: ObjectStore, folder: str, inside: list[Listed], needed: Collection[Key], old: float
) -> Iterator[ObjectEntry | Left]:
    """Yield what the objects in the folder of an artefact are.

    Parameters
    ----------
    old
        What was put down before this time has no writer any more.
    """
    asset, partition, fingerprint = folder.split("/")[1:]
    key = (asset, None if partition == UNPARTITIONED else partition, fingerprint)

    def name(one: Listed) -> str:
        return one.key.removeprefix(f"{folder}/")

    try:
        artifact = store.look(*key)
    except CorruptArtifact:
        yield Left(folder, "has a manifest that cannot be read")
        return
    named = names_of(artifact.manifest) if artifact is not None else {}
    others = [one for one in inside if name(one) not in named]
    strange = [name(one) for one in others if not is_file(name(one))]
    if artifact is not None and key in needed:
        losers = {one.key: one for one in others if is_file(name(one)) and one.modified < old}
        yield _entry("artefact", folder, [one for one in inside if one.key not in losers], key)
        yield from (_entry("unfinished work", one.key, [one], key) for one in losers.values())
    elif strange:
        yield Left(folder, f"holds {strange[0]}, which no manifest names")
    elif any(one.modified >= old for one in inside):
        yield Left(folder, YOUNG)
    elif artifact is None:
        yield _entry("unfinished work", folder, inside, key)
    elif is_strange(store.keeper.known(), key):
        yield Left(folder, STRANGE)
    elif (artifact.asset, artifact.partition, artifact.fingerprint) != key:
        yield Left(folder, "has the manifest of another artefact")
    else:
        yield _entry("artefact", folder, inside, key)


def _entry(kind: Kind, place: str, objects: list[Listed], key: Key | None = None) -> ObjectEntry:
    return ObjectEntry(kind, place, sum(one.bytes for one in objects), key, objects=tuple(objects))


def _remove(store: ObjectStore, entry: ObjectEntry, right: Undisturbed) -> str | None:
    """Remove the objects of one entry if they are those that were looked at; return why they were not."""
    whole = entry.key is not None and entry.place == folder_of(*entry.key)
    if whole and entry.key is not None and store.reference(*entry.key[:2]) == entry.key[2]:
        return "is the current artefact by now"
    if entry.kind != "lock":  # one that is taken again decides nothing
        inside = store.bucket.below(entry.place if whole else entry.place.rpartition("/")[0])
        if tuple(one for one in inside if whole or one.key == entry.place) != entry.objects:
            return "has found a writer"
    if whole and entry.key is not None and entry.kind == "artefact":
        right.require()
        store.record([about(REMOVED, entry.key)])
    keys = [one.key for one in entry.objects]
    keys.sort(key=lambda key: key != f"{entry.place}/{MANIFEST}")
    for start in range(0, len(keys), AT_ONCE):
        right.require()
        store.bucket.delete(keys[start : start + AT_ONCE])
    return None

"""One look at a bucket, by which many questions are answered: those of a plan.

What belongs here: what was listed, and what is remembered of objects that are listed as the same.
"""

import bisect
import contextlib
import threading
from collections.abc import Iterator, Sequence

from climb_assets.store.bucket_objects import Listed, Object

MOST_REMEMBERED = 256 * 2**20  # bytes of objects


class Glance:
    """What a bucket held at one moment."""

    def __init__(self, objects: Sequence[Listed]) -> None:
        self._objects = sorted(objects)
        self._keys = [one.key for one in self._objects]

    def find(self, key: str) -> Listed | None:
        """Return an object, or None where there is none."""
        place = bisect.bisect_left(self._keys, key)
        return self._objects[place] if self._keys[place : place + 1] == [key] else None

    def below(self, folder: str) -> list[Listed]:
        """Return every object below a folder of keys, sorted by key."""
        if not folder:
            return list(self._objects)
        first, last = (bisect.bisect_left(self._keys, f"{folder}{end}") for end in "/0")  # "0" comes after "/"
        return self._objects[first:last]


class Memory:
    """The objects that this process has read, and the look by which this thread asks for them."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._bytes = 0
        self._mutex = threading.Lock()
        self._here = threading.local()

    @property
    def glance(self) -> Glance | None:
        """The look by which this thread's questions are answered, if they are."""
        return getattr(self._here, "glance", None)

    @contextlib.contextmanager
    def answering_by(self, glance: Glance) -> Iterator[None]:
        """Let this thread's questions be answered by a look until the block ends."""
        self._here.glance = glance
        try:
            yield
        finally:
            self._here.glance = None

    def recall(self, listed: Listed) -> Object | None:
        """Return an object that was read before, if its ETag says that it is the one that is listed."""
        found, tag = self._objects.get(listed.key), listed.version.get("e_tag")
        return found if found is not None and tag is not None and found.version.get("e_tag") == tag else None

    def note(self, key: str, found: Object) -> None:
        """Remember an object; where they become too many, all are forgotten."""
        with self._mutex:
            if self._bytes > MOST_REMEMBERED:
                self._objects.clear()
                self._bytes = 0
            self._objects[key] = found
            self._bytes += len(found.data)

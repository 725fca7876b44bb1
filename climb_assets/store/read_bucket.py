"""A bucket of somebody else's, which is read and never written: one version of an object, or none.

What belongs here: reading an object only as long as it is the one that was listed. All else that is asked of a bucket
belongs to `climb_assets.store.bucket`.
"""

from pathlib import Path
from typing import Any

from climb_assets.errors import DeviceFault, TransientError
from climb_assets.store.bucket import CHUNK, Bucket
from climb_assets.store.bucket_objects import Listed


class ReadBucket(Bucket):
    """The objects below an address, each read by its ETag; see `Bucket`."""

    def tag(self, listed: Listed) -> str:
        """Return the ETag of an object; listings and answers of some stores differ in its quotes.

        Raises
        ------
        DeviceFault
            The store gives none.
        """
        if (tag := listed.version.get("e_tag")) is None:
            raise DeviceFault(
                f"{self.where(listed.key)} has no ETag by which its changes show; copy the files into a folder, or to "
                f"another store, and name that in {self.setting}"
            )
        return tag.strip('"')

    def find(self, key: str) -> Listed | None:
        """Return an object as it would be listed, or None where there is none."""
        import obstore

        try:
            meta = self._ask(lambda: obstore.head(self._client, key), key)
        except FileNotFoundError:
            return None
        tag = meta["e_tag"]
        return Listed(key, meta["size"], meta["last_modified"].timestamp(), {} if tag is None else {"e_tag": tag})

    def fetch(self, listed: Listed, path: Path) -> bool:
        """Write an object into a file, a part at a time; return False where it is gone or has changed since.

        Raises
        ------
        TransientError
            The store gave another number of bytes than it listed.
        """
        import obstore
        from obstore.exceptions import PreconditionError

        condition: Any = {"if_match": listed.version["e_tag"]}

        def get(start: int) -> bytes | None:
            part = {"range": (start, min(start + CHUNK, listed.bytes))} if listed.bytes > CHUNK else {}
            try:
                return bytes(obstore.get(self._client, listed.key, options=condition | part).bytes())
            except PreconditionError:
                return None

        with path.open("wb") as stream:
            for start in range(0, max(listed.bytes, 1), CHUNK):
                try:
                    data = self._ask(lambda start=start: get(start), listed.key)  # type: ignore[misc]
                except FileNotFoundError:
                    return False
                if data is None:
                    return False
                stream.write(data)
            size = stream.tell()
        if size != listed.bytes:
            raise TransientError(f"{self.where(listed.key)} came with {size} of {listed.bytes} bytes; run again")
        return True

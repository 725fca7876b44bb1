"""Where the raw files lie, a folder or a bucket, as whoever reads them knows it.

What belongs here: what both are asked, and what both say alike. They are `raw_folder` and `raw_bucket`; `raw_opening`
chooses.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.corpus.raw_files import Listing, ShardDigest, require_shards
from climb_assets.errors import CorpusError

VersionRead = Callable[[str], str | None]  # the earlier version that can stand for a shard until it is written, if any
Localise = Callable[[str | None], AbstractContextManager[Path]]  # a raw file lies on this machine until the block ends


class RawPlace(ABC):
    """What is asked of the place of the raw files."""

    @abstractmethod
    def where(self, name: str) -> str:
        """Return where a raw file lies, by its path under the place, as people read it."""

    def look(self, made: Collection[str], version_read: VersionRead) -> Listing:
        """List the shards that are whole, and those being written of which an earlier version is kept.

        Parameters
        ----------
        made
            Shards of which something was made, also where they went since.
        version_read
            Returns the earlier version of such a shard that can stand for it until it is written, if there is one.

        Raises
        ------
        CorpusError
            The place cannot be listed, or holds no such shard.
        """
        listing = self.look_now(made, version_read)
        if not listing.shards and listing.unsettled:
            raise CorpusError(f"{self} holds no finished shard yet; {describe_unsettled(listing)}")
        require_shards(str(self), listing)
        return listing

    @abstractmethod
    def look_now(self, made: Collection[str], version_read: VersionRead) -> Listing:
        """List as `look` does, also where there is no shard."""

    @abstractmethod
    def wait(self, made: Collection[str], version_read: VersionRead, tell: Callable[[str], None]) -> None:
        """Wait until what changed a moment ago may count as whole, where that does not show otherwise.

        Parameters
        ----------
        tell
            Is told, in one line, for what and how long.
        """

    @abstractmethod
    def changed(self, shards: Collection[str], listing: Listing) -> list[str]:
        """Return those shards that were being written at a look, or are no longer as they were then."""

    @abstractmethod
    def why_unsettled(self, shard: str, listing: Listing) -> str | None:
        """Return why a shard must not be read now by who goes by a look; None if it may."""

    @abstractmethod
    def stamp(self, listing: Listing) -> str:
        """Return a hash in which every change of a raw file shows, and that reads none.

        Of a shard that is being written it holds only that, so that it keeps no change of another waiting.
        """

    @abstractmethod
    def digest(self, shard: str, cache: DigestCache | None = None) -> ShardDigest:
        """Hash every file of a shard; those that the cache knows are not read.

        Raises
        ------
        CorpusError
            There is no such shard, a part of it cannot be read, or a file changes while it is being hashed.
        """

    @abstractmethod
    def hash_ahead(self, shards: Collection[str], cache: DigestCache) -> None:
        """Let the cache know the files of many shards, where that is sooner done for all at once."""

    @abstractmethod
    def files(self, shard: str) -> Mapping[str, Localise]:
        """Return the files of a shard that can be read, by their paths under the place, in path order.

        Each is localised when it is asked for, given its SHA-256 where that is known.

        Raises
        ------
        CorpusError
            There is no such shard, or a part of it cannot be looked at.
        """

    @abstractmethod
    def sizes(self, shard: str) -> Mapping[str, int]:
        """Return the bytes of each of `files`, without reading any.

        Raises
        ------
        CorpusError
            There is no such shard, or a part of it cannot be looked at.
        """

    @abstractmethod
    def hash_again(self, name: str) -> str:
        """Return the SHA-256 of a raw file as it is now, read again, by its path under the place.

        Raises
        ------
        CorpusError, FileNotFoundError
            It is gone, or goes meanwhile.
        IrregularFileError
            It is no regular file.
        OSError
            It cannot be read, which says nothing about what it holds.
        """


def describe_unsettled(listing: Listing) -> str:
    """Return one sentence on the shards that are being written; empty if none is."""
    told = [f"{name} ({reason})" for name, reason in listing.unsettled.items()]
    if not told:
        return ""
    count = "1 shard is" if len(told) == 1 else f"{len(told)} shards are"
    return f"{count} being written and left for the next round: {name_some(told)}"


def name_some(names: Collection[str]) -> str:
    """Return the first of some names, for a line."""
    return ", ".join([*names][:8]) + (" ..." if len(names) > 8 else "")

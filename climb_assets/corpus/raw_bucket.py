"""Raw files in a bucket of an object store: each object one file, each first part of a key one shard.

What belongs here: what keys mean as shards and files, and how an object becomes a file of this machine. What is asked
of the bucket is `climb_assets.store.read_bucket`, which fetched files stay `climb_assets.store.file_cache`.

A look lists the bucket, and whatever is asked after it is answered by the objects as they were listed: each is read by
the ETag that it had then, or not at all. An object is there whole or not there, so no time must pass before it counts;
but a shard of several may still be filled, which `corpus.settle.marker` tells. What was fetched lies in the lake under
a hash of key, size and ETag, so no key leads anywhere else and a changed object is another file.
"""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from climb_assets.config import Corpus
from climb_assets.corpus.digest_cache import DigestCache, Tagged, hash_file
from climb_assets.corpus.raw_files import (
    SHARD_NAME,
    Listing,
    RawFile,
    Rejected,
    ShardDigest,
    is_data,
    join_digests,
    why_no_shard,
)
from climb_assets.corpus.raw_place import Localise, RawPlace, VersionRead
from climb_assets.errors import CorpusError
from climb_assets.printable import printable
from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.bucket import PATIENCE, require_obstore
from climb_assets.store.bucket_objects import Listed
from climb_assets.store.file_cache import FileCache
from climb_assets.store.read_bucket import ReadBucket

SETTING = "corpus.raw"
FETCHED_AT_ONCE = 8  # objects that are being hashed
EMPTY_SHA256 = sha256_text("")

Shards = dict[str, list[Listed]]  # what lies below each first part of a key, what is no data too


class RawBucket(RawPlace):
    """The raw files below an address.

    Parameters
    ----------
    corpus
        Its `raw` is the address.
    lake
        The folder on this machine for files that were fetched.
    cache_bytes
        How much room they may take.
    patience
        Seconds for which a request that fails is tried again.
    """

    def __init__(self, corpus: Corpus, lake: Path, cache_bytes: int, patience: float = PATIENCE) -> None:
        require_obstore(str(corpus.raw), SETTING)
        self.corpus = corpus
        self.bucket = ReadBucket(str(corpus.raw), patience, SETTING)
        fetched = lake / "cache" / "raw" / sha256_text(self.bucket.address)[:16]
        self.cache = FileCache(fetched, cache_bytes, idle_seconds=0)
        self._shards: Shards = {}  # as they were listed
        self._files: set[tuple[str, str, float]] = set()  # without bytes, by key, ETag and time

    def __str__(self) -> str:
        return self.bucket.address

    def where(self, name: str) -> str:
        """Return the address of a raw file."""
        return self.bucket.where(name)

    def look_now(self, made: Collection[str], version_read: VersionRead) -> Listing:
        """List the shards; see `RawPlace.look`."""
        self._shards = self._by_shard(self.bucket.below(""))
        shards, stamps = set[str](), dict[str, str]()
        rejected: list[Rejected] = []
        unsettled: dict[str, str] = {}
        for name, objects in sorted(self._shards.items()):
            files = _data(objects)
            reason = why_no_shard(name, [one.key.rpartition("/")[2] for one in files])
            if SHARD_NAME.fullmatch(name) and (unmarked := self._why_unmarked(name)):
                unsettled[name] = unmarked
                if name in made and version_read(name):
                    shards.add(name)
            elif reason is not None:
                rejected.append(Rejected(name, reason))
            else:
                shards.add(name)
                stamps[name] = self._stamp(files)
        return Listing({name: self.where(name) for name in sorted(shards)}, tuple(rejected), unsettled, stamps)

    def _by_shard(self, objects: Sequence[Listed]) -> Shards:
        """Return objects by the first part of their keys, without those that only stand for a folder."""
        folders = {one.key[:place] for one in objects for place, letter in enumerate(one.key) if letter == "/"}
        found: dict[str, dict[str, Listed]] = defaultdict(dict)
        for one in objects:
            name = one.key.partition("/")[0]
            if one.key and is_data(name) and (one.bytes or (one.key not in folders and self._is_file(one))):
                found[name][one.key] = one
        return {name: list(files.values()) for name, files in found.items()}

    def _is_file(self, one: Listed) -> bool:
        """Return whether an object without bytes is a file.

        The key of a folder ends in a slash and is listed without it: under that there is nothing, or something else.
        """
        known = (one.key, self.bucket.tag(one), one.modified)
        if known not in self._files and _may_hold_documents(one):
            found = self.bucket.find(one.key)
            if found is None or self._tagged(found) != self._tagged(one):
                return False
            self._files.add(known)
        return True

    def _why_unmarked(self, shard: str) -> str | None:
        """Return why a shard of several objects may not be whole yet; None if it may be read."""
        marker, keys = self.corpus.settle.marker, [one.key for one in self._shards[shard]]
        if marker is None or keys == [shard] or f"{shard}/{marker}" in keys:
            return None
        return f"has no {marker}"

    def wait(self, made: Collection[str], version_read: VersionRead, tell: Callable[[str], None]) -> None:
        """Wait for nothing: an object is there whole or not at all."""

    def changed(self, shards: Collection[str], listing: Listing) -> list[str]:
        """Return those shards that were being written at a look, or are no longer as they were then."""
        now = self._by_shard(self.bucket.below("")) if shards else {}
        return [shard for shard in shards if listing.stamps.get(shard) != self._stamp(_data(now.get(shard, [])))]

    def why_unsettled(self, shard: str, listing: Listing) -> str | None:
        """Return why a shard must not be read; what changed since it was listed shows when it is."""
        self._listed(shard)
        return listing.unsettled.get(shard) or self._why_unmarked(shard)

    def stamp(self, listing: Listing) -> str:
        """Return a hash over key, size and ETag of every raw file; see `RawPlace.stamp`."""
        records = [[shard, listing.stamps.get(shard, "being written")] for shard in listing.shards]
        return sha256_text(canonical_json(records))[:32]

    def _stamp(self, files: Sequence[Listed]) -> str:
        return sha256_text(canonical_json([self._tagged(one) for one in files]))[:32]

    def _tagged(self, one: Listed) -> Tagged:
        return Tagged(one.key, one.bytes, self.bucket.tag(one))

    def digest(self, shard: str, cache: DigestCache | None = None) -> ShardDigest:
        """Hash every file of a shard; those that the cache knows are not fetched."""
        files = self._listed(shard)
        hashes = self._hashes(files, cache)
        return join_digests([RawFile(one.key, one.bytes, hashes[one.key]) for one in files])

    def hash_ahead(self, shards: Collection[str], cache: DigestCache) -> None:
        """Fetch what the cache does not know of many shards, several objects at once."""
        self._hashes([one for shard in shards for one in self._listed(shard)], cache)

    def _hashes(self, files: Sequence[Listed], cache: DigestCache | None) -> dict[str, str]:
        """Return the SHA-256 of objects by key, each remembered as soon as it is known."""
        known = {} if cache is None else cache.get_objects(self.bucket.address, [self._tagged(one) for one in files])
        unknown = [one for one in files if one.key not in known]
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as fetching:
            for one, sha256 in zip(unknown, fetching.map(self._hash, unknown), strict=True):
                known[one.key] = sha256
                if cache is not None:
                    cache.put_object(self.bucket.address, self._tagged(one), sha256)
        return known

    def _hash(self, one: Listed) -> str:
        if not one.bytes:
            return EMPTY_SHA256
        with self._localised(one, None) as path:
            return hash_file(path).sha256

    def files(self, shard: str) -> dict[str, Localise]:
        """Return the files of a shard, each to be fetched when it is asked for."""
        return {one.key: partial(self._localised, one) for one in self._listed(shard)}

    def sizes(self, shard: str) -> dict[str, int]:
        """Return the bytes of each file of a shard, as they were listed."""
        return {one.key: one.bytes for one in self._listed(shard)}

    def _listed(self, shard: str) -> list[Listed]:
        """Return the objects of a shard that may hold documents, in path order, as they were last listed."""
        if shard not in self._shards:  # by another process
            alone = self.bucket.find(shard)
            self._shards |= self._by_shard([*([alone] if alone else []), *self.bucket.below(shard)])
        if not (found := _data(self._shards.get(shard, []))):
            raise CorpusError(f"{self} has no shard {printable(shard)!r}; run `climb plan` to see which there are")
        return found

    @contextlib.contextmanager
    def _localised(self, one: Listed, sha256: str | None) -> Iterator[Path]:
        """Let an object lie on this machine, as it was listed, until the block ends."""
        path = self._path(one)
        with self.cache.in_use():
            self.cache.touch(path)
            if not path.exists() or path.stat().st_size != one.bytes or (sha256 and hash_file(path).sha256 != sha256):
                with self.cache.place(path) as temporary:
                    self._fetch(one, temporary)
            yield path

    def _path(self, one: Listed) -> Path:
        return self.cache.folder / "files" / sha256_text(canonical_json(self._tagged(one)))

    def _fetch(self, one: Listed, path: Path) -> None:
        if self.bucket.fetch(one, path):
            return
        if self.bucket.find(one.key) is None:
            why = "went away since it was listed, or its key ends in a slash; run again, or give it another key"
            raise CorpusError(f"{self.where(one.key)} {why}")
        raise CorpusError(f"{self.where(one.key)} changed since it was listed; run again")

    def hash_again(self, name: str) -> str:
        """Return the SHA-256 of an object as it is now, fetched again."""
        one = self.bucket.find(name)
        if one is None:
            raise FileNotFoundError(self.where(name))
        with self.cache.in_use(), self.cache.place(self._path(one), once=True) as temporary:
            self._fetch(one, temporary)
            return hash_file(temporary).sha256


def _may_hold_documents(one: Listed) -> bool:
    return all(map(is_data, one.key.split("/")))


def _data(objects: Sequence[Listed]) -> list[Listed]:
    """Return the objects that may hold documents, in the order in which a folder's files stand."""
    return sorted(filter(_may_hold_documents, objects), key=lambda one: one.key.split("/"))

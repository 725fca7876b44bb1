"""The raw files as one materializer sees them: which shards there are, which version of each, and who reads them.

What belongs here: what was seen of them held against what the store remembers of it. Whether a shard is being
written is `corpus.raw_folder` or `corpus.raw_bucket`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from climb_assets.config import Config
from climb_assets.corpus.digest_cache import DigestCache
from climb_assets.corpus.raw_files import Listing
from climb_assets.corpus.raw_opening import open_raw
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.errors import CorpusError
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.store import Store

CORPUS_SHARDS = "corpus_shards"  # what was read of a raw shard


@dataclass
class RawVersions:
    """The shards, as last seen, and their versions.

    Attributes
    ----------
    place
        Where the raw files lie.
    """

    config: Config
    store: Store
    place: RawPlace = field(init=False)
    _listing: Listing | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.place = open_raw(self.config)

    def forget(self) -> None:
        """Look again when somebody asks next."""
        self._listing = None

    def see(self, listing: Listing) -> None:
        """Take the raw files to be as another has seen them."""
        self._listing = listing

    def listing(self) -> Listing:
        """Return the shards and the names that were rejected, as last seen."""
        if self._listing is None:
            self._listing = self.place.look(self.store.partitions(CORPUS_SHARDS), self.version_read)
        return self._listing

    def wait_until_settled(self, tell: Callable[[str], None]) -> None:
        """Wait until what changed a moment ago may count as whole; see `RawPlace.wait`."""
        self.place.wait(self.store.partitions(CORPUS_SHARDS), self.version_read, tell)

    def listing_version(self) -> str:
        """Return the version of the listing: it says that shards came or went, not what they hold."""
        listing = self.listing()
        rejected = [[entry.name, entry.reason] for entry in listing.rejected]
        return sha256_text(canonical_json([list(listing.shards), rejected]))[:32]

    def version(self, shard: str, digests: DigestCache | None) -> str:
        """Return the hash of a shard's raw files, of the version that stands for it while it is being written."""
        read = self.version_read(shard) if shard in self.listing().unsettled else None
        return read or self.place.digest(shard, digests).digest

    def hash_ahead(self, digests: DigestCache | None) -> None:
        """Hash what changed in all shards, before the version of each is asked for; see `RawPlace.hash_ahead`."""
        listing = self.listing()
        if digests is not None:
            self.place.hash_ahead([shard for shard in listing.shards if shard not in listing.unsettled], digests)

    def version_read(self, shard: str) -> str | None:
        """Return the hash of the raw files that the current documents of a shard were read from, if there are any."""
        documents = self.store.current(CORPUS_SHARDS, shard)
        if documents is None:
            return None
        version = documents.manifest["inputs"][artefact_name("raw_shards", shard)]
        read = self.store.with_data_version("raw_shards", shard, version)
        return None if read is None else str(read.manifest["inputs"][f"raw:{shard}"])

    def changed(self, assets: Collection[str], shards: Collection[str]) -> list[str]:
        """Return the shards that are read to make some partitions, and that changed or went since the last look."""
        return self.place.changed(self._read(assets, shards), self.listing())

    def stamp(self) -> str:
        """Return a hash in which every change of a raw file shows; see `RawPlace.stamp`."""
        return self.place.stamp(self.listing())

    def require_settled(self, asset: str, partition: str | None) -> None:
        """Refuse to read raw files that are being written.

        Raises
        ------
        CorpusError
            A shard that this partition reads is being written.
        """
        for shard in self._read([asset], [] if partition is None else [partition]):
            if (reason := self.place.why_unsettled(shard, self.listing())) is not None:
                name = artefact_name(asset, partition)
                raise CorpusError(f"{name} reads {shard}, which {reason}; run again when it is written")

    def _read(self, assets: Collection[str], partitions: Collection[str]) -> Collection[str]:
        """Return the shards whose raw files are read to make some partitions of some assets."""
        tokenizer = self.config.tokenizer
        if "tokenizer" in assets and tokenizer.path is None and tokenizer.name is None:
            return self.listing().shards
        return partitions if {"raw_shards", CORPUS_SHARDS} & set(assets) else ()

"""Which raw shards an asset reads, and which version of one stands while it is being written.

What belongs here: what the store remembers of raw files. Whether a shard is being written is `corpus.raw_folder`.
"""

from collections.abc import Collection

from climb_assets.config import Config
from climb_assets.graph.spec import artefact_name
from climb_assets.store.store import Store

DOCUMENTS = "corpus_shards"  # what was read of a raw shard


def version_read(store: Store, shard: str) -> str | None:
    """Return the hash of the raw files that the current documents of a shard were read from, if there are any."""
    documents = store.current(DOCUMENTS, shard)
    if documents is None:
        return None
    version = documents.manifest["inputs"][artefact_name("raw_shards", shard)]
    read = store.with_data_version("raw_shards", shard, version)
    return None if read is None else str(read.manifest["inputs"][f"raw:{shard}"])


def shards_read(
    config: Config, assets: Collection[str], partitions: Collection[str], listed: Collection[str]
) -> Collection[str]:
    """Return the shards whose raw files are read to make some partitions of some assets.

    Parameters
    ----------
    listed
        All shards that there are.
    """
    trains = config.tokenizer.path is None and config.tokenizer.name is None
    if "tokenizer" in assets and trains:
        return listed
    return partitions if {"raw_shards", DOCUMENTS} & set(assets) else ()

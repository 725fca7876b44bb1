"""Opening the place of the raw files that a configuration names.

What belongs here: which implementation `corpus.raw` asks for. What a place is, is `raw_place`.
"""

from pathlib import Path

from climb_assets.config import Config
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.corpus.raw_place import RawPlace


def open_raw(config: Config) -> RawPlace:
    """Return the place of a configuration's raw files: a folder, or a bucket.

    Raises
    ------
    ConfigError
        The package is missing that speaks to object stores.
    """
    if isinstance(config.corpus.raw, Path):
        return RawFolder(config.corpus)
    from climb_assets.corpus.raw_bucket import RawBucket

    return RawBucket(config.corpus, config.lake, round(config.runtime.cache_gigabytes * 1e9))

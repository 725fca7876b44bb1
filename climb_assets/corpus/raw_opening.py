"""Opening the place of the raw files that a configuration names.

What belongs here: which implementation `corpus.raw` asks for. What a place is, is `raw_place`.
"""

from pathlib import Path

from climb_assets.config import Config, Corpus
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.corpus.raw_place import RawPlace


def open_raw(config: Config) -> RawPlace:
    """Return the place of a configuration's raw files: a folder, or a bucket.

    Raises
    ------
    ConfigError
        The package is missing that speaks to object stores.
    """
    return open_place(config.corpus, config.lake, round(config.runtime.cache_gigabytes * 1e9))


def open_place(corpus: Corpus, lake: Path, cache_bytes: int) -> RawPlace:
    """Return the place of raw files; see `open_raw`.

    Parameters
    ----------
    lake, cache_bytes
        Where files of a bucket are fetched to, and how many bytes of them stay.
    """
    if isinstance(corpus.raw, Path):
        return RawFolder(corpus)
    from climb_assets.corpus.raw_bucket import RawBucket

    return RawBucket(corpus, lake, cache_bytes)

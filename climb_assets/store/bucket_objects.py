"""Objects of a bucket: as they are read, and as they are listed.

What belongs here: what is known of an object. Who asks for it is `climb_assets.store.bucket`.
"""

from collections.abc import Mapping
from typing import NamedTuple

Version = Mapping[str, str]  # of one object: an ETag, on GCS a generation


class Object(NamedTuple):
    """An object as it was read.

    Parameters
    ----------
    modified
        When it was put, in seconds by the clock of the store.
    """

    data: bytes
    version: Version
    writer: str | None
    modified: float


class Listed(NamedTuple):
    """An object as it is listed; the rest is as in `Object`."""

    key: str
    bytes: int
    modified: float
    version: Version

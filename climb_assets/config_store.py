"""The address of a store as the configuration names it; `climb_assets.config` holds the rest."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

BUCKETS = ("s3", "gs", "az", "abfs", "abfss")
FOLDER = "file"


def _checked(address: str) -> str:
    """Return an address if it names a bucket or a folder and nothing else: no key, no option, no port."""
    parts = urlsplit(address)
    if parts.scheme == FOLDER:
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("a folder's address has three slashes and its whole path, such as file:///mnt/shared/lake")
    elif parts.scheme not in BUCKETS or not parts.hostname:
        raise ValueError(
            "give the address of a bucket and a prefix in it, such as s3://bucket/climb, gs://bucket/climb or "
            "az://account/container/climb, or of a folder, such as file:///mnt/shared/lake"
        )
    if parts.query or parts.fragment or parts.password or (parts.username and not parts.scheme.startswith("abfs")):
        raise ValueError("an address holds no credentials and no options; give them in the environment (README.md)")
    return address.rstrip("/")


Address = Annotated[str, AfterValidator(_checked)]

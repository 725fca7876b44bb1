"""Where artefacts and raw files lie, as the configuration names it; `climb_assets.config` holds the rest."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator

BUCKETS = ("s3", "gs", "az", "abfs", "abfss")
FOLDER = "file"


def store_folder(address: str | None) -> Path | None:
    """Return the folder that an address names; None where it names a bucket, or where there is none."""
    if address is None or not address.startswith(f"{FOLDER}:"):
        return None
    return Path(unquote(urlsplit(address).path)).resolve()


def _checked(address: str) -> str:
    """Return an address if it names a bucket or a folder and nothing else: no key, no option, no port."""
    try:
        parts = urlsplit(address)
    except ValueError:  # whose text may repeat a key
        raise ValueError("a bucket's name has letters, digits, dots and hyphens, such as s3://bucket/climb") from None
    if parts.scheme == FOLDER:
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError("a folder's address has three slashes and its whole path, such as file:///mnt/shared/lake")
    elif parts.scheme not in BUCKETS or not parts.hostname:
        raise ValueError(
            "give the address of a bucket and a prefix in it, such as s3://bucket/climb, gs://bucket/climb or "
            "az://account/container/climb, or of a folder, such as file:///mnt/shared/lake"
        )
    keys = parts.password or (parts.username and not parts.scheme.startswith("abfs"))
    if keys or parts.query or parts.fragment or ":" in parts.netloc.rpartition("@")[2]:
        raise ValueError("an address holds no credentials and no options; give them in the environment (README.md)")
    return address.rstrip("/")


def _place(value: Any) -> Any:
    """Return the path of a folder, or the address of a bucket if it is one."""
    if not isinstance(value, str | Path):
        raise ValueError("give a folder, or the address of a bucket and a prefix in it, such as s3://bucket/raw")
    if isinstance(value, Path) or "://" not in value:
        return Path(value)
    address = _checked(value)
    return Path(unquote(urlsplit(address).path)) if address.startswith(f"{FOLDER}:") else address


Address = Annotated[str, AfterValidator(_checked)]
RawPlace = Annotated[Path | str, BeforeValidator(_place)]

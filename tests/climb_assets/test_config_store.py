"""The address of a store: what is taken, and what is refused in one sentence."""

from pathlib import Path

import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError


def address_of(folder: Path, address: object) -> str | None:
    (folder / "climb.yaml").write_text(yaml.safe_dump({"profile": "smoke", "store": address}))
    return load_config(folder / "climb.yaml").store


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket",
        "s3://bucket/a/prefix",
        "gs://bucket/climb",
        "az://account/container/climb",
        "abfss://container@account.dfs.core.windows.net/climb",
        "file:///mnt/shared/lake",
        None,
    ],
)
def test_an_address_of_a_bucket_or_a_folder_is_taken(tmp_path: Path, address: str | None) -> None:
    assert address_of(tmp_path, address) == address


def test_a_slash_at_its_end_makes_no_other_store(tmp_path: Path) -> None:
    assert address_of(tmp_path, "s3://bucket/climb/") == "s3://bucket/climb"


@pytest.mark.parametrize(
    "address", ["bucket", "/mnt/lake", "https://bucket/x", "memory://x", "s3://", "s3:/bucket", ""]
)
def test_another_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"store: give the address of a bucket .* such as s3://bucket/climb"):
        address_of(tmp_path, address)


@pytest.mark.parametrize("address", ["file://mnt/lake", "file:lake"])
def test_a_folder_has_its_whole_path(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"store: a folder's address has three slashes and its whole path"):
        address_of(tmp_path, address)


@pytest.mark.parametrize(
    "address",
    ["s3://name:key@bucket/x", "s3://name@bucket/x", "az://a/c?sig=abc", "abfss://c:key@a.net/x", "gs://b/x#y"],
)
def test_credentials_and_options_are_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="store: an address holds no credentials and no options") as caught:
        address_of(tmp_path, address)
    assert "key" not in str(caught.value).partition("store:")[2] and "abc" not in str(caught.value)

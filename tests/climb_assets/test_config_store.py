"""The address of a store and of raw files: what is taken, and what is refused in one sentence."""

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
    [
        "s3://name:key@bucket/x",
        "s3://name@bucket/x",
        "az://a/c?sig=abc",
        "abfss://c:key@a.net/x",
        "gs://b/x#y",
        "s3://b:9000/x",
    ],
)
def test_credentials_and_options_are_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="store: an address holds no credentials and no options") as caught:
        address_of(tmp_path, address)
    assert "key" not in str(caught.value).partition("store:")[2] and "abc" not in str(caught.value)


@pytest.mark.parametrize("address", ["s3://[key/x", "s3://name:key@buck\u2100et/x"])
def test_what_python_takes_for_no_address_is_refused_in_our_words(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match="store: a bucket's name has letters, digits, dots and hyphens") as caught:
        address_of(tmp_path, address)
    assert "key" not in str(caught.value).partition("store:")[2]


def raw_of(folder: Path, raw: object, store: str | None = None) -> Path | str:
    (folder / "climb.yaml").write_text(yaml.safe_dump({"profile": "smoke", "store": store, "corpus": {"raw": raw}}))
    return load_config(folder / "climb.yaml").corpus.raw


@pytest.mark.parametrize("address", ["s3://bucket", "gs://bucket/raw files", "az://account/container/raw"])
def test_raw_files_may_lie_in_a_bucket(tmp_path: Path, address: str) -> None:
    assert raw_of(tmp_path, f"{address}/") == address
    assert raw_of(tmp_path, address, "s3://other/climb") == address


def test_raw_files_in_a_folder_may_be_named_by_its_address(tmp_path: Path) -> None:
    assert raw_of(tmp_path, "file:///mnt/raw%20files") == Path("/mnt/raw files")
    assert raw_of(tmp_path, "raw files") == tmp_path / "raw files"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("https://bucket/x", "give the address of a bucket"),
        ("s3://name:key@bucket/x", "holds no credentials"),
        (5, "give a folder, or the address of a bucket"),
    ],
)
def test_another_place_of_raw_files_is_refused(tmp_path: Path, raw: object, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"corpus\.raw: .*{said}"):
        raw_of(tmp_path, raw)


@pytest.mark.parametrize(
    ("raw", "store"), [("s3://b", "s3://b/climb"), ("s3://b/climb/raw", "s3://b/climb"), ("s3://b/x", "s3://b/x")]
)
def test_raw_files_and_store_do_not_hold_each_other(tmp_path: Path, raw: str, store: str) -> None:
    with pytest.raises(ConfigError, match=r"corpus\.raw .* and store .* give each a prefix of its own"):
        raw_of(tmp_path, raw, store)
    assert raw_of(tmp_path, "s3://b/climb-raw", "s3://b/climb") == "s3://b/climb-raw"

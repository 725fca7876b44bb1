"""Which store an address opens."""

from pathlib import Path

from climb_assets.config import Config
from climb_assets.store.local import LocalStore
from climb_assets.store.objects import ObjectStore
from climb_assets.store.opening import open_store
from tests.object_server import require_packages


def test_without_an_address_it_is_the_lake_and_with_one_what_that_names(config: Config, tmp_path: Path) -> None:
    here = open_store(config)
    assert isinstance(here, LocalStore) and here.root == config.lake and str(here) == str(config.lake)
    shared = open_store(config.model_copy(update={"store": f"file://{tmp_path}/a%20shared"}))
    assert isinstance(shared, LocalStore) and shared.root == tmp_path / "a shared"


def test_a_bucket_is_not_spoken_to_before_something_is_asked(config: Config) -> None:
    require_packages()
    store = open_store(config.model_copy(update={"store": "s3://bucket/climb"}))
    assert isinstance(store, ObjectStore) and str(store) == "s3://bucket/climb"
    assert store.machine.root == config.lake and store.cache.folder.is_relative_to(config.lake / "cache")
    assert store.cache.most_bytes == 100_000_000_000

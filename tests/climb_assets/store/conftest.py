"""Stores of each kind: in a folder, in a bucket of this process, in a bucket of a real server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from climb_assets.store.local import LocalStore
from climb_assets.store.objects import ObjectStore
from climb_assets.store.store import Store
from tests.object_server import require_packages

CACHE_BYTES = 10**9
MakeStore = Callable[[str], Store]


@pytest.fixture(params=["folder", "memory", "s3"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Return what opens one store for a machine, of each kind in turn; on one machine a folder is the same for all."""
    if request.param == "folder":
        return lambda machine: LocalStore(tmp_path / "lake")
    require_packages()
    if request.param == "memory":
        place = f"memory://{tmp_path.name}-{id(tmp_path)}"
    else:
        place = request.getfixturevalue("address")
    return lambda machine: ObjectStore(place, tmp_path / machine, CACHE_BYTES, lease_seconds=1.0, patience=10.0)


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """Return a store of each kind in turn."""
    return make_store("here")

"""A bucket of a real server, and a proxy before it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.object_server import (
    BUCKET,
    FaultyProxy,
    environment_of,
    require_packages,
    run_faulty_proxy,
    run_object_server,
)


@pytest.fixture(scope="session")
def object_server() -> Iterator[str]:
    """Return the URL of an S3 server."""
    require_packages()
    with run_object_server() as url:
        yield url


@pytest.fixture
def address(object_server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Return an address in its bucket below which there is nothing yet."""
    for name, value in environment_of(object_server).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{tmp_path.name}-{id(tmp_path)}"


@pytest.fixture
def proxy(object_server: str, address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """Return a proxy through which stores that are made from now on go."""
    with run_faulty_proxy(object_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy

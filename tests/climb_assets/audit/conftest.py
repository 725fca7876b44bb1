"""The bundle of one objective as it is handed out, made once for all files that read it."""

from pathlib import Path

import pytest

from climb_assets.audit.bundle_export import export_bundle
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer

OWNERS = ("team:data-platform", "somebody@example.org")


@pytest.fixture(scope="session")
def climb(finished_once: Path) -> Materializer:
    """Return the materializer of a finished project. It reads, and never writes."""
    return Materializer(load_config(finished_once / "climb.yaml"))


@pytest.fixture(scope="session")
def folder(climb: Materializer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle. Read it, never change it."""
    return export_bundle(climb.get("audit_bundle", "general"), tmp_path_factory.mktemp("out") / "bundle", OWNERS)

"""The corpus counts as late where, and only where, somebody said when."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config import Config
from climb_assets.config_dagster import Dagster
from climb_assets.config_file import load_config
from dagster_project.freshness import freshness_of


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the configuration of the profile smoke."""
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    return load_config(tmp_path / "climb.yaml")


def test_off_by_default(config: Config) -> None:
    assert freshness_of("corpus_manifest", config) is None


def test_the_manifest_may_be_as_old_as_the_configuration_says(config: Config) -> None:
    config = config.model_copy(update={"dagster": Dagster(corpus_fresh_hours=36)})
    assert freshness_of("corpus_manifest", config) == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
    assert freshness_of("domains", config) is None

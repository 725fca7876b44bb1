"""The corpus counts as late where, and only where, somebody said when."""

from datetime import timedelta

import dagster as dg

from climb_assets.config import Config
from climb_assets.config_dagster import Dagster
from dagster_project.freshness import freshness_of


def test_off_by_default(config: Config) -> None:
    assert freshness_of("corpus_manifest", config) is None


def test_the_manifest_may_be_as_old_as_the_configuration_says(config: Config) -> None:
    config = config.model_copy(update={"dagster": Dagster(corpus_fresh_hours=36)})
    assert freshness_of("corpus_manifest", config) == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
    assert freshness_of("domains", config) is None

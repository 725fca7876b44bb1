"""Putting together: every asset, job, schedule and sensor of one configuration.

What belongs here: `build_definitions`, for the code location, the commands and the tests. No asset, no resource.
"""

import dagster as dg

from climb_assets.graph.materializer import Materializer
from dagster_project.assets import build_assets
from dagster_project.executors import find_executor
from dagster_project.failure_webhook import failure_sensor
from dagster_project.jobs import refresh_corpus, renewal_jobs, search_job
from dagster_project.schedules import daily_refresh
from dagster_project.sensors import corpus_sensor


def build_definitions(materializer: Materializer) -> dg.Definitions:
    """Return the definitions for one materializer; executor and owners are those of the configuration."""
    return dg.Definitions(
        assets=build_assets(materializer.config),
        resources={"climb": materializer},
        jobs=[refresh_corpus, search_job, *renewal_jobs],
        schedules=[daily_refresh(materializer.config)],
        sensors=[corpus_sensor, failure_sensor()],
        executor=find_executor(materializer.config.dagster.executor),
    )

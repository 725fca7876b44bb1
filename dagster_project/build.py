"""Putting together: every asset, job, schedule and sensor of one configuration.

What belongs here: `build_definitions`, for the code location, the commands and the tests. No asset, no resource.
"""

import dagster as dg

from climb_assets.audit.assets import audit_assets
from climb_assets.clusters.assets import cluster_assets
from climb_assets.corpus.assets import corpus_assets
from climb_assets.embeddings.assets import embeddings_assets
from climb_assets.graph.materializer import Materializer
from climb_assets.mixture.assets import mixture_assets
from climb_assets.search.assets import search_assets
from climb_assets.training.assets import proxy_assets
from dagster_project.jobs import refresh_corpus, search_job
from dagster_project.schedules import daily_refresh
from dagster_project.sensors import corpus_sensor


def build_definitions(materializer: Materializer) -> dg.Definitions:
    """Return the definitions for one materializer; each run is one process, in which proxies fan out by themselves."""
    config = materializer.config
    return dg.Definitions(
        assets=[
            *corpus_assets(config),
            *embeddings_assets(config),
            *cluster_assets(config),
            *proxy_assets(config),
            *search_assets(config),
            *mixture_assets(config),
            *audit_assets(config),
        ],
        resources={"climb": materializer},
        jobs=[refresh_corpus, search_job],
        schedules=[daily_refresh],
        sensors=[corpus_sensor],
        executor=dg.in_process_executor,
    )

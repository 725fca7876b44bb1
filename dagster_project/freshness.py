"""Freshness: how old the corpus may be.

What belongs here: the policy of `corpus_manifest`, which Dagster's daemon evaluates and its UI shows.
"""

from datetime import timedelta

import dagster as dg

from climb_assets.config import Config


def freshness_of(asset: str, config: Config) -> dg.FreshnessPolicy | None:
    """Return the policy of an asset: of the manifest where `dagster.corpus_fresh_hours` is set, else none."""
    hours = config.dagster.corpus_fresh_hours
    if asset != "corpus_manifest" or hours is None:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=hours))

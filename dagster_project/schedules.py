"""Schedules: when a corpus is refreshed by itself."""

from datetime import timedelta

import dagster as dg

from climb_assets.config import Config
from dagster_project.dead_runs import close_dead_runs
from dagster_project.jobs import refresh_corpus
from dagster_project.refreshes import look_up, request

HOUR = 3  # of the day, in the configured time zone


def daily_refresh(config: Config) -> dg.ScheduleDefinition:
    """Return the schedule of the nightly refresh, by the clock of ``dagster.timezone``."""
    zone = config.dagster.timezone

    @dg.schedule(
        name="daily_refresh",
        job=refresh_corpus,
        cron_schedule="0 * * * *",
        execution_timezone=zone,
        description=f"Every night at {HOUR}:00 {zone} (dagster.timezone): what changed in the raw folder is "
        "brought to data set and audit; a refresh that failed is started again in the hours after. Off at first.",
    )
    def ask(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Ask for the last night's refresh as long as it has not succeeded."""
        night = f"night-{context.scheduled_execution_time - timedelta(hours=HOUR):%Y-%m-%d}"
        close_dead_runs(context.instance)
        refresh = look_up(context.instance, refresh_corpus.name, night)
        if refresh.state == "due":
            return request(night, refresh.attempt)
        return dg.SkipReason(refresh.reason or f"the refresh of {night} is done; the next is at {HOUR}:00 {zone}")

    return ask

"""Schedules: when a corpus is refreshed by itself."""

import dagster as dg

from dagster_project.jobs import refresh_corpus

daily_refresh = dg.ScheduleDefinition(
    name="daily_refresh",
    job=refresh_corpus,
    cron_schedule="0 3 * * *",
    description="Every night at three: what changed in the raw folder is read, embedded and counted. Off at first.",
)

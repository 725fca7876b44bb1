"""Refreshes of the corpus that were asked for: whether one is due, and as which attempt.

What belongs here: what the sensor and the schedule share. A refresh counts once its run succeeded. One that failed is
asked for again after 1, 2, 4 ... minutes, at last every hour, for as long as what it is for is still so: a disk that
was full has room again at some time, and nobody should have to notice.
"""

import time
from dataclasses import dataclass
from typing import Literal

import dagster as dg

from dagster_project.dead_runs import is_claimed
from dagster_project.event_tags import MAX_RETRIES

REFRESH_TAG = "climb/refresh"
ATTEMPT_TAG = "climb/attempt"
FIRST_WAIT, LONGEST_WAIT = 60.0, 3600.0  # seconds
UNCLAIMED = 600.0  # seconds; a run claims itself as the first thing it does


@dataclass(frozen=True)
class Refresh:
    """Where a refresh stands: done, due now as ``attempt``, or to be left alone for the reason that is given."""

    state: Literal["done", "due", "left"]
    attempt: int = 0
    reason: str = ""


def look_up(instance: dg.DagsterInstance, job: str, purpose: str) -> Refresh:
    """Return where the refresh for a purpose stands, from the last run that was asked for.

    Parameters
    ----------
    job
        Name of the job.
    purpose
        What the refresh is for, such as a state of the raw folder; runs carry it in a tag, re-executed ones too.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=job, tags={REFRESH_TAG: purpose}), limit=100)
    if not records:
        return Refresh("due", attempt=1)
    run = records[0].dagster_run
    attempt = max(int(record.dagster_run.tags[ATTEMPT_TAG]) for record in records)  # a re-executed one has an old tag
    match run.status:
        case dg.DagsterRunStatus.SUCCESS:
            return Refresh("done", attempt)
        case dg.DagsterRunStatus.CANCELED:
            return Refresh("left", attempt, f"the refresh {run.run_id} was cancelled; start {job} by hand")
        case dg.DagsterRunStatus.FAILURE:
            left = wait_after(attempt) - _seconds_since(records[0].end_time or 0.0)
            if left <= 0:
                return Refresh("due", attempt + 1)
            return Refresh("left", attempt, f"attempt {attempt} failed ({run.run_id}); the next is in {left:.0f} s")
        case dg.DagsterRunStatus.STARTED if not is_claimed(run) and _seconds_since(_start(records[0])) > UNCLAIMED:
            return Refresh("due", attempt + 1)  # its process ended, and the disk was too full to note even that
        case _:
            return Refresh("left", attempt, f"attempt {attempt} is on its way ({run.run_id})")


def wait_after(attempt: int) -> float:
    """Return the seconds between a failed attempt, counted from 1, and the next."""
    return float(min(FIRST_WAIT * 2 ** min(attempt - 1, 16), LONGEST_WAIT))


def request(purpose: str, attempt: int) -> dg.RunRequest:
    """Return the request of an attempt; Dagster's own run retries are off for it, since they know no waiting."""
    tags = {REFRESH_TAG: purpose, ATTEMPT_TAG: str(attempt), MAX_RETRIES: "0"}
    return dg.RunRequest(run_key=f"{purpose}-{attempt}", tags=tags)


def _start(record: dg.RunRecord) -> float:
    return record.start_time or record.create_timestamp.timestamp()


def _seconds_since(moment: float) -> float:
    return time.time() - moment

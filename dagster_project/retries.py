"""Retries within a run: for errors that may be gone a moment later, and for no others.

What belongs here: the policy that assets are declared with, and how an error reaches Dagster. A run whose process died
is the instance's matter (`run_retries` in dagster.yaml), a refresh that failed that of its sensor (`refreshes`).
"""

import contextlib
from collections.abc import Iterator

import dagster as dg

from climb_assets.device_faults import device_fault
from climb_assets.errors import ClimbError, TransientError, WaitingForResults
from dagster_project.storage_faults import storage_fault

WAITS = "waits for results"  # in the metadata of a failure that is none: somebody else is to measure something first
TRANSIENT = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@contextlib.contextmanager
def failing_plainly() -> Iterator[None]:
    """Turn errors into Dagster failures: ours into one of a sentence, and of all only transient ones are retried."""
    try:
        yield
    except WaitingForResults as error:
        raise dg.Failure(str(error), metadata={WAITS: True}, allow_retries=False) from error
    except ClimbError as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, TransientError)) from error
    except Exception as error:  # a device that must be mended, or a defect: another attempt would only repeat it
        raise dg.Failure(device_fault(error), allow_retries=storage_fault(error) is not None) from error

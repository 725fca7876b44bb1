"""Retries within a run: for errors that may be gone a moment later.

What belongs here: the policy, which assets are declared with. What was an error of the data or of the configuration is
reported as `dg.Failure(allow_retries=False)`, which no policy retries. A run whose process died is the instance's
matter (`run_retries` in dagster.yaml), a refresh that failed that of its sensor (`refreshes`).
"""

import dagster as dg

TRANSIENT = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

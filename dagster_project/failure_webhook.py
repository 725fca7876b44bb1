"""Telling somebody that a run failed: a message to a webhook.

What belongs here: the sensor and what it sends. The address is often a secret (whoever has it can write to the
channel), so it comes from an environment variable rather than from climb.yaml, which is kept and shared, and no log or
error repeats it.
"""

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from climb_assets.errors import ConfigError, TransientError

VARIABLE = "CLIMB_FAILURE_WEBHOOK"
SECONDS = 10  # for one attempt; a sensor has 60
PAUSES = (1, 3)  # seconds between attempts


def failure_sensor() -> dg.SensorDefinition:
    """Return the sensor of failed runs: on where the variable is set when the code is loaded, else off.

    Raises
    ------
    ConfigError
        As `webhook_address`.
    """
    running = dg.DefaultSensorStatus.RUNNING if webhook_address() else dg.DefaultSensorStatus.STOPPED

    @dg.run_failure_sensor(
        name="failure_webhook",
        description=f"Posts what failed to the address in {VARIABLE}, as JSON; off where that is not set.",
        default_status=running,
    )
    def failure_webhook(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        address = webhook_address()
        if address is None:
            return dg.SkipReason(f"{VARIABLE} is not set")
        post(address, describe_failure(context))
        return None

    return failure_webhook


def webhook_address() -> str | None:
    """Return the address that the variable holds; None where it is not set.

    Raises
    ------
    ConfigError
        Nothing can be posted to it; says so without repeating it.
    """
    address = os.environ.get(VARIABLE)
    if not address:
        return None
    try:
        target = urlsplit(address)
        usable = target.scheme in ("http", "https") and (target.hostname or "").encode("idna") and target.port != 0
    except ValueError:  # brackets that are no IPv6 address, a port that is no number, a name that no host can have
        usable = False
    if not usable or not address.isascii() or not address.isprintable() or " " in address:
        raise ConfigError(
            f"{VARIABLE} is no http or https address that messages can be posted to; correct it in the environment, "
            "blanks and letters beyond ASCII quoted (%20) and such letters of the host as punycode (xn--), or unset it"
        )
    return address


def describe_failure(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """Return what is told of a failed run; ``text`` says it in a sentence, which chat services show."""
    run = context.dagster_run
    failed = [event.step_failure_data for event in context.get_step_failure_events()]
    said = [data.user_failure_data.description for data in failed if data.user_failure_data]
    thrown = [_root(data.error).message for data in failed if data.error]
    error = next(
        (text for text in (*said, *thrown, context.failure_event.message) if text and text.strip()),
        "no reason is known",
    )
    error = error.strip().splitlines()[0]
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    what = ", ".join(assets) or run.job_name
    return {
        "text": f"climb: {what} failed: {error}",
        "job": run.job_name,
        "assets": assets,
        "run_id": run.run_id,
        "error": error,
    }


def _root(error: Any) -> Any:
    """Return the error that Dagster's own were raised from."""
    return error if error.cause is None else _root(error.cause)


def post(address: str, message: dict[str, Any]) -> None:
    """Send a message as JSON, three times at most.

    Parameters
    ----------
    address
        As `webhook_address` returns it.

    Raises
    ------
    TransientError
        If it was not taken; says why without saying where to.
    """
    request = urllib.request.Request(address, json.dumps(message).encode(), {"Content-Type": "application/json"})
    for pause in (*PAUSES, None):
        try:
            with urllib.request.urlopen(request, timeout=SECONDS):
                return
        except urllib.error.HTTPError as error:
            reason = f"it answered {error.code}"
        except (OSError, http.client.HTTPException) as error:
            reason = type(getattr(error, "reason", error)).__name__
        if pause is not None:
            time.sleep(pause)
    raise TransientError(f"the webhook of {VARIABLE} took no message about {message['run_id']}: {reason}")

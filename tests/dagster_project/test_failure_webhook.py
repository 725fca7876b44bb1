"""A failed run is told to a webhook: what it says, to whom, and what it never says."""

import json
import threading
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import dagster as dg
import pytest

from climb_assets.errors import ConfigError, CorpusError, TransientError
from dagster_project import failure_webhook
from dagster_project.failure_webhook import VARIABLE, failure_sensor, post
from dagster_project.retries import failing_plainly

SECRET = "T0K3N"


class Receiver(HTTPServer):
    """A web server on loopback that keeps what it is sent; it answers with the statuses given, at last with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.address = f"http://127.0.0.1:{self.server_port}/services/{SECRET}"


class Handler(BaseHTTPRequestHandler):
    """Keeps what is posted."""

    server: Receiver

    def do_POST(self) -> None:
        """Keep a message."""
        assert self.headers["Content-Type"] == "application/json" and self.path == f"/services/{SECRET}"
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Return a running web server, to whose address the variable is set."""
    monkeypatch.setattr(failure_webhook, "PAUSES", (0, 0))
    with Receiver() as server:
        monkeypatch.setenv(VARIABLE, server.address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dg.asset
def broken() -> None:
    """Fail as an asset of ours does."""
    with failing_plainly():
        raise CorpusError("the raw folder is empty; put documents into it")


@dg.asset
def defective() -> None:
    """Fail as no asset of ours should."""
    with failing_plainly():
        raise ValueError("a defect\nin two lines")


@dg.asset
def strange() -> None:
    """Fail as code of somebody else's does."""
    raise ValueError("a defect\nin two lines")


@dg.asset
def speechless() -> None:
    """Fail as code does that gives no reason."""
    raise dg.Failure(" \n")


@pytest.mark.parametrize(
    "asset, error",
    [
        (broken, "the raw folder is empty; put documents into it"),
        (defective, "ValueError: a defect"),
        (strange, "ValueError: a defect"),
        (speechless, "dagster._core.definitions.events.Failure:"),
    ],
)
def test_a_failed_run_is_told_of(receiver: Receiver, asset: dg.AssetsDefinition, error: str) -> None:
    instance = dg.DagsterInstance.ephemeral()
    definitions = dg.Definitions(assets=[asset], jobs=[dg.define_asset_job("nightly", selection=[asset])])
    outcome = definitions.resolve_job_def("nightly").execute_in_process(instance=instance, raise_on_error=False)
    (message,) = _tick(instance, outcome, receiver)
    assert message["run_id"] == outcome.run_id and message["job"] == "nightly"
    assert message["error"] == error
    assert error in message["text"] and "\n" not in message["text"]


def _tick(instance: dg.DagsterInstance, outcome: dg.ExecuteInProcessResult, receiver: Receiver) -> list[dict[str, Any]]:
    """Evaluate the sensor on a failed run; return what was received."""
    context = dg.build_run_status_sensor_context(
        sensor_name="failure_webhook",
        dagster_instance=instance,
        dagster_run=outcome.dagster_run,
        dagster_event=outcome.get_run_failure_event(),
    ).for_run_failure()
    assert failure_sensor()(context) is None
    return receiver.received


def test_a_receiver_that_stumbles_is_asked_again(receiver: Receiver) -> None:
    receiver.answers = [500, 503]
    post(receiver.address, {"run_id": "one"})
    assert len(receiver.received) == 3


@pytest.mark.parametrize("answers", [[500, 500, 500], [301, 301, 301]])
def test_a_receiver_that_refuses_is_an_error_without_its_address(receiver: Receiver, answers: list[int]) -> None:
    receiver.answers = list(answers)
    with pytest.raises(TransientError, match=str(answers[0])) as caught:
        post(receiver.address, {"run_id": "one"})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_address_that_cannot_be_reached_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failure_webhook, "PAUSES", (0, 0))
    with pytest.raises(TransientError, match=VARIABLE) as caught:
        post(f"http://127.0.0.1:9/{SECRET}", {"run_id": "one"})  # where nobody listens
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "address",
    [
        f"http://127.0.0.1:9/a b{SECRET}",
        f"file:///etc/{SECRET}",
        SECRET,
        f"http:///{SECRET}",
        f"http://[{SECRET}/",
        f"http://[::1/{SECRET}",
        f"https://host:{SECRET}/",
        f"https://host:99999/{SECRET}",
        f"https://a..b/{SECRET}",
        f"https://ho\u2100st/{SECRET}",  # urlsplit repeats it in its error
        f"https://host/\u00fc{SECRET}",
        f"https://host/\n{SECRET}",
    ],
)
def test_an_odd_address_is_refused_when_the_code_is_loaded(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the first run that fails, of which then nobody would be told."""
    monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(ConfigError, match=f"{VARIABLE} is no http or https address .*; correct it") as caught:
        failure_sensor()
    assert SECRET not in "".join(traceback.format_exception(caught.value, chain=False))


def test_it_is_on_only_where_an_address_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert failure_sensor().default_status is dg.DefaultSensorStatus.STOPPED
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:9/")
    assert failure_sensor().default_status is dg.DefaultSensorStatus.RUNNING

"""Ten nightly refreshes by the daemon and its sensor: what each costs, and what is left behind.

A project with the documents, the encoder and the tasks of a lake that `climb demo-corpus` has filled is made once by
`climb up`. Then `climb ui` runs, its sensor is switched on, and each night some documents come, change or go; at last
the raw folder is what it was at first. The peer is the whole run; the lake is compared with the one that it left.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from refresh import Project, compare, lay_out, measure

NAME = "a nightly refresh of one document in a hundred by daemon and sensor against the whole run"
NIGHTS = ("came", "lines", "went", "lines gone", "came", "lines", "went", "lines gone", "came", "went")
LONGEST = 1800.0  # seconds that a night may take
GRAPHQL = {
    "start": "mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) "
    "{ __typename ... on PythonError { message } } }",
    "runs": '{ runsOrError(filter: {pipelineName: "refresh_corpus"}) { ... on Runs { results '
    "{ runId status startTime endTime } } } }",
}


class Server:
    """`climb ui` of a project, and what its web server is asked."""

    def __init__(self, project: Project) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._url, self._log = f"http://127.0.0.1:{port}/graphql", project.config.with_suffix(".ui.log")
        command = [sys.executable, "-m", "dagster_project.cli", "--config", str(project.config), "ui"]
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*command, "--port", str(port)], env=environment, stdout=log, stderr=log)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        for _ in range(120):
            try:
                self.ask("{ version }")
                return
            except OSError:
                time.sleep(1)
        raise RuntimeError(f"climb ui does not answer; see {self._log}")

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return what GraphQL answers."""
        import urllib.request

        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
        if answer.get("errors"):
            raise RuntimeError(str(answer["errors"])[:500])
        return dict(answer["data"])

    def start_sensor(self) -> None:
        """Switch the sensor on."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "climb",
            "sensorName": "corpus_sensor",
        }
        started = self.ask(GRAPHQL["start"], selector=selector)["startSensor"]
        if started["__typename"] != "Sensor":
            raise RuntimeError(f"the sensor did not start: {started}")

    def runs(self) -> list[dict[str, Any]]:
        """Return the refreshes, the newest first."""
        return list(self.ask(GRAPHQL["runs"])["runsOrError"]["results"])

    def wait_for_refresh(self, before: int) -> float:
        """Return the seconds of the next refresh, once it has succeeded."""
        ends = time.monotonic() + LONGEST
        while time.monotonic() < ends:
            runs = self.runs()
            if len(runs) > before and runs[0]["status"] == "SUCCESS":
                return float(runs[0]["endTime"] - runs[0]["startTime"])
            if len(runs) > before and runs[0]["status"] == "FAILURE":
                raise RuntimeError(f"refresh {runs[0]['runId']} failed")
            time.sleep(2)
        raise RuntimeError(f"no refresh within {LONGEST:.0f} s")

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(60)


def change(raw: Path, how: str, apart: list[bytes], lines: list[bytes]) -> None:
    """Change one document in a hundred: a shard comes or goes, lines come to another or go."""
    came, target = raw / "came.jsonl", min(path for path in raw.iterdir() if path.name != "came.jsonl")
    match how:
        case "came":
            came.write_bytes(b"".join(apart))
        case "lines":
            target.write_bytes(target.read_bytes() + b"".join(lines))
        case "went":
            came.unlink()
        case _:
            target.write_bytes(target.read_bytes().removesuffix(b"".join(lines)))


def lake_bytes(lake: Path) -> int:
    """Return what artefacts and working folders of a lake take on disk."""
    folders = [lake / name for name in ("artifacts", "unfinished", "refs")]
    return sum(path.lstat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def run(lake: Path, folder: Path, shards: int, profile: str) -> dict[str, Any]:
    """Make everything once, then ten nights, then collect garbage and verify.

    Raises
    ------
    RuntimeError
        A refresh or a command failed.
    """
    project = Project(folder, lake, profile)
    apart, lines = lay_out(lake, project.raw, shards)
    whole = project.update()
    fresh, nights = lake_bytes(project.lake), []
    server = Server(project)
    try:
        server.start_sensor()
        server.wait_for_refresh(0)  # the first one finds nothing: the sensor does not know what `climb up` has done
        for how in NIGHTS:
            before, known = project.state(), len(server.runs())
            change(project.raw, how, apart, lines)
            seconds = server.wait_for_refresh(known)
            made = project.differences(before)
            made.pop("references")
            nights.append({"change": how, "seconds": round(seconds, 1)} | made)
            print(nights[-1], file=sys.stderr, flush=True)
    finally:
        server.close()
    left = project.update()  # the raw folder is what it was, and nothing is to be done
    grown = lake_bytes(project.lake)
    freed = project.command("gc", "--delete", "--json")
    after = lake_bytes(project.lake)
    verified = project.command("verify")
    slowest = max(night["seconds"] for night in nights)
    details = {
        "nights": nights,
        "trained": sum(night["models_trained"] for night in nights),
        "made by an update after the last night": left["models_trained"] + left["tokens_embedded"],
        "bytes": {"after the whole run": fresh, "after ten nights": grown, "after climb gc": after},
        "gc": json.loads(freed),
        "verify": verified.strip().splitlines()[-1],
    }
    return compare(NAME, slowest, whole["seconds"], details)


if __name__ == "__main__":
    measure(run, __doc__)

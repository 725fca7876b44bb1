"""Runs whose process died are closed; those of living processes, other hosts and other containers are left alone."""

import os
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from dagster_project.dead_runs import (
    HOST_VARIABLE,
    PROCESS_TAG,
    claim_run,
    close_dead_runs,
    is_claimed,
    process_identity,
)
from dagster_project.instance import open_instance
from tests.other_host import ON_OTHER_HOST, needs_other_host

ROOT = Path(__file__).parents[2]
FAILED, STARTED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


@dg.job
def noop() -> None:
    """Do nothing."""


def start_run(instance: dg.DagsterInstance, identity: str | None, tag: str | None = None) -> str:
    """Leave a run as started: by a process, or by nobody who said so, perhaps with a tag from elsewhere."""
    run_id = str(uuid.uuid4())
    value = f"{identity}:{run_id}" if identity else tag
    tags = {PROCESS_TAG: value} if value else {}
    return str(instance.create_run_for_job(noop, run_id=run_id, tags=tags, status=STARTED).run_id)


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    """Return where a run stands."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.fixture
def empty() -> dg.DagsterInstance:
    """Return an instance that knows nothing."""
    return dg.DagsterInstance.ephemeral()


def test_runs_of_dead_processes_are_closed_and_others_are_not(empty: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = process_identity(process.pid)
        assert identity is not None
        process.kill()
    own = process_identity(os.getpid())
    assert own is not None
    host, pid, start = own.split(":")
    runs = {
        "dead": (identity, FAILED),
        "another process had this number": (f"{host}:{pid}:0{start}", FAILED),
        "living": (own, STARTED),
        "of another host": (f"0{host}:{2**22 + 1}:1", STARTED),
        "of a host that does not see its processes": ("unseen", STARTED),
    }
    started = {name: start_run(empty, tag) for name, (tag, _) in runs.items()}
    unclaimed = start_run(empty, None), start_run(empty, None, f"{2**22 + 1}-1")
    again = start_run(empty, None, f"{identity}:{started['dead']}")  # executed again: with the tags of the first
    assert close_dead_runs(empty) == 2
    assert {name: status(empty, run) for name, run in started.items()} == {
        name: expected for name, (_, expected) in runs.items()
    }
    assert [status(empty, run) for run in (*unclaimed, again)] == [STARTED] * 3
    assert close_dead_runs(empty) == 0


def test_a_container_closes_what_the_one_in_whose_place_it_is_left(
    empty: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOST_VARIABLE, "climb-ui-0")
    own = process_identity(os.getpid())
    assert own is not None
    host, pid, start = own.split(":")
    living, left = start_run(empty, own), start_run(empty, f"{host}:{pid}:0{start}")
    for other in ("climb-ui-1", ""):
        monkeypatch.setenv(HOST_VARIABLE, other)
        assert close_dead_runs(empty) == 0
    monkeypatch.setenv(HOST_VARIABLE, "climb-ui-0")
    assert close_dead_runs(empty) == 1
    assert [status(empty, run) for run in (living, left)] == [STARTED, FAILED]


def test_a_run_that_dagster_launched_can_be_claimed(empty: dg.DagsterInstance) -> None:
    for inherited in (None, "0123:4:5:another run"):
        run_id = start_run(empty, None, inherited)
        run = empty.get_run_by_id(run_id)
        assert run is not None and not is_claimed(run)
        claim_run(empty, run)
        claimed = empty.get_run_by_id(run_id)
        assert claimed is not None and is_claimed(claimed)
        assert claimed.tags[PROCESS_TAG] == f"{process_identity(os.getpid())}:{run_id}"


def test_a_process_that_ended_has_no_identity(empty: dg.DagsterInstance) -> None:
    assert process_identity(2**22 + 1) is None
    process = subprocess.Popen([sys.executable, "-c", ""])
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended and nobody asked how: a zombie
        assert process_identity(process.pid) is None
    finally:
        process.wait()


def test_a_process_has_an_identity_without_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    assert psutil.pid_exists(os.getpid())  # psutil chooses its system when it is imported: this one
    monkeypatch.setattr(sys, "platform", "darwin")
    own = process_identity(os.getpid())
    assert own is not None and own == process_identity(os.getpid())
    assert process_identity(2**22 + 1) is None
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        other = process_identity(process.pid)
        assert other is not None and other.split(":")[0] == own.split(":")[0] and other != own
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert process_identity(process.pid) is None


class Host:
    """A PID namespace of its own, in which Python code runs on one lake: to its processes, another host."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake
        self.process = subprocess.Popen(
            [*ON_OTHER_HOST, sys.executable, "-u", "-c", "while True: exec(eval(input()))"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        )

    def do(self, code: str) -> str:
        """Run code that prints one line; return the line."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(repr(textwrap.dedent(code).replace("LAKE", repr(str(self.lake)))) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def up(self) -> str:
        """Start a process that runs a run, as `climb up` does, and does not end; return the run's id."""
        return self.do(f"""
            import subprocess, sys
            child = subprocess.Popen([sys.executable, "-u", "-c", {RUN!r}, LAKE], stdout=subprocess.PIPE, text=True)
            print(child.stdout.readline().strip())
        """)

    def close_dead_runs(self) -> int:
        """Do what the next command of this host begins with."""
        return int(
            self.do("""
            from pathlib import Path
            from dagster_project.dead_runs import close_dead_runs
            from dagster_project.instance import open_instance
            with open_instance(Path(LAKE)) as instance:
                print(close_dead_runs(instance))
        """)
        )


RUN = """
import sys, time, uuid
from pathlib import Path
import dagster as dg
from dagster_project.dead_runs import process_tags
from dagster_project.instance import open_instance

@dg.op
def wait(context):
    print(context.run_id)
    time.sleep(600)

@dg.job
def long():
    wait()

with open_instance(Path(sys.argv[1])) as instance:
    run_id = str(uuid.uuid4())
    long.execute_in_process(instance=instance, run_id=run_id, tags=process_tags(run_id))
"""


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Return two hosts on one lake."""
    with open_instance(tmp_path):
        pass  # both find a history that is there, as on a lake in use
    started = Host(tmp_path), Host(tmp_path)
    try:
        yield started
    finally:
        for host in started:
            host.process.kill()
            host.process.communicate()


@pytest.mark.slow
@needs_other_host
def test_two_hosts_on_one_lake_leave_each_others_runs_alone(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    one, other = hosts
    runs = one.up(), other.up()
    with open_instance(tmp_path) as instance:
        assert [one.close_dead_runs(), other.close_dead_runs(), close_dead_runs(instance)] == [0, 0, 0]
        assert [status(instance, run) for run in runs] == [STARTED, STARTED]
        assert one.do("child.kill(); child.wait(); print('killed')") == "killed"
        assert [other.close_dead_runs(), close_dead_runs(instance)] == [0, 0]
        assert one.close_dead_runs() == 1
        assert [status(instance, run) for run in runs] == [FAILED, STARTED]

"""Runs whose process died before it could say so.

What belongs here: naming the process that executes a run so that no other process, on this host or another,
ever has the same name, and closing the runs of processes that are gone. A lake may be shared: what another host or
another container runs is none of this one's business, since it cannot see their processes. A container that takes the
place of an earlier one may be told so by CLIMB_HOST: no two that live at one time may have the same.
"""

import hashlib
import os
import platform
import sys
import uuid
from pathlib import Path

import dagster as dg

from dagster_project.event_tags import HIDDEN

PROCESS_TAG = f"{HIDDEN}climb_process"
HOST_VARIABLE = "CLIMB_HOST"
UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]
FIRST_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO of Linux' include/linux/proc_ns.h: no container's


def process_tags(run_id: str) -> dict[str, str]:
    """Return the tags of a run that this process executes; `close_dead_runs` reads them.

    The run's own id is part of them, since a run that is executed again inherits the tags of the first.
    """
    identity = process_identity(os.getpid()) if _sees_every_process() else None
    return {PROCESS_TAG: f"{identity or 'unseen'}:{run_id}"}


def claim_run(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Note on a run that Dagster launched that this process, which executes all of it, is its own."""
    if not is_claimed(run):
        instance.add_run_tags(run.run_id, process_tags(run.run_id))


def is_claimed(run: dg.DagsterRun) -> bool:
    """Return whether some process said that it executes the run."""
    return run.tags.get(PROCESS_TAG, "").endswith(f":{run.run_id}")


def process_identity(pid: int) -> str | None:
    """Return ``host:pid:start`` of a living process of this host, or None if there is none.

    On Linux the start is in clock ticks since boot, which no change of the clock moves; on macOS it is psutil's
    `create_time`, which the kernel notes once, in seconds since 1970.
    """
    if sys.platform != "linux":
        import psutil

        try:
            process = psutil.Process(pid)
            ended, started = process.status() == psutil.STATUS_ZOMBIE, process.create_time()
        except psutil.NoSuchProcess:
            return None
        return None if ended else f"{host_identity()}:{pid}:{started:.6f}"
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state == "Z" else f"{host_identity()}:{pid}:{_boot()[:8]}-{fields[18]}"


def _sees_every_process() -> bool:
    """Return whether a process that is not in /proc is not there: neither hidden nor of another namespace."""
    if sys.platform != "linux":
        return True
    return Path("/proc/self").readlink() == Path(str(os.getpid())) and Path("/proc/1").exists()


def host_identity() -> str:
    """Return a name that everything which sees the same processes shares, and that nothing else does.

    Of a machine it outlives a restart, so that what a power cut ended is closed after it. Of a container (a PID
    namespace of its own) it ends with the machine's boot: images share their machine-id. What CLIMB_HOST names outlives
    both.
    """
    if named := os.environ.get(HOST_VARIABLE):
        return _short("named", named)
    if sys.platform != "linux":
        return _short(platform.node(), f"{uuid.getnode():x}")
    namespace = str(Path("/proc/self/ns/pid").readlink())
    machine = Path("/etc/machine-id")
    known = machine.read_text(encoding="utf-8").strip() if machine.exists() else ""
    if namespace == FIRST_NAMESPACE and known:
        return _short(known, platform.node())
    return _short(known, _boot(), namespace)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def _short(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs of this host as failed whose process is gone; return their number."""
    if not _sees_every_process():
        return 0
    dead, here = 0, host_identity()
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        identity = run.tags.get(PROCESS_TAG, "").removesuffix(f":{run.run_id}")
        if not is_claimed(run) or not identity.startswith(f"{here}:"):
            continue
        if process_identity(int(identity.split(":")[1])) != identity:
            instance.report_run_failed(run, "its process died")
            dead += 1
    return dead

"""What this process may use of the machine: cores and memory, by CPU affinity and by the limits of its cgroups.

What belongs here: looking that up. Inside a container or under a batch system the machine has more, and using it would
end in throttling or in the out-of-memory killer.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

THREADS = "CLIMB_THREADS"  # set in a worker: its share of the cores


@dataclass(frozen=True)
class Capacity:
    """Cores, and bytes of main memory."""

    cores: int
    memory_bytes: int


def measure_capacity(root: Path = Path("/")) -> Capacity:
    """Return what this process may use at most; of a part of a core nothing counts, but for the first.

    Parameters
    ----------
    root
        Where ``/proc`` and ``/sys`` lie.
    """
    cores: list[float] = [_usable_cores()]
    memory: list[float] = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for folder in _cgroup_folders(root):
        cores += _read(folder / "cpu.max", _quota)
        memory += _read(folder / "memory.max", _number)
        memory += _read(folder / "memory.limit_in_bytes", _number)
        quota, period = (_read(folder / f"cpu.cfs_{name}_us", _number) for name in ("quota", "period"))
        cores += [one / other for one, other in zip(quota, period, strict=False) if one > 0]
    return Capacity(max(1, int(min(cores))), int(min(memory)))


def thread_count() -> int:
    """Return how many threads this process is to compute with: a worker's share of the cores, else one a core."""
    return int(os.environ.get(THREADS, 0)) or measure_capacity().cores


def _usable_cores() -> int:
    """Return the number of cores that this process may be scheduled on."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13, which also listens to PYTHON_CPU_COUNT
        return os.process_cpu_count() or 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cgroup_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of this process's cgroups of both versions, and those of the groups that they are in.

    ``/proc/self/cgroup`` says ``hierarchy:controllers:path`` (none of the first two in version 2), and
    ``/proc/self/mountinfo`` where a hierarchy is mounted, from which of its paths on: cgroups(7), proc(5).
    """
    paths: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, described = line.partition(" - ")
        mounted_from, mounted_at = mount.split()[3:5]
        kind, *_, options = described.split()  # between them the source, which may be empty
        if kind not in ("cgroup", "cgroup2"):
            continue
        names = [""] if kind == "cgroup2" else [name for name in options.split(",") if name in ("cpu", "memory")]
        top = root / mounted_at.lstrip("/")
        for path in {paths[name] for name in names if name in paths}:
            inside = Path(path).relative_to(mounted_from) if Path(path).is_relative_to(mounted_from) else Path()
            yield from (top / part for part in (inside, *inside.parents))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux, or a sandbox that shows none of it
        return []


def _read(path: Path, parse: Callable[[str], float | None]) -> list[float]:
    """Return the limit that a file states, if there is such a file and it states one."""
    limits = [parse(line) for line in _lines(path)[:1]]
    return [limit for limit in limits if limit is not None]


def _number(text: str) -> float | None:
    return None if text == "max" else float(text)


def _quota(text: str) -> float | None:
    quota, period = text.split()
    return None if quota == "max" else float(quota) / float(period)

"""What a process may use: the least of the machine, its affinity and every cgroup that it is in."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from climb_assets.executor.capacity import Capacity, measure_capacity

MACHINE = measure_capacity(Path("/nowhere"))
MIB = 2**20
MakeRoot = Callable[[str, str, dict[str, str]], Path]
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
SEPARATE = (
    "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)


@pytest.fixture
def make_root(tmp_path: Path) -> MakeRoot:
    """Return a maker of a root folder: what /proc/self says of cgroups and mounts, and the files of the cgroups."""

    def make(cgroup: str, mountinfo: str, files: dict[str, str]) -> Path:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(cgroup)
        (tmp_path / "proc/self/mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n" + mountinfo)
        for name, text in files.items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


def test_without_cgroups_it_is_the_machine() -> None:
    assert MACHINE.cores == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert MACHINE.memory_bytes == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_version_2_counts_every_group_up_the_tree(make_root: MakeRoot) -> None:
    files = {
        "a/b/memory.max": "max\n",
        "a/b/cpu.max": "max 100000\n",
        "a/memory.max": f"{64 * MIB}\n",
        "a/cpu.max": "120000 100000\n",
        "memory.max": f"{96 * MIB}\n",
        "other/memory.max": f"{MIB}\n",
    }
    assert measure_capacity(make_root("0::/a/b\n", UNIFIED, files)) == Capacity(1, 64 * MIB)


def test_version_1_has_a_tree_for_each_controller(make_root: MakeRoot) -> None:
    files = {
        "memory/job/memory.limit_in_bytes": f"{32 * MIB}\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",  # none
        "cpu,cpuacct/slice/cpu.cfs_quota_us": "-1\n",  # none
        "cpu,cpuacct/slice/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
        "cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    cgroup = "5:memory:/job\n4:cpu,cpuacct:/slice\n1:name=systemd:/other\n0::/\n"
    assert measure_capacity(make_root(cgroup, SEPARATE, files)) == Capacity(1, 32 * MIB)


def test_a_container_sees_its_own_group_as_the_top(make_root: MakeRoot) -> None:
    mounts = "31 30 0:27 /docker/c0ffee /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
    files = {"memory/memory.limit_in_bytes": f"{48 * MIB}\n"}
    assert measure_capacity(make_root("3:memory:/docker/c0ffee\n", mounts, files)).memory_bytes == 48 * MIB


def test_both_versions_at_once(make_root: MakeRoot) -> None:
    mounts = SEPARATE + "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    files = {"memory/memory.limit_in_bytes": f"{16 * MIB}\n", "unified/x/memory.max": f"{24 * MIB}\n"}
    assert measure_capacity(make_root("3:memory:/\n0::/x\n", mounts, files)).memory_bytes == 16 * MIB


def test_a_mount_without_a_source_is_passed_over(make_root: MakeRoot) -> None:
    nameless = "40 23 0:40 / /scratch rw shared:1 - tmpfs  rw,size=1k\n"
    files = {"a/memory.max": f"{64 * MIB}\n"}
    assert measure_capacity(make_root("0::/a\n", nameless + UNIFIED, files)).memory_bytes == 64 * MIB


def test_less_than_a_core_is_one_core_and_what_says_nothing_limits_nothing(make_root: MakeRoot) -> None:
    root = make_root("0::/a\n", UNIFIED, {"a/cpu.max": "20000 100000\n", "a/memory.max": ""})
    assert measure_capacity(root) == Capacity(1, MACHINE.memory_bytes)


MEASURE = [sys.executable, "-c", "from climb_assets.executor.capacity import *; print(measure_capacity())"]


def test_affinity_counts() -> None:
    bound = f"import os; os.sched_setaffinity(0, [{min(os.sched_getaffinity(0))}]); {MEASURE[-1]}"
    found = subprocess.run([*MEASURE[:-1], bound], capture_output=True, text=True, check=True).stdout
    assert found.startswith("Capacity(cores=1, ")


@pytest.fixture
def groups() -> Iterator[dict[str, Path]]:
    """Return real groups of version 1 for memory and for cores."""
    made = {name: Path(f"/sys/fs/cgroup/{name}/climb-test-{os.getpid()}") for name in ("memory", "cpu")}
    try:
        for folder in made.values():
            folder.mkdir()
    except OSError:
        pytest.skip("may make no cgroups of version 1 here")
    yield made
    for folder in made.values():
        folder.rmdir()


def test_real_groups_count(groups: dict[str, Path]) -> None:
    (groups["memory"] / "memory.limit_in_bytes").write_text(str(512 * MIB))
    (groups["cpu"] / "cpu.cfs_quota_us").write_text("100000")
    enter = " && ".join(f"echo $$ > {folder}/cgroup.procs" for folder in groups.values())
    command = ["sh", "-c", f'{enter} && exec "$@"', "sh", *MEASURE]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(Capacity(1, 512 * MIB))

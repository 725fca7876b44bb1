"""Workers of Ray beyond what every executor promises: their cluster, and what each of them takes of it.

What they promise as all do is in `test_executor`. The cluster is a real one, shared by the tests of a process.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from climb_assets.config_ray import Ray
from climb_assets.errors import ConfigError, TransientError
from climb_assets.executor.executor import Layout, Resources
from climb_assets.executor.ray_cluster import END_PROGRAM
from climb_assets.executor.worker import LIBRARIES
from tests.climb_assets.executor.backends import MACHINE, SMALL, end_workers, gone, needs_ray, two_workers, wait_until
from tests.climb_assets.executor.units import Echo, Mark, Stumble, Variables

pytestmark = needs_ray
GIB = 2**30


@pytest.fixture(scope="module", autouse=True)
def workers() -> Iterator[None]:
    """End the workers that the tests leave; the cluster goes with this process."""
    yield
    end_workers("ray")


def test_a_cluster_of_its_own_listens_on_loopback_alone() -> None:
    list(two_workers("ray").map([Echo(1)], SMALL))
    processes = [os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))]
    listening = [
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.pid in processes and connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    for address in listening:
        found = ip_address(address)
        assert (getattr(found, "ipv4_mapped", None) or found).is_loopback


def test_its_sockets_and_logs_are_this_accounts_alone() -> None:
    list(two_workers("ray").map([Echo(1)], SMALL))
    folders = [path for path in Path("/tmp").glob(f"climb-ray-{os.getuid()}-*") if path.is_dir()]
    assert folders
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_who_has_no_token_runs_nothing_in_it() -> None:
    list(two_workers("ray").map([Echo(1)], SMALL))
    import ray  # not before climb has

    address = ray.get_runtime_context().gcs_address
    program = f"from ray._raylet import GcsClient; GcsClient(address={address!r}).internal_kv_keys(b'', None)"
    without = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    without["RAY_AUTH_MODE"] = "disabled"
    command = [sys.executable, "-c", program]
    stranger = subprocess.run(command, env=without, capture_output=True, text=True, check=False, timeout=120)
    assert "InvalidAuthToken" in stranger.stderr


def test_a_worker_computes_with_as_many_threads_as_it_has_cores() -> None:
    unit = Variables((*LIBRARIES, "CUDA_VISIBLE_DEVICES"))
    for settings, threads in ((Ray(), 1), (Ray(cpus=2), 2)):
        executor = two_workers("ray", settings)
        assert executor.layout(Resources(GIB)) == Layout(2, threads)
        ((_, (variables, counted)),) = executor.map([unit], Resources(GIB))
        assert counted == threads
        assert {variables[name] for name in LIBRARIES} == {str(threads)}
        assert not variables["CUDA_VISIBLE_DEVICES"]


def test_where_nobody_says_how_many_the_cluster_is_filled() -> None:
    from climb_assets.executor.ray import RayExecutor

    executor = RayExecutor(None, Ray(), capacity=MACHINE)
    assert executor.layout(Resources(GIB)) == Layout(2, 1)
    assert executor.layout(Resources(100 * GIB)) == Layout(1, 2)
    with pytest.raises(ConfigError, match="no machine with a GPU"):
        executor.layout(Resources(GIB, gpu=True))


def test_workers_without_room_keep_no_unit_from_those_that_are_up(tmp_path: Path) -> None:
    from climb_assets.executor.ray import RayExecutor

    end_workers("ray")
    executor = RayExecutor(5, Ray(max_retries=2), capacity=MACHINE)  # on two cores
    found = dict(executor.map([Echo(number, 0.05) for number in range(8)], SMALL))
    assert len(found) == 8
    assert len({process for _, process in found.values()}) <= 2
    assert dict(executor.map([Stumble(tmp_path, 2)], SMALL)) == {Stumble(tmp_path, 2): 2}  # nor later ones


def test_whoever_waits_hears_a_signal() -> None:
    class Alarm(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise Alarm

    executor = two_workers("ray")
    assert dict(executor.map([Echo(1)], SMALL))  # the cluster is there, so that it rings while somebody waits
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        with pytest.raises(Alarm):
            list(executor.map([Echo(1, 600)], SMALL))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_cluster_that_died_is_an_error_and_a_new_one_is_started(tmp_path: Path) -> None:
    def kill() -> None:
        wait_until((tmp_path / "begun-0").exists)
        for process in psutil.Process().children():
            if process.name() == "raylet":
                process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(TransientError):
        list(two_workers("ray").map([Mark(tmp_path, 0, 600)], SMALL))
    killer.join()
    assert [value for _, (value, _) in two_workers("ray").map([Echo(1)], SMALL)] == [1]


TOO_LARGE = """
    import psutil
    from climb_assets.errors import TransientError
    from climb_assets.executor import ray_cluster

    ray_cluster.OBJECT_BYTES = 2**60  # Ray finds out when some of its processes are there
    try:
        ray_cluster.connect(None)
    except TransientError:
        print([process.cmdline() for process in psutil.Process().children(recursive=True)])
"""


def test_nothing_is_left_of_a_cluster_that_did_not_come_up() -> None:
    command = [sys.executable, "-c", textwrap.dedent(TOO_LARGE)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    tried = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert tried.stdout.splitlines()[-1:] == ["[]"], tried.stdout + tried.stderr


ENDED = """
    import os
    import sys
    import threading
    import time
    import psutil
    from climb_assets.config_ray import Ray
    from climb_assets.executor import ray_cluster
    from climb_assets.executor.executor import Resources
    from climb_assets.executor.ray import RayExecutor
    from tests.climb_assets.executor.units import Echo

    def starting() -> list[int]:
        found = []
        for process in psutil.Process().children(recursive=True):
            try:
                program = process.cmdline()[1:2]
                if program and program[0].endswith(("setup_worker.py", "default_worker.py")):
                    found += [process.pid] if time.time() - process.create_time() > 0.3 else []
            except psutil.Error:  # it has ended meanwhile
                continue
        return found

    ray_cluster.connect(None)
    work = lambda: list(RayExecutor(2, Ray()).map([Echo(1, 600)] * 2, Resources(2**20)))
    threading.Thread(target=work, daemon=True).start()
    while not (found := starting()):
        time.sleep(0.01)
    print(*found, flush=True)
    if sys.argv[1] == "disconnect":
        ray_cluster.disconnect()
    os._exit(0)
"""


@pytest.mark.parametrize("how", ["disconnect", "exit"])
def test_workers_that_are_just_starting_end_with_the_cluster(how: str) -> None:
    """By themselves they would look for their raylet for half a minute."""
    command = [sys.executable, "-c", textwrap.dedent(ENDED), how]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    started = [int(word) for word in ended.stdout.split()]
    assert started, ended.stderr
    wait_until(lambda: all(gone(number) for number in started), 20)


def test_the_program_that_ends_a_cluster_kills_what_has_both_folders_and_nothing_else(tmp_path: Path) -> None:
    package, folder = "/a/package", str(tmp_path / "cluster")
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    others = [subprocess.Popen([*sleep, word]) for word in (package, folder)]
    both = subprocess.Popen([*sleep, package, folder], start_new_session=True)
    try:
        program = [sys.executable, "-P", str(END_PROGRAM), folder, package]
        subprocess.run(program, stdin=subprocess.DEVNULL, check=True, timeout=60)
        assert both.wait(60) == -signal.SIGKILL
        assert [other.poll() for other in others] == [None, None]
    finally:
        for process in (*others, both):
            process.kill()
            process.wait()


def test_a_unit_is_tried_as_often_as_is_asked_for(tmp_path: Path) -> None:
    often, never = tmp_path / "often", tmp_path / "never"
    often.mkdir(), never.mkdir()
    assert [tries for _, tries in two_workers("ray", Ray(max_retries=2)).map([Stumble(often, 2)], SMALL)] == [2]
    with pytest.raises(TransientError, match="make room"):
        list(two_workers("ray", Ray(max_retries=0)).map([Stumble(never, 1, TransientError("make room"))], SMALL))
    assert len(list(never.iterdir())) == 1


HEAD = "--head --block --port=0 --num-cpus=4 --num-gpus=1 --memory=8000000000 --object-store-memory=80000000"
DRIVER = """
    import json
    import sys
    from climb_assets.config_ray import Ray
    from climb_assets.executor.executor import Resources
    from climb_assets.executor.ray import RayExecutor
    from tests.climb_assets.executor.units import Variables

    needs = Resources(2**28, gpu=True)
    whole, half = (RayExecutor(None, Ray(address=sys.argv[1], gpus=share)) for share in (1.0, 0.5))
    found = half.map([Variables(("CUDA_VISIBLE_DEVICES",))] * 2, needs)
    devices = [variables["CUDA_VISIBLE_DEVICES"] for _, (variables, _) in found]
    print(json.dumps([whole.layout(needs).workers, half.layout(needs).workers, devices]))
"""


@pytest.mark.slow
def test_a_cluster_is_joined_and_its_gpus_are_shared_out(tmp_path: Path) -> None:
    """Ray shares out as many GPUs as it is told there are; nothing computes on them here."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    plain |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    plain |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    start = [sys.executable, "-m", "ray.scripts.scripts", "start", *HEAD.split(), "--include-dashboard=false"]
    log = tmp_path / "ray.log"
    folder = Path("/tmp") / f"climb-test-{os.getpid()}"  # the path of a socket is short
    with log.open("wb") as stream:
        head = subprocess.Popen([*start, f"--temp-dir={folder}"], env=plain, stdout=stream, stderr=stream)
    try:
        wait_until((folder / "ray_current_cluster").exists)
        address = (folder / "ray_current_cluster").read_text().strip()
        command = [sys.executable, "-c", textwrap.dedent(DRIVER), address]
        driver = subprocess.run(command, env=plain, capture_output=True, text=True, check=False, timeout=300)
        assert driver.returncode == 0, driver.stderr
        assert json.loads(driver.stdout.splitlines()[-1]) == [1, 2, ["0", "0"]]
        assert head.poll() is None  # it outlives who joined it
    finally:
        family = [head, *psutil.Process(head.pid).children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        head.wait()
        shutil.rmtree(folder, ignore_errors=True)

"""The processes of `climb ui`: Dagster's web server and daemon, which end when it does, however it does.

What belongs here: starting, watching and ending the two. What the web server lets in is `dagster_project.webserver`.
`climb ui` becomes this program, since it hears signals in its main thread and a command of `climb` runs in another.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import click

from climb_assets.config import Config
from climb_assets.errors import ArgumentError, ClimbError, TransientError
from dagster_project.ui_token import TOKEN_VARIABLE
from dagster_project.webserver import HOSTS_VARIABLE

ADDRESS = "127.0.0.1"
WORKSPACE = "workspace.yaml"
OUR_WORKSPACE = Path(__file__).parent / "instance" / WORKSPACE  # of the installed package
WEB_SERVER = "web server"
PR_SET_PDEATHSIG = 1  # Linux' include/uapi/linux/prctl.h
GRACE = 10.0  # seconds; the daemon may sit out a tick before it heeds a signal


def prepare_lake(config: Config, notice: Callable[[str], None]) -> dict[str, str]:
    """Bring Dagster's history in step with the lake; return the variables by which a server finds it.

    Parameters
    ----------
    notice
        Is told, in one line, what a person should know of the instance.
    """
    from climb_assets.graph.materializer import Materializer
    from dagster_project.databases import HOME_VARIABLE
    from dagster_project.dead_runs import close_dead_runs
    from dagster_project.instance import open_instance, prepare_home, synchronise_shards

    with open_instance(config.lake, notice) as instance:
        close_dead_runs(instance)  # those that the last server left would hold places in the queue
        materializer = Materializer(config)
        materializer.raw.wait_until_settled(notice)
        synchronise_shards(instance, materializer)
    return {HOME_VARIABLE: str(prepare_home(config.lake))}


def workspace_of(folder: Path) -> Path:
    """Return what tells Dagster where its code is: the project's own workspace.yaml, else that of the package."""
    own = folder / WORKSPACE
    return own if own.is_file() else OUR_WORKSPACE


def require_free(port: int) -> None:
    """Check that nothing listens on a port yet: a second daemon beside the first would disturb it.

    Raises
    ------
    ArgumentError
        Something does.
    """
    if _is_taken(port):
        raise ArgumentError(
            f"something listens on port {port} already, perhaps another `climb ui`; give another by --port"
        )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((ADDRESS, port)) == 0


def become_server(
    workspace: Path,
    port: int,
    environment: Mapping[str, str],
    *,
    token: str | None,
    read_only: bool,
    hosts: Sequence[str],
) -> NoReturn:
    """Let this process become the one that serves; see `serve`.

    Parameters
    ----------
    environment
        Further variables of the server.
    token
        What the web server asks for; none: nothing.
    """
    options = ["--read-only"] if read_only else []
    options += [word for host in hosts for word in ("--host", host)]
    command = [sys.executable, "-m", "dagster_project.server", *options, "--", str(workspace), str(port)]
    secret = {} if token is None else {TOKEN_VARIABLE: token}
    os.execve(sys.executable, command, {**os.environ, **environment, **secret})


def serve(workspace: Path, port: int, *, read_only: bool, hosts: Sequence[str] = ()) -> None:
    """Run the web server and the daemon until this process is told to end; in its main thread.

    A token in the environment is for the web server alone.

    Parameters
    ----------
    read_only
        Show and start nothing: the web server refuses every change, and no daemon runs.
    hosts
        Names besides those of the loopback address under which the server may be asked.

    Raises
    ------
    TransientError
        One of the two ended by itself.
    """
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # which the command that became this had blocked
    public = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    of_web_server = {**os.environ, HOSTS_VARIABLE: ",".join(hosts)}
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, command in _commands(workspace, port, read_only=read_only).items():
            variables = of_web_server if name == WEB_SERVER else public
            children[name] = subprocess.Popen(command, env=variables, preexec_fn=_begin_child(os.getpid()))
        answers = False
        while not told.wait(0.5):
            if not answers and (answers := _is_taken(port)):
                click.echo("The Dagster UI answers.")
            for name, child in children.items():
                if child.poll() is not None:
                    raise TransientError(
                        f"Dagster's {name} ended by itself (code {child.returncode}), as it says above; "
                        "if its port is taken, give another with --port"
                    )
    finally:
        _end(list(children.values()))


def _commands(workspace: Path, port: int, *, read_only: bool) -> dict[str, list[str]]:
    beside = Path(sys.executable)
    server = [sys.executable, "-m", "dagster_project.webserver", "--host", ADDRESS, "--port", str(port)]
    if read_only:
        return {WEB_SERVER: [*server, "--workspace", str(workspace), "--read-only"]}
    daemon = [str(beside.with_name("dagster-daemon")), "run"]
    return {
        WEB_SERVER: [*server, "--workspace", str(workspace)],
        "daemon": [*daemon, "--workspace", str(workspace)],
    }


def _begin_child(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes another program: heed signals, and end when its parent does.

    A shell that starts a script's background lets it ignore SIGINT, which a program would inherit. The kernel ends a
    child on Linux; elsewhere one whose parent was killed lives on.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: no library may be after the fork

    def begin() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if library is not None:
            library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    return begin


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    for child in children:
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@click.command()
@click.argument("workspace", type=click.Path(path_type=Path))
@click.argument("port", type=int)
@click.option("--read-only", is_flag=True)
@click.option("--host", "hosts", multiple=True)
def main(workspace: Path, port: int, read_only: bool, hosts: tuple[str, ...]) -> None:
    """Serve until told to end; `climb ui` has the words for people."""
    try:
        serve(workspace, port, read_only=read_only, hosts=hosts)
    except ClimbError as error:
        click.echo(f"climb: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""Commands on a device that refuses: a process of its own, so that it may fork and break what it works with.

Run as ``python -m tests.integration.faulty_device FOLDER SEED COMMAND CASES``: of every operation with every error it
breaks so many first commands, from a random use of the operation on, mends the device and gives the same command again.
It prints what came of each, one JSON object a line. COMMAND is ``up``, or ``make``, which makes the same assets by the
store alone. CASES is a number, or ``sample`` for one error of each operation.
"""

import errno
import importlib
import io
import itertools
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow.parquet as pq
import yaml

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.code_identity import code_at_start
from climb_assets.graph.materializer import Materializer
from climb_assets.store.local import LocalStore
from dagster_project.cli import OneSentence, main
from tests.conftest import write_source

ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES")
OPERATIONS = ("fsync", "rename", "mkdir", "unlink", "write")
AUDITED = {"os.rename": "rename", "os.mkdir": "mkdir", "os.remove": "unlink"}
TO = "tokenized_shards"


@click.group(cls=OneSentence)
@click.option("--config", "path", type=click.Path(path_type=Path))
@click.pass_context
def without_dagster(context: click.Context, path: Path) -> None:
    """Answer errors as `climb` does."""
    context.obj = path


@without_dagster.command()
@click.pass_obj
def make(path: Path) -> None:
    """Make what `climb up --to` makes."""
    climb = Materializer(load_config(path))
    climb.make("tokenizer")
    for asset in ("raw_shards", "corpus_shards", TO):
        climb.make(asset, "first.jsonl")


COMMANDS = {"make": (without_dagster, ["make"]), "up": (main, ["up", "--to", TO])}


class Stream:
    """A file that is written; `fail` is told its path before each write."""

    def __init__(self, stream: Any, fail: Callable[[Any], None]) -> None:
        self._stream, self._fail = stream, fail

    def write(self, data: Any) -> Any:
        self._fail(self._stream.name)
        return self._stream.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()


def break_device(operation: str, fail: Callable[[Any], None]) -> None:
    """Have an operation call `fail` with the path of what it is done to, until this process ends."""

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if AUDITED.get(event) == operation and (operation == "mkdir" or os.path.lexists(arguments[0])):
            fail(arguments[0])

    sys.addaudithook(audit)
    if operation == "fsync":
        fsync = os.fsync
        os.fsync = lambda file: (fail(Path(f"/proc/self/fd/{file}").readlink()), fsync(file))[1]
    if operation == "write":
        opened = io.open

        def open_failing(file: Any, mode: str = "r", *others: Any, **options: Any) -> Any:
            stream = opened(file, mode, *others, **options)
            return Stream(stream, fail) if set(mode) & set("wax+") and not isinstance(file, int) else stream

        io.open = open_failing
        for name in ("write_batch", "write_table"):
            setattr(pq.ParquetWriter, name, _failing(getattr(pq.ParquetWriter, name), fail))


def _failing(write: Callable[..., Any], fail: Callable[[Any], None]) -> Callable[..., Any]:
    def write_failing(writer: pq.ParquetWriter, *arguments: Any, **options: Any) -> Any:
        fail(writer.where)
        return write(writer, *arguments, **options)

    return write_failing


def run(
    command: str, project: Path, operation: str = "", error: str = "", first: int = sys.maxsize
) -> tuple[int, int, str]:
    """Run a command; return its exit code, how often the operation was used in the lake, and what it printed.

    Parameters
    ----------
    first
        The use of the operation that fails, and all that follow.
    """
    lake, log, uses = project / "data_lake", project / "output.log", project / "uses"
    uses.write_text("0")
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return code, int(uses.read_text() or 0), log.read_text(encoding="utf-8")
    output = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    counted, counter = itertools.count(1), os.open(uses, os.O_WRONLY)

    def fail(path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(str(lake)):
            number = next(counted)
            os.pwrite(counter, str(number).encode(), 0)
            if number >= first:
                raise OSError(getattr(errno, error), os.strerror(getattr(errno, error)), os.fsdecode(path))

    code = 1
    try:
        break_device(operation, fail)
        group, arguments = COMMANDS[command]
        group(["--config", str(project / "climb.yaml"), *arguments])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def write_project(folder: Path) -> Path:
    """Write a project of one small shard."""
    raw = folder / "data_lake" / "raw"
    raw.mkdir(parents=True)
    write_source(raw / "first.jsonl", "first", documents=20)
    (folder / "climb.yaml").write_text(yaml.safe_dump({"profile": "smoke"}))
    return folder


def kept(project: Path) -> dict[str, str]:
    """Return the data version of every current artefact; each is whole."""
    store = LocalStore(project / "data_lake")
    found = {}
    for spec in SPECS:
        for key in store.partitions(spec.asset) or [None]:
            artifact = store.current(spec.asset, key)
            if artifact is not None:
                artifact.verify()
                found[f"{spec.asset}@{key}"] = artifact.data_version
    return found


def import_everything() -> None:
    """Do once what every child would do: import what `climb up` imports, and hash the code of every asset."""
    for name in ("progress", "summary", "update", "plan_summary", "instance"):
        importlib.import_module(f"dagster_project.{name}")
    for spec in SPECS:
        code_at_start(spec.function)


def try_case(
    folder: Path, command: str, operation: str, error: str, first: int, expected: dict[str, str]
) -> dict[str, Any]:
    """Break a first command, mend the device and give it again; return what came of both."""
    project = write_project(folder)
    code, uses, said = run(command, project, operation, error, first)
    again, _, healed = run(command, project)
    sentences = [line for line in said.splitlines() if line.startswith("climb: ")]
    right = code == 2 and len(sentences) == 1 and "Traceback" not in said
    same = again == 0 and kept(project) == expected
    shutil.rmtree(project)
    found = {"operation": operation, "error": error, "first": first, "reached": uses >= first, "code": code}
    found |= {"sentence": "".join(sentences), "told": right, "healed": same}
    return found if right and same else found | {"said": said[-3000:], "again": healed[-3000:]}


if __name__ == "__main__":
    import_everything()
    root, seed, command, cases = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
    random = np.random.default_rng(seed)
    reference = write_project(root / "reference")
    assert run(command, reference)[0] == 0, (reference / "output.log").read_text()
    expected = kept(reference)
    for place, operation in enumerate(OPERATIONS):
        _, uses, _ = run(command, write_project(root / f"uses-{operation}"), operation)
        for error in ERRORS if cases != "sample" else (ERRORS[place],):
            for number in range((1 if cases == "sample" else int(cases)) if uses else 0):
                first = int(random.integers(1, uses + 1))
                case = root / f"{operation}-{error}-{number}"
                print(json.dumps(try_case(case, command, operation, error, first, expected)), flush=True)

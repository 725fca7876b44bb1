"""Where faults are injected: a project whose `climb up` is begun again until all is made, and what is seen of it.

What belongs here: starting `climb up`, one or two at once, and looking on from outside: who makes what, what was
committed, what it all came to. What goes wrong belongs to `fault_kinds`.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from climb_assets.audit.verification import STORES
from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.store.artifacts import MANIFEST
from climb_assets.store.local import LocalStore, writing
from climb_assets.store.opening import open_store
from climb_assets.store.store import Store
from climb_assets.training.checkpoint import STATE
from climb_assets.training.proxy_orders import MODELS
from tests.conftest import WORDS, write_project, write_source
from tests.integration.processes import Launch, launch
from tests.object_server import BUCKET, FaultyProxy, environment_of, run_faulty_proxy, run_object_server
from tests.other_host import ON_OTHER_HOST

Key = tuple[str, str, str]  # asset, partition, fingerprint
DONE = "Nothing is stale."
SLOW = 5.0  # seconds that the store takes longer over an answer
LONGEST = 3600.0  # seconds that a `climb up` may take to end
GONE = 60.0  # seconds that the processes of a killed `climb up` may take to end
SETTINGS: dict[str, Any] = {  # of the smoke profile, but work takes long enough to be caught at
    "corpus": {"part_documents": 8},
    "search": {"iterations": [3, 1]},
    "proxy": {"tokens": 16_384, "simulate_epochs": False},
    "objectives": {"general": {"first_text": 1, "second_text": 1}},
    "baselines": {"mixtures": ["uniform", "proportional"]},
    "target": {"training": {"tokens": 262_144, "batch": 16}, "seeds": [0, 1]},
    "mixture": {"tokens": 20_000},
    "fidelity": {"mixtures": 0},
}


@dataclass(frozen=True)
class Work:
    """An artefact that is being made: which, by which process, in which lake, and its draft."""

    pid: int
    key: Key
    lake: Path
    draft: Path

    @property
    def right(self) -> str:
        """Name of the lease that its writer holds."""
        return writing(*self.key)


@dataclass
class Scene:
    """One project, or one on each of two machines with a bucket in common.

    Parameters
    ----------
    projects
        Folders with a climb.yaml: of the first `climb up`, and of the second, which is the same one on a disk.
    server
        What stands before the bucket; None: the artefacts lie on the disk.
    """

    projects: tuple[Path, Path]
    server: FaultyProxy | None
    first: Launch | None = None
    second: Launch | None = None
    endings: list[str] = field(default_factory=list)  # of each `climb up`: its exit code, and its last line
    left: int = 0  # processes that outlived their `climb up`
    since: dict[tuple[int, str], float] = field(default_factory=dict)  # when a process was first seen at an artefact
    commits: dict[Key, list[str]] = field(default_factory=dict)  # every one that was seen, by what tells it from others

    @property
    def store(self) -> Store:
        """The store, as this process opens it."""
        return open_store(load_config(self.projects[0] / "climb.yaml"))

    def begin_first(self) -> None:
        """Start `climb up`."""
        self.first = self._begin(self.projects[0], "first.log", [])

    def begin_second(self) -> None:
        """Start `climb up` once more, in a PID namespace of its own."""
        self.second = self._begin(self.projects[1], "second.log", ON_OTHER_HOST)

    def _begin(self, project: Path, log: str, prefix: list[str]) -> Launch:
        command = [*prefix, sys.executable, "-m", "dagster_project.cli", "--config", project / "climb.yaml", "up"]
        return launch(command, self.projects[0] / log)

    def note_ending(self, started: Launch) -> int:
        """Note how a `climb up` ended and what it left behind; return its exit code."""
        code = started.finish(LONGEST)
        end = time.monotonic() + GONE
        while (family := started.family) and time.monotonic() < end:
            time.sleep(0.5)
        self.left += len(family)
        started.end_family()
        lines = started.log.read_text(encoding="utf-8", errors="replace").strip().splitlines() or [""]
        said = next((line for line in reversed(lines) if line.startswith("climb:")), lines[-1]) if code else ""
        self.endings.append(f"{code} {said}".strip())
        return code

    def end(self) -> None:
        """Kill whatever is left."""
        for started in (self.first, self.second):
            if started is not None:
                started.end_family()

    def works(self) -> list[Work]:
        """Return the artefacts that are being made: those whose lock a living process holds."""
        held = _locks()
        found = []
        for lake in {project / "data_lake" for project in self.projects}:
            for draft in (lake / "artifacts").glob("*/*/.*.partial"):
                key = (draft.parents[1].name, draft.parent.name, draft.name.split(".")[1])
                pid = held.get(_inode(LocalStore(lake).lock(writing(*key))))
                if pid is not None:
                    found.append(Work(pid, key, lake, draft))
        now = time.monotonic()
        for work in found:
            self.since.setdefault((work.pid, work.key[2]), now)
        return found

    def look(self) -> list[Work]:
        """Note what was committed since the last look, and return what is being made."""
        if self.server is None:
            for manifest in (self.projects[0] / "data_lake" / "artifacts").glob(f"*/*/[!.]*/{MANIFEST}"):
                with contextlib.suppress(FileNotFoundError):
                    stat = manifest.stat()
                    self._note_commit(_key_of(manifest), f"{stat.st_ino} {stat.st_mtime_ns}")
        return self.works()

    def _note_commit(self, key: Key, mark: str) -> None:
        marks = self.commits.setdefault(key, [])
        if mark not in marks:
            marks.append(mark)

    def count_puts(self) -> None:
        """Note what was committed to the bucket: each manifest that its server has taken."""
        assert self.server is not None
        for number, (method, path, status) in enumerate(list(self.server.answers)):
            if method == "PUT" and status == 200 and path.endswith(f"/{MANIFEST}"):
                self._note_commit(_key_of(Path(path)), str(number))

    def training_lost(self, works: list[Work]) -> float:
        """Return how long ago, in seconds, the training was begun or kept that ends now with its process, added up.

        It is an upper bound: the process may have waited for a core meanwhile.
        """
        return sum(self._since_kept(work) for work in works if work.key[0] == MODELS)

    def _since_kept(self, work: Work) -> float:
        begun = time.monotonic() - self.since.get((work.pid, work.key[2]), time.monotonic())
        try:
            kept = time.time() - (work.lake / "unfinished" / work.key[2] / STATE).stat().st_mtime
        except FileNotFoundError:
            return begun
        return min(begun, kept)

    def raylets(self) -> list[psutil.Process]:
        """Return the raylets of the first `climb up`."""
        found = []
        for pid in self.first.family if self.first else ():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                found += [process] if process.name() == "raylet" else []
        return found


@contextlib.contextmanager
def open_scene(folder: Path, encoder: Path, backend: str, store: str) -> Iterator[Scene]:
    """Lay out a project, with a bucket of its own or none, and end all that was started when the block ends."""
    with contextlib.ExitStack() as stack:
        if store == "disk":
            project = _write(folder / "project", encoder, backend, None)
            scene = Scene((project, project), None)
        else:
            server = stack.enter_context(run_faulty_proxy(stack.enter_context(run_object_server()), pause=SLOW))
            os.environ.update(environment_of(server.url))
            address = f"s3://{BUCKET}/{folder.name}"
            projects = [_write(folder / name, encoder, backend, address) for name in ("project", "other")]
            scene = Scene((projects[0], projects[1]), server)
        try:
            yield scene
        finally:
            scene.end()


def _write(folder: Path, encoder: Path, backend: str, address: str | None) -> Path:
    """Write a project: two workers, and the smoke profile with a longer training."""
    write_project(folder, encoder)
    for source in WORDS:
        write_source(folder / "data_lake" / "raw" / f"{source}.jsonl", source, documents=120)
    path = folder / "climb.yaml"
    settings = (
        yaml.safe_load(path.read_text(encoding="utf-8")) | SETTINGS | {"runtime": {"backend": backend, "workers": 2}}
    )
    path.write_text(yaml.safe_dump(settings | ({} if address is None else {"store": address})), encoding="utf-8")
    return folder


def read_all(store: Store) -> dict[str, str]:
    """Return the checksum of every artefact, current or not, and what every reference names; all bytes are verified.

    Raises
    ------
    CorruptArtifact
        An artefact is not what was put down.
    """
    found = {}
    for asset in sorted({*(spec.asset for spec in SPECS), *STORES}):
        for artifact in store.all_of(asset):
            for name in artifact.manifest["files"]:
                artifact.file(name, again=True)
            artifact.verify_manifest()
            found["/".join(_key(artifact.asset, artifact.partition, artifact.fingerprint))] = artifact.manifest[
                "checksum"
            ]
    for asset, partition in store.referred():
        found[f"refs/{asset}/{partition}"] = store.reference(asset, partition) or ""
    return found


def _key(asset: str, partition: str | None, fingerprint: str) -> Key:
    return asset, partition or "_", fingerprint


def _key_of(manifest: Path) -> Key:
    return manifest.parents[2].name, manifest.parents[1].name, manifest.parent.name


def _locks() -> dict[str, int]:
    """Return the process that holds each lock of flock(2) alone, by the inode as `_inode` writes it: proc(5)."""
    lines = [line.split() for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines()]
    return {words[5]: int(words[4]) for words in lines if words[1] == "FLOCK" and words[3] == "WRITE"}


def _inode(path: Path) -> str:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return ""
    return f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"

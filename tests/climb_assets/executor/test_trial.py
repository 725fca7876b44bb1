"""A unit that ends its process ends no other."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from climb_assets.errors import ConfigError
from climb_assets.executor import trial
from climb_assets.executor.executor import UnitError
from climb_assets.executor.trial import FACTOR, ROOM, try_in_child
from climb_assets.executor.worker import WorkerDied
from tests.climb_assets.executor.units import Echo


@dataclass(frozen=True)
class End:
    """End the process by a signal, or raise."""

    number: int = 0
    error: Exception | None = None
    name: str = "end"

    def run(self) -> None:
        if self.error is not None:
            raise self.error
        os.kill(os.getpid(), self.number)


@dataclass(frozen=True)
class TakeMemory:
    """Take so many bytes."""

    bytes: int
    name: str = "take memory"

    def run(self) -> int:
        return len(b"x" * self.bytes)


def test_memory_is_bounded_by_the_file(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.touch()
    large.write_bytes(bytes(ROOM // FACTOR))
    need = TakeMemory(ROOM + ROOM // 4)
    with pytest.raises(UnitError, match="MemoryError"):
        try_in_child(need, small)
    assert try_in_child(need, large) is None


def test_a_large_file_has_more_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PATIENCE", 0.0)
    small, large = tmp_path / "small", tmp_path / "large"
    small.touch()
    with large.open("wb") as stream:
        stream.truncate(60 * trial.SLOWEST)  # which takes no room
    with pytest.raises(WorkerDied):
        trial.try_in_child(Echo(1), small)
    assert trial.try_in_child(Echo(1), large) is None


def test_what_can_be_run_raises_nothing() -> None:
    assert try_in_child(Echo(1), Path(__file__)) is None


@pytest.mark.parametrize("number", [signal.SIGFPE, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_process_that_ends_is_an_error_here(number: int) -> None:
    with pytest.raises(WorkerDied):
        try_in_child(End(number), Path(__file__))


def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ConfigError, match="a sentence"):
        try_in_child(End(error=ConfigError("a sentence")), Path(__file__))
    with pytest.raises(UnitError, match="ZeroDivisionError"):
        try_in_child(End(error=ZeroDivisionError()), Path(__file__))

"""A unit that ends its process ends no other."""

import os
import signal
from dataclasses import dataclass

import pytest

from climb_assets.errors import ConfigError
from climb_assets.executor.executor import UnitError
from climb_assets.executor.trial import try_in_child
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


def test_what_can_be_run_raises_nothing() -> None:
    assert try_in_child(Echo(1)) is None


@pytest.mark.parametrize("number", [signal.SIGFPE, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL])
def test_a_process_that_ends_is_an_error_here(number: int) -> None:
    with pytest.raises(WorkerDied):
        try_in_child(End(number))


def test_what_it_raises_is_raised_here() -> None:
    with pytest.raises(ConfigError, match="a sentence"):
        try_in_child(End(error=ConfigError("a sentence")))
    with pytest.raises(UnitError, match="ZeroDivisionError"):
        try_in_child(End(error=ZeroDivisionError()))

"""Ctrl-C and SIGTERM: a command ends at once and says how to go on.

What belongs here: hearing the two signals while a command works, and ending what hears nothing. What is finished lies
whole in the lake and what is not is resumed by the next command, as after a kill, so nothing has to be brought to an
end first; workers die with this process.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TextIO, TypeVar

from dagster_project.standard_error import copy_of_stderr

Value = TypeVar("Value")


class Terminated(BaseException):
    """SIGTERM came."""


def run_interruptibly(work: Callable[[], Value], advice: str) -> Value:
    """Return what `work` returns; on SIGINT or SIGTERM print one line and end the process with 130 or 143.

    The work is done in a thread of its own, for Dagster and DuckDB would take the handlers of the main thread and hear
    a signal only between their steps. A SIGINT that the shell has ignored, as for a script's background, stays ignored.

    Parameters
    ----------
    advice
        How to go on, the end of the line.
    """
    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        return work()
    outcome: Future[Value] = Future()
    stderr = copy_of_stderr()

    def do() -> None:
        # Processes that are started here inherit this: a terminal sends its Ctrl-C to them too, and those that Dagster
        # starts would each print a traceback. They end with this process.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            outcome.set_result(work())
        except BaseException as error:  # `sys.exit` too
            outcome.set_exception(error)

    with _hearing_sigterm():
        try:
            threading.Thread(target=do, name="command", daemon=True).start()
            return outcome.result()
        except KeyboardInterrupt:
            _end_by(signal.SIGINT, "interrupted", advice, stderr)
        except Terminated:
            _end_by(signal.SIGTERM, "terminated", advice, stderr)


@contextmanager
def ended_after(seconds: float, sentence: str, code: int) -> Iterator[None]:
    """End this process with one line and an exit code where the block takes longer: also one that heeds no request."""
    alarm = threading.Timer(seconds, _end, (sentence, code, sys.stderr))
    alarm.daemon = True
    alarm.start()
    try:
        yield
    finally:
        alarm.cancel()


@contextmanager
def _hearing_sigterm() -> Iterator[None]:
    def hear(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before: Any = signal.signal(signal.SIGTERM, hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_by(number: signal.Signals, what: str, advice: str, stderr: TextIO) -> NoReturn:
    """End this process as a shell expects of one that a signal ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C
    _end(f"{what}; {advice}", 128 + number, stderr)


def _end(sentence: str, code: int, stderr: TextIO) -> NoReturn:
    """End this process without waiting for any thread."""
    try:
        sys.stdout.flush()
        start = "\r\x1b[K" if stderr.isatty() else ""  # over what a progress bar has left
        stderr.write(f"{start}climb: {sentence}\n")
        stderr.flush()
    finally:
        os._exit(code)

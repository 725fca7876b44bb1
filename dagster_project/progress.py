"""How far long work is: what a person sees while `climb up` works, and what stands in the log of a run.

What belongs here: the callback `Materializer.progress` in words, with a rate and the time that is left. Who calls it is
the compute's matter.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from tqdm import tqdm

from climb_assets.graph.materializer import Materializer
from dagster_project.standard_error import copy_of_stderr

TICK = 1.0  # seconds between looks at the clock
SILENCE = 10.0  # seconds without a line where there is no terminal
SHARE_OF_ELAPSED = 0.02  # a run of days has a line now and then


class Pace:
    """How fast a piece of work goes, from the first time that it told how far it was.

    Parameters
    ----------
    what
        Names the work.
    done
        How much was done before the clock was started.
    """

    def __init__(self, what: str, done: int) -> None:
        self.what, self._before, self._started = what, done, time.monotonic()

    def in_words(self, done: int, total: int) -> str:
        """Return how far it is, its rate and the time that is left, as far as these are known."""
        elapsed, made = time.monotonic() - self._started, done - self._before
        text = f"{self.what}: {done} of {total}"
        if made <= 0 or elapsed <= 0:
            return text
        minutes, left = 60 * made / elapsed, (total - done) * elapsed / made
        rate = f"{minutes:.1f} a minute" if minutes < 600 else f"{minutes / 60:.0f} a second"
        return f"{text}, {rate}" + (f", {tqdm.format_interval(left)} left" if done < total else "")


class Reporter:
    """Prints a line for each run and, on standard error, how far it is: a bar on a terminal, else lines now and then.

    Dagster puts files in the place of standard output and error while a run goes on, so the bar has a copy of its own.
    """

    def __init__(self) -> None:
        self._stream = copy_of_stderr()
        self._terminal = self._stream.isatty()
        self._lock = threading.RLock()
        self._bar: tqdm | None = None
        self._pace: Pace | None = None
        self._shown = ""
        self._begun = self._said = time.monotonic()
        self._ended = threading.Event()
        self._clock = threading.Thread(target=self._watch, name="show progress", daemon=True)

    def __enter__(self) -> Self:
        self._clock.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._clock.join()
        with self._lock:
            self._take_bar_away()
            if self._stream is not sys.stderr:
                self._stream.close()

    def line(self, text: str) -> None:
        """Print one line: what is begun."""
        with self._lock:
            self._take_bar_away()
            print(text, flush=True)
            self._shown, self._pace = text, None
            self._begun = self._said = time.monotonic()
            if self._terminal:
                self._bar = self._open_bar(f"  {text}"[:60], None, 0)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far long work is; called with the same `what` until it is done."""
        with self._lock:
            if self._pace is None or self._pace.what != what:
                self._pace = Pace(what, done)
                if self._terminal:
                    self._take_bar_away()
                    self._bar = self._open_bar(f"  {what}"[:60], total, done)
            if self._bar is not None:
                self._bar.update(done - self._bar.n)
            self._shown = self._pace.in_words(done, total)

    def _open_bar(self, title: str, total: int | None, done: int) -> tqdm:
        form = "{desc} [{elapsed}]" if total is None else None  # there is nothing to count
        return tqdm(total=total, initial=done, desc=title, leave=False, file=self._stream, bar_format=form)

    def _take_bar_away(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _watch(self) -> None:
        while not self._ended.wait(TICK):
            with self._lock:
                now = time.monotonic()
                if self._bar is not None:
                    self._bar.refresh()
                elif self._shown and now - self._said >= max(SILENCE, SHARE_OF_ELAPSED * (now - self._begun)):
                    self._said = now
                    print(f"  {tqdm.format_interval(now - self._begun)} {self._shown}", file=self._stream, flush=True)


@contextmanager
def telling(climb: Materializer, tell: Callable[[str], None]) -> Iterator[None]:
    """Let `tell`, such as the log of a run, have how far long work is, beside whoever is told already."""
    before, pace = climb.progress, Pace("", 0)

    def progress(what: str, done: int, total: int) -> None:
        nonlocal pace
        before(what, done, total)
        if pace.what != what:
            pace = Pace(what, done)
        tell(pace.in_words(done, total))

    climb.progress = progress
    try:
        yield
    finally:
        climb.progress = before

"""How far long work is: what a person sees while `climb up` works, and what stands in the log of a run.

What belongs here: the callback `Materializer.progress` in words, with a rate and the time that is left, of a piece of
work and of all that is behind it. Who calls it is the compute's matter, what lies behind it the plan's.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from tqdm import tqdm

from climb_assets.graph.estimates import Cost, in_hours
from climb_assets.graph.materializer import Materializer
from dagster_project.standard_error import copy_of_stderr

TICK = 1.0  # seconds between looks at the clock
SILENCE = 10.0  # seconds without a line where there is no terminal
SHARE_OF_ELAPSED = 0.02  # a run of days has a line now and then
LOOK_AHEAD = 30.0  # seconds between looks at what lies behind, whose estimates get better while models are trained
SHARE_OF_LOOKING = 0.01  # of the time, at most, is spent on that


class Pace:
    """How fast a piece of work goes, from the first time that it told how far it was.

    Parameters
    ----------
    what
        Names the work.
    done
        How much was done before the clock was started.
    """

    def __init__(self, what: str, done: int, total: int) -> None:
        self.what, self._before, self._started = what, done, time.monotonic()
        self.update(done, total)

    def update(self, done: int, total: int) -> None:
        """Take down how far it is now."""
        self._done, self._total, self._at = done, total, time.monotonic()

    @property
    def left(self) -> float | None:
        """The seconds that it will still take from now on; None until some of it was made."""
        made = self._done - self._before
        if made <= 0:
            return None
        each = (self._at - self._started) / made
        return max(0.0, (self._total - self._done) * each - (time.monotonic() - self._at))

    def in_words(self) -> str:
        """Return how far it is, its rate and the time that is left, as far as these are known."""
        text, left, elapsed = f"{self.what}: {self._done} of {self._total}", self.left, self._at - self._started
        if left is None or elapsed <= 0:
            return text
        minutes = 60 * (self._done - self._before) / elapsed
        rate = f"{minutes:.1f} a minute" if minutes < 600 else f"{minutes / 60:.0f} a second"
        return f"{text}, {rate}" + (f", {tqdm.format_interval(left)} left" if self._done < self._total else "")


@dataclass
class Ahead:
    """What lies behind the work that goes on, looked at again now and then.

    Parameters
    ----------
    look
        Returns what it costs; None where there is nothing to look at.
    """

    look: Callable[[], Cost] | None = None
    _cost: Cost | None = None
    _next: float = 0.0

    def refresh(self) -> None:
        """Look at it again, if it is time to."""
        began = time.monotonic()
        if self.look is not None and began >= self._next:
            self._cost = self.look()
            ended = time.monotonic()
            self._next = ended + max(LOOK_AHEAD, (ended - began) / SHARE_OF_LOOKING)

    def in_words(self, left: float | None) -> str:
        """Return what is left of all; `left` is what is left of the work that goes on, None: not known."""
        if self._cost is None:
            return ""
        known = (left or 0.0) + self._cost.seconds
        more = " or more" if left is None or self._cost.unknown else ""
        return f"all: about {in_hours(known)}{more} left" if known else "all: not known yet"


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
        self._ahead = Ahead()
        self._title = ""
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
            self._title, self._pace, self._ahead = text, None, Ahead()
            self._begun = self._said = time.monotonic()
            if self._terminal:
                self._bar = self._open_bar(f"  {text}"[:60], None, 0)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far long work is; called with the same `what` until it is done."""
        with self._lock:
            if self._pace is None or self._pace.what != what:
                self._pace = Pace(what, done, total)
                if self._terminal:
                    self._take_bar_away()
                    self._bar = self._open_bar(f"  {what}"[:60], total, done)
            if self._bar is not None:
                self._bar.update(done - self._bar.n)
            self._pace.update(done, total)

    def look_ahead(self, look: Callable[[], Cost]) -> None:
        """Show what lies behind the work whose line was printed last, by a function that says what it costs."""
        with self._lock:
            self._ahead = Ahead(look)

    def _open_bar(self, title: str, total: int | None, done: int) -> tqdm:
        form = "{desc} [{elapsed}{postfix}]" if total is None else None  # there is nothing to count
        return tqdm(total=total, initial=done, desc=title, leave=False, file=self._stream, bar_format=form)

    def _take_bar_away(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _watch(self) -> None:
        while not self._ended.wait(TICK):
            ahead = self._ahead
            ahead.refresh()  # outside the lock, as the work must not wait for it
            with self._lock:
                now = time.monotonic()
                words = self._pace.in_words() if self._pace is not None else self._title
                of_all = ahead.in_words(self._pace.left if self._pace is not None else None)
                if self._bar is not None:
                    self._bar.set_postfix_str(of_all)
                elif words and now - self._said >= max(SILENCE, SHARE_OF_ELAPSED * (now - self._begun)):
                    self._said = now
                    told = "; ".join(filter(None, [words, of_all]))
                    print(f"  {tqdm.format_interval(now - self._begun)} {told}", file=self._stream, flush=True)


@contextmanager
def telling(climb: Materializer, tell: Callable[[str], None]) -> Iterator[None]:
    """Let `tell`, such as the log of a run, have how far long work is, beside whoever is told already."""
    before, pace = climb.progress, Pace("", 0, 0)

    def progress(what: str, done: int, total: int) -> None:
        nonlocal pace
        before(what, done, total)
        if pace.what != what:
            pace = Pace(what, done, total)
        pace.update(done, total)
        tell(pace.in_words())

    climb.progress = progress
    try:
        yield
    finally:
        climb.progress = before

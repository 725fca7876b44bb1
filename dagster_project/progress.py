"""How far long work is: what a person sees while `climb up` works, and what stands in the log of a run.

What belongs here: the callback `Materializer.progress` in words, with a rate and the time that is left, of a piece of
work and of all that comes after it. Who calls it is the compute's matter, what comes after it the plan's.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from tqdm import tqdm

from climb_assets.device_faults import device_fault
from climb_assets.errors import ClimbError
from climb_assets.graph.estimates import Cost, in_hours
from climb_assets.graph.materializer import Materializer
from dagster_project.standard_error import copy_of_stderr

TICK = 1.0  # seconds between looks at the clock
SILENCE = 10.0  # seconds without a line where there is no terminal
SHARE_OF_ELAPSED = 0.02  # a run of days has a line now and then
LOOK_AHEAD = 30.0  # seconds between looks at what comes after a run: estimates get better while models are trained
PATIENCE = 5.0  # seconds that a run lasts before anybody looks at what comes after it, which costs a plan
SHARE_OF_LOOKING = 0.01  # of a long run's time, at most, is spent on that


class Pace:
    """How fast a piece of work goes, from the first time that it told how far it was.

    Parameters
    ----------
    what
        Names the work.
    done, total
        How much was done before the clock was started, and how much there is.
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
        each, waited, waiting = (self._at - self._started) / made, time.monotonic() - self._at, self._total - self._done
        return waiting * each - min(waited, each) if waiting else 0.0

    @property
    def speed(self) -> str:
        """The rate and the time that is left, as people say them; empty until something was made."""
        left, elapsed = self.left, self._at - self._started
        if left is None or elapsed <= 0:
            return ""
        minutes = 60 * (self._done - self._before) / elapsed
        rate = f"{minutes:.1f} a minute" if minutes < 600 else f"{minutes / 60:.0f} a second"
        return rate + (f", {tqdm.format_interval(left)} left" if self._done < self._total else "")

    def in_words(self) -> str:
        """Return how far it is, its rate and the time that is left, as far as these are known."""
        return ", ".join(filter(None, [f"{self.what}: {self._done} of {self._total}", self.speed]))


class Outlook:
    """What is left of all: of the run that goes on, and of what comes after it.

    Parameters
    ----------
    estimate_s
        Seconds that the run takes by the plan; None: not known.
    look
        Returns what all that comes after it costs.
    """

    def __init__(self, estimate_s: float | None, look: Callable[[], Cost]) -> None:
        self._estimate, self._look, self._begun = estimate_s, look, time.monotonic()
        self._rest: Cost | None = None

    def look(self) -> None:
        """Look at what comes after the run. An error is the run's own to tell: its next plan meets the same one."""
        self._rest = None
        try:
            self._rest = self._look()
        except Exception as error:
            if not isinstance(error, ClimbError) and device_fault(error) is None:
                raise

    def in_words(self, pace: Pace | None) -> str:
        """Return what is left of all; a run may have pieces of work after the one whose pace is known."""
        if self._rest is None:
            return ""
        if self._rest.unknown and not self._rest.seconds:
            return "all: not known yet"
        by_plan = None if self._estimate is None else self._estimate - (time.monotonic() - self._begun)
        known = [seconds for seconds in (by_plan, pace.left if pace else None) if seconds is not None]
        seconds = max(known, default=0.0) + self._rest.seconds
        more = "" if known and not self._rest.unknown else " or more"
        return f"all: about {in_hours(seconds)}{more} left" if seconds > 0 else ""


class Reporter:
    """Prints a line for each run and, on standard error, how far it is: a bar on a terminal, else lines now and then.

    Dagster puts files in the place of standard output and error while a run goes on, so the bar has a copy of its own.
    """

    def __init__(self) -> None:
        self._stream = copy_of_stderr()
        self._owned = self._stream is not sys.stderr  # of now: others may put another in its place
        self._terminal = self._stream.isatty()
        self._lock = threading.RLock()
        self._bar: tqdm | None = None
        self._pace: Pace | None = None
        self._outlook: Outlook | None = None
        self._title = ""
        self._begun = self._said = time.monotonic()
        self._ended = threading.Event()
        self._showing = threading.Thread(target=self._show, name="show progress", daemon=True)
        self._looking = threading.Thread(target=self._look_ahead, name="look ahead", daemon=True)

    def __enter__(self) -> Self:
        self._showing.start()
        self._looking.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._showing.join()
        with self._lock:
            self._take_bar_away()
            if self._owned:
                self._stream.close()

    def line(self, text: str) -> None:
        """Print one line: what is begun."""
        with self._lock:
            self._take_bar_away()
            print(text, flush=True)
            self._title, self._pace, self._outlook = text, None, None
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

    def show_outlook(self, estimate_s: float | None, look: Callable[[], Cost]) -> None:
        """Show what is left of all beside the run whose line was printed last; see `Outlook`."""
        with self._lock:
            self._outlook = Outlook(estimate_s, look)

    def _open_bar(self, title: str, total: int | None, done: int) -> tqdm:
        counted = "" if total is None else ": {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}"
        form = f"{{desc}}{counted} [{{elapsed}}{{postfix}}]"  # the rate and what is left are those of the pace
        return tqdm(total=total, initial=done, desc=title, leave=False, file=self._stream, bar_format=form)

    def _take_bar_away(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _show(self) -> None:
        while not self._ended.wait(TICK):
            with self._lock:
                now, pace = time.monotonic(), self._pace
                of_all = self._outlook.in_words(pace) if self._outlook is not None else ""
                words = pace.in_words() if pace is not None else self._title
                if self._bar is not None:
                    self._bar.set_postfix_str("; ".join(filter(None, [pace.speed if pace else "", of_all])))
                elif words and now - self._said >= max(SILENCE, SHARE_OF_ELAPSED * (now - self._begun)):
                    self._said = now
                    told = "; ".join(filter(None, [words, of_all]))
                    print(f"  {tqdm.format_interval(now - self._begun)} {told}", file=self._stream, flush=True)

    def _look_ahead(self) -> None:
        """Look at what comes after a run that lasts, and again while estimates get better; nobody waits for it."""
        looked: Outlook | None = None
        pause = 0.0
        while not self._ended.wait(TICK):
            pause -= TICK
            outlook, began = self._outlook, time.monotonic()
            if outlook is None or began - self._begun < PATIENCE or (outlook is looked and pause > 0):
                continue
            outlook.look()
            took = time.monotonic() - began
            looked, pause = outlook, max(LOOK_AHEAD, took / SHARE_OF_LOOKING)
            self._ended.wait(took)  # where runs are short, half of the time at most


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

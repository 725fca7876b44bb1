"""Scales: from numbers to places on a drawing, and the round numbers that an axis names.

What belongs here: arithmetic of axes, and how numbers are written on them.
"""

import itertools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A straight map from numbers between `low` and `high` to places between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a number."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, most: int = 5) -> list[float]:
        """Return at most so many round numbers within the scale, in order."""
        span = self.high - self.low
        step = 10.0 ** math.floor(math.log10(span / most))
        step = next(step * factor for factor in (1, 2, 5, 10) if span / (step * factor) <= most)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor((self.high - first * step) / step + 1e-9) + 1
        return [round((first + place) * step, 12) for place in range(count)][:most]


def scale_over(values: list[float], start: float, end: float, margin: float = 0.06) -> Scale:
    """Return a scale that holds all finite values, with some room on both sides."""
    known = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    apart = high - low > 1e-9 * max(1.0, abs(high), abs(low))
    room = (high - low) * margin if apart else max(abs(high) * 0.05, 1e-3)
    return Scale(low - room, high + room, start, end)


def plain(value: float, digits: int = 3) -> str:
    """Return a number with a minus that is as wide as a plus."""
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 3) -> str:
    """Return a difference with its sign; one that rounds to nothing has none."""
    shown = f"{value:+.{digits}f}".replace("-", "−")
    return shown[1:] if float(f"{value:.{digits}f}") == 0 else shown


def percent(share: float) -> str:
    """Return a share as percent: whole ones from 10 on, one digit below, and what is hardly anything as that."""
    points = share * 100
    if 0 < points < 0.05:
        return "<\N{NO-BREAK SPACE}0.1\N{NO-BREAK SPACE}%"
    digits = 0 if points >= 9.95 or points == 0 else 1
    return f"{points:.{digits}f}\N{NO-BREAK SPACE}%"


def on_axis(value: float, step_of: list[float]) -> str:
    """Return a tick's number with as many digits as tell it from its neighbours."""
    step = min((b - a for a, b in itertools.pairwise(step_of)), default=abs(value) or 1)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return plain(value, digits)

"""Pictures for one glance: so small that Dagster's pages show them in their place and not behind a link.

What belongs here: bars and lines in few bytes. A page shows Markdown of less than `MOST` characters at once, and what
is longer behind a link; so these have no style sheet, six bars at most, and no more than `STEPS` points.
"""

import itertools
from collections.abc import Sequence

from climb_assets.pictures.scales import percent, signed
from climb_assets.pictures.svg import PALETTE, escape, shorten

MOST = 1000  # characters; what Dagster 1.13 shows in place
BARS, STEPS = 6, 48
ROW, WIDTH, LEFT = 17, 420, 180
NAMES, END = 120, 355  # where intervals begin and end
INK, GOOD, BAD, FIRST = (PALETTE[name][0] for name in ("muted", "good", "bad", "c0"))
UNSAFE = str.maketrans({letter: f"%{ord(letter):02X}" for letter in '%<>&#"\\\n'})  # between pointed brackets


def bars(shares: Sequence[tuple[str, float]], told: Sequence[str] = ()) -> str:
    """Return Markdown with a bar for each of the first few named shares; empty where there is nothing to draw.

    Parameters
    ----------
    told
        What stands at the end of each bar; without it the share as percent.
    """
    rows = [
        (name, share, told[place] if told else percent(share))
        for place, (name, share) in enumerate(list(shares)[:BARS])
    ]
    if max((share for _, share, _ in rows), default=0.0) <= 0:
        return ""
    for count in range(len(rows), 0, -1):  # long names leave room for fewer bars
        for letters in (23, 18, 13):
            drawn = _markdown(_draw_bars(rows[:count], letters), ROW * count + 2)
            if len(drawn) < MOST:
                return drawn
    return ""


def _draw_bars(rows: Sequence[tuple[str, float, str]], letters: int) -> str:
    """Return bars with names of at most so many letters, and what stands at their ends."""
    most = max(share for _, share, _ in rows)
    texts, path = "", ""
    for place, (name, share, end) in enumerate(rows):
        top, long = ROW * place, max(1, round((WIDTH - LEFT - 60) * share / most))
        texts += f"<text y='{top + 12}'>{escape(shorten(name, letters * 7.2))}</text>"
        texts += f"<text x='{LEFT + 6 + long}' y='{top + 12}'>{escape(end)}</text>"
        path += f"M{LEFT},{top + 3}h{long}v10H{LEFT}z"
    return f"{texts}<path fill='{FIRST}' d='{path}'/>"


def line(values: Sequence[float], what: str) -> str:
    """Return Markdown with one line through values, at most `STEPS` of them; empty where there are fewer than two."""
    if len(values) < 2:
        return ""
    every = max(1, -(-len(values) // STEPS))
    shown = [float(value) for value in values][::every]
    low, high = min(shown), max(shown)
    places = [round(52 - 48 * (value - low) / ((high - low) or 1)) for value in shown]
    step = max(2, 300 // len(shown))
    steps = "".join(f"l{step},{after - before}" for before, after in itertools.pairwise(places))
    ends = (
        f"<text x='{step * len(shown) + 6}' y='{places[-1] + 4}'>{values[-1]:.3g}</text><text "
        f"y='70'>{escape(what)}</text>"
    )
    return _markdown(f"<path fill='none' stroke='{FIRST}' stroke-width='2' d='M2,{places[0]}{steps}'/>{ends}", 74)


def differences(rows: Sequence[tuple[str, float, float, float]]) -> str:
    """Return Markdown with an interval for each of the first few differences, and zero as a line; left is better."""
    for count in range(min(len(rows), BARS), 0, -1):
        drawn = _markdown(_draw_differences(rows[:count]), ROW * (count + 1))
        if len(drawn) < MOST:
            return drawn
    return ""


def _draw_differences(rows: Sequence[tuple[str, float, float, float]]) -> str:
    low, high = min([0.0, *(row[2] for row in rows)]), max([0.0, *(row[3] for row in rows)])

    def at(value: float) -> int:
        return NAMES + round((END - NAMES) * (value - low) / ((high - low) or 1))

    drawn = f"<path stroke='{INK}' d='M{at(0)},0V{ROW * len(rows)}'/>"
    for place, (name, middle, least, largest) in enumerate(rows):
        colour, y = (GOOD if largest < 0 else BAD if least > 0 else INK), ROW * place + 8
        drawn += f"<text y='{y + 4}'>{escape(shorten(name, NAMES - 10))}</text>"
        drawn += f"<text x='{END + 10}' y='{y + 4}'>{escape(signed(middle))}</text>"
        drawn += f"<path stroke='{colour}' stroke-width='3' d='M{at(least)},{y}H{at(largest)}M{at(middle)},{y - 4}v8'/>"
    return f"{drawn}<text x='{NAMES}' y='{ROW * len(rows) + 12}'>left of the line is better</text>"


def _markdown(elements: str, height: int) -> str:
    """Return a drawing as an image in Markdown."""
    head = f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' font-family='sans-serif'"
    drawn = f"{head} font-size='12'>{elements}</svg>"
    return f"![Picture](<data:image/svg+xml,{drawn.translate(UNSAFE)}>)"

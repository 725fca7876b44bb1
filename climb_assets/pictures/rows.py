"""Pictures that are read row by row: bars of shares, stacked shares, differences with their intervals.

What belongs here: drawing. A label stands above its bar, so long names have room on a narrow screen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from climb_assets.pictures.scales import on_axis, percent, scale_over, signed
from climb_assets.pictures.svg import COLOURS, WIDTH, Drawing, colour, escape

ROW = 34.0
LEGEND = 24.0


@dataclass(frozen=True)
class Share:
    """One bar: a name and what is said beside it, a share, the share that it is compared with, a note at the end."""

    name: str
    share: float
    compared: float
    note: str
    colour: str = "c0"
    beside: str = ""


@dataclass(frozen=True)
class Difference:
    """One row of a forest plot: against what, the difference with its interval, and whether that says something."""

    name: str
    difference: float
    low: float
    high: float

    @property
    def kind(self) -> str:
        """The colour's name: of what is better, worse, or not told apart."""
        return "good" if self.high < 0 else "bad" if self.low > 0 else "muted"


def share_bars(rows: Sequence[Share], bar: str, mark: str, label: str) -> str:
    """Return a bar for each share, with a mark at the share that it is compared with."""
    drawing = Drawing(LEGEND + ROW * len(rows) + 4)
    most = max([max(row.share, row.compared) for row in rows], default=1.0) or 1.0
    drawing.box(0, 2, 22, 10, f"f-{rows[0].colour if rows else 'c0'}")
    drawing.text(28, 12, bar, "small muted")
    begin = 28 + 6.6 * len(bar) + 24
    drawing.line(begin, 0, begin, 14, "mark")
    drawing.text(begin + 8, 12, mark, "small muted")
    for place, row in enumerate(rows):
        top = LEGEND + ROW * place
        drawing.text(0, top + 13, row.name, room=WIDTH - 7.2 * len(row.note) - 12, beside=row.beside)
        drawing.text(WIDTH, top + 13, row.note, "muted", "end")
        drawing.box(0, top + 20, WIDTH, 9, "f-line")
        drawing.box(0, top + 20, WIDTH * row.share / most, 9, f"f-{row.colour}")
        at = min(max(WIDTH * row.compared / most, 1.5), WIDTH - 1.5)
        drawing.line(at, top + 17, at, top + 32, "mark")
    return drawing.render(label)


def stacked_shares(mixtures: Mapping[str, Sequence[float]], order: Sequence[int], names: Sequence[str]) -> str:
    """Return a bar for each mixture, parted by domain in one order, the largest with colours and what is left grey.

    Parameters
    ----------
    order
        Numbers of the domains, those to be told apart first.
    """
    drawing = Drawing(ROW * len(mixtures) + 4)
    for place, (name, weights) in enumerate(mixtures.items()):
        top, left = ROW * place, 0.0
        drawing.text(0, top + 12, name, "strong" if not place else "", room=WIDTH)
        for number, domain in enumerate(order[:COLOURS]):
            width = WIDTH * weights[domain]
            told = f"{names[domain]}: {percent(weights[domain])}"
            drawing.box(left, top + 17, width, 13, f"f-{colour(number)} edge", told)
            left += width
        drawing.box(left, top + 17, WIDTH - left, 13, "f-rest", f"all others: {percent(1 - left / WIDTH)}")
    return drawing.render("Shares of the domains in " + ", ".join(mixtures))


def colour_key(names: Sequence[str], rest: int) -> str:
    """Return a legend as a list of a page: a name for each colour, and how many share the grey."""
    told = [(colour(place), name) for place, name in enumerate(names)] + ([("rest", f"{rest} more")] if rest else [])
    items = "".join(f'<li><i class="key b-{kind}"></i>{escape(name)}</li>' for kind, name in told)
    return f'<ul class="keys">{items}</ul>'


def forest(rows: Sequence[Difference], unit: str, label: str) -> str:
    """Return differences with their intervals on one axis; left of zero is better.

    A filled mark is a difference that its interval tells from none, an open one is not.
    """
    top, row = 24.0, 42.0
    drawing = Drawing(top + row * len(rows) + 40)
    scale = scale_over([0.0, *(value for one in rows for value in (one.low, one.high))], 6, WIDTH - 6)
    bottom, ticks = top + row * len(rows) + 4, scale.ticks()
    drawing.text(scale(0) - 8, 12, "◂ better", "small muted", "end" if scale(0) > 70 else "start")
    if scale(0) < WIDTH - 70:
        drawing.text(scale(0) + 8, 12, "worse ▸", "small muted")
    for tick in ticks:
        drawing.line(scale(tick), top, scale(tick), bottom, "axis")
        drawing.text(scale(tick), bottom + 15, on_axis(tick, ticks), "small muted", "middle")
    drawing.line(scale(0), top - 6, scale(0), bottom, "zero")
    for place, one in enumerate(rows):
        at, told = top + row * place, f"{signed(one.difference)} ({signed(one.low)} to {signed(one.high)})"
        drawing.text(0, at + 14, one.name, "halo", room=WIDTH - 7 * len(told))
        drawing.text(WIDTH, at + 14, told, "small muted halo", "end")
        drawing.line(scale(one.low), at + 27, scale(one.high), at + 27, f"thick s-{one.kind}")
        filled = one.kind != "muted"
        kind = f"f-{one.kind}" if filled else f"open s-{one.kind}"
        drawing.add("circle", cx=scale(one.difference), cy=at + 27, r=6, class_=kind)
    drawing.text(WIDTH / 2, bottom + 32, unit, "small muted", "middle")
    return drawing.render(label)

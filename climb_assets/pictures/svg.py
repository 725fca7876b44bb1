"""Drawings as SVG: text that a browser shows sharply at any size, the same bytes for the same picture.

What belongs here: elements, colours by role, and how a drawing stands alone. What is drawn is
`climb_assets.pictures.rows` and `climb_assets.pictures.plots`. All text is escaped here, so whatever data holds may be
drawn.

Colours are classes: a page gives them values, also for a dark screen; `stand_alone` brings those of a light one.
"""

import html
import unicodedata
from collections.abc import Sequence

from climb_assets.printable import printable

WIDTH = 440.0  # units of a drawing; on a phone they are 0.75 pixels, so text of 13 can still be read
TEXT = 13.0  # units
LETTER = 0.55  # width of a letter by its height, of usual fonts
LARGEST = 1.18  # pixels of a unit at most
COLOURS = 8  # that are told apart, also by those who see no red or green; what is more is grey

# Of a light screen, then of a dark one. Neighbours differ in lightness too.
PALETTE: dict[str, tuple[str, str]] = {
    "ink": ("#1c2330", "#e8ebf1"),
    "muted": ("#5a6474", "#a3adbd"),
    "line": ("#d9dee7", "#343d4d"),
    "paper": ("#ffffff", "#171c26"),
    "rest": ("#c3c9d4", "#4a5364"),
    "good": ("#00786b", "#3cc4b2"),
    "bad": ("#b3420b", "#f3935c"),
    "c0": ("#3f51b5", "#8796f5"),
    "c1": ("#1c9a8a", "#3cc4b2"),
    "c2": ("#d9693c", "#f09468"),
    "c3": ("#8c3a84", "#cf85c8"),
    "c4": ("#c99700", "#e8c24a"),
    "c5": ("#4aa3df", "#7cc4f2"),
    "c6": ("#7b1e3a", "#e0798f"),
    "c7": ("#6b7f2a", "#b4c86a"),
}
RULES = "\n".join(
    [
        "svg text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--ink)}",
        "svg .small{font-size:11.5px}svg .muted{fill:var(--muted)}svg .strong{font-weight:600}",
        "svg .halo{paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}",
        "svg .axis{stroke:var(--line);stroke-width:1}svg .zero{stroke:var(--muted);stroke-width:1}",
        "svg .mark{stroke:var(--ink);stroke-width:2.5}svg .edge{stroke:var(--paper);stroke-width:1}",
        "svg .open{fill:var(--paper);stroke-width:2}svg .curve{fill:none;stroke-width:2;stroke-linejoin:round}",
        "svg .thick{stroke-width:3;stroke-linecap:round}svg .dashed{stroke-dasharray:4 3}",
        *(f"svg .f-{name}{{fill:var(--{name})}}svg .s-{name}{{stroke:var(--{name})}}" for name in PALETTE),
        "svg .band{fill-opacity:.18}svg .dots{fill:none;stroke-linecap:round;stroke-width:4.5}",
    ]
)


def colour(place: int) -> str:
    """Return the name of the colour of the so manieth thing that is told apart; grey where there are too many."""
    return f"c{place}" if 0 <= place < COLOURS else "rest"


def colour_values(*, dark: bool = False) -> str:
    """Return what a style sheet says of the colours, for a light screen or for a dark one."""
    return ";".join(f"--{name}:{values[dark]}" for name, values in PALETTE.items())


class Drawing:
    """A drawing of `WIDTH` or another width, to which elements are added from back to front."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self._elements: list[str] = []

    def add(self, tag: str, text: str | None = None, title: str | None = None, **attributes: str | float) -> None:
        """Add an element; underscores of names are hyphens, and gone at the end; `title` is shown when pointed at."""
        told = "".join(
            f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"' for name, value in attributes.items()
        )
        inner = f"<title>{escape(title)}</title>" if title is not None else ""
        inner += escape(text) if text is not None else ""
        self._elements.append(f"<{tag}{told}>{inner}</{tag}>" if inner else f"<{tag}{told}/>")

    def text(
        self, x: float, y: float, text: str, kind: str = "", anchor: str = "start", room: float = 0, beside: str = ""
    ) -> None:
        """Add text with its base line at y, and what is said less loudly beside it.

        What is longer than `room` is cut, and shown whole when it is pointed at; what stands beside is left out then.
        """
        shown = shorten(text, room) if room else text
        title = f"<title>{escape(text)}</title>" if shown != text else ""
        told = f' class="{kind}"' if kind else ""
        told += "" if anchor == "start" else f' text-anchor="{anchor}"'
        more = shorten(f"{text}  {beside}", room)[len(text) + 2 :] if room and beside and not title else ""
        more = f'<tspan dx="8" class="small muted beside">{escape(more)}</tspan>' if len(more) > 1 else ""
        self._elements.append(f'<text x="{_number(x)}" y="{_number(y)}"{told}>{title}{escape(shown)}{more}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Add a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)

    def box(self, x: float, y: float, width: float, height: float, kind: str, title: str | None = None) -> None:
        """Add a rectangle; one without extent is left out."""
        if width > 0 and height > 0:
            self.add("rect", None, title, x=x, y=y, width=width, height=height, class_=kind)

    def path(self, points: Sequence[tuple[float, float]], kind: str, closed: bool = False) -> None:
        """Add a line through points, or the area within it."""
        steps = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        self.add("path", d=f"M{steps}{'Z' if closed else ''}", class_=kind)

    def render(self, label: str, **attributes: str) -> str:
        """Return the drawing as an element of a page; `label` says what it shows to whoever does not see it."""
        size = f"0 0 {_number(self.width)} {_number(self.height)}"
        more = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img" aria-label="{escape(label)}"{more}'
        head += f' style="max-width:{_number(self.width * LARGEST)}px">'
        return f"{head}{''.join(self._elements)}</svg>"


def stand_alone(drawing: str) -> bytes:
    """Return a rendered drawing as a file of its own, in the colours of a light screen."""
    head, _, rest = drawing.partition(">")
    paper = '<rect width="100%" height="100%" class="f-paper"/>'
    return f"{head}><style>svg{{{colour_values()}}}{RULES}</style>{paper}{rest}".encode()


def escape(text: str) -> str:
    """Return text that data may hold as text of a page: on one line, nothing in it is markup."""
    return html.escape(printable(text, most=1000))


def shorten(text: str, room: float, size: float = TEXT) -> str:
    """Return text that fits into so many units, with an ellipsis where it was cut."""
    widths = [size * (1.0 if unicodedata.east_asian_width(letter) in "WF" else LETTER) for letter in text]
    if sum(widths) <= room:
        return text
    used, kept = size, 0
    for width in widths:
        if used + width > room:
            break
        used, kept = used + width, kept + 1
    return f"{text[:kept].rstrip()}…"


def _attribute(value: str | float) -> str:
    return html.escape(value) if isinstance(value, str) else _number(value)  # uncut: a path is long


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".") if value else "0"

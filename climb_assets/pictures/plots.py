"""Pictures with two axes: mixtures in order, what was reached, predictions against measurements, responses, maps.

What belongs here: drawing. Which numbers are drawn, and what they mean, is known to whoever calls.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from climb_assets.pictures.scales import Scale, on_axis, percent, plain, scale_over
from climb_assets.pictures.svg import COLOURS, WIDTH, Drawing, colour

LEFT, RIGHT, TOP = 46.0, 8.0, 22.0
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Response:
    """What is predicted as one domain's share moves.

    Parameters
    ----------
    curve
        In order: the share, the loss less that of the answer, half of the width of its band.
    answer, tried
        The share in the answer, and those in mixtures that were measured.
    """

    curve: Sequence[tuple[float, float, float]]
    answer: float
    tried: Sequence[float]


def mixture_columns(
    mixtures: Sequence[Sequence[float]],
    groups: Sequence[int],
    order: Sequence[int],
    label: str,
    names: Sequence[str] = (),
) -> str:
    """Return a stacked column for each mixture, with a gap between groups, which are named below.

    Parameters
    ----------
    groups
        Number of each mixture's iteration, in order.
    order
        Numbers of the domains, those to be told apart first.
    names
        Of the domains, for a legend; a page that has one of its own gives none.
    """
    told = [names[domain] for domain in order[:COLOURS]] if names else []
    drawing, heights = Drawing(232 + 17 * ((len(told) + 1) // 2)), 180.0
    gaps = len(set(groups)) - 1
    step = (WIDTH - 12 * gaps) / max(len(mixtures), 1)
    left, begun = 0.0, 0.0
    for place, (weights, group) in enumerate(zip(mixtures, groups, strict=True)):
        top = 4 + heights
        for number, domain in enumerate(order[:COLOURS]):
            height = heights * weights[domain]
            top -= height
            drawing.box(left, top, step * 0.86, height, f"f-{colour(number)}")
        drawing.box(left, 4, step * 0.86, top - 4, "f-rest")
        left += step
        if place + 1 == len(groups) or groups[place + 1] != group:
            name = f"iteration {group}" if group else "evidence" if gaps else ""
            drawing.text((begun + left) / 2, heights + 22, name if left - begun > 70 else str(group), "small", "middle")
            left += 12
            begun = left
    for place, name in enumerate(told):
        x, y = (place % 2) * WIDTH / 2, heights + 64 + 17 * (place // 2)
        drawing.box(x, y - 9, 10, 10, f"f-{colour(place)}")
        drawing.text(x + 16, y, name, "small", room=WIDTH / 2 - 20)
    drawing.text(0, heights + 42, "each column is a mixture that a proxy was trained on", "small muted")
    return drawing.render(label)


def best_so_far(losses: Sequence[float], groups: Sequence[int]) -> str:
    """Return the measured loss of each mixture in order, bits per byte, and the least so far as steps.

    A loss that is not finite is of a proxy that diverged, and left out.
    """
    drawing, bottom = Drawing(270), 214.0
    across = Scale(0.0, max(len(losses), 2) + 0.5, LEFT, WIDTH - RIGHT)
    down = _axis_down(drawing, losses, bottom, "bits per byte, less is better")
    steps: list[tuple[float, float]] = []
    least = math.inf
    for place, loss in enumerate(losses, 1):
        if math.isfinite(loss):
            if steps:
                steps.append((across(place), down(least)))
            least = min(least, loss)
            steps.append((across(place), down(least)))
    drawing.path(steps, "curve s-ink")
    for place, (loss, group) in enumerate(zip(losses, groups, strict=True), 1):
        if math.isfinite(loss):
            drawing.add("circle", cx=across(place), cy=down(loss), r=4, class_=f"f-{_of_group(group)}")
    ticks = [tick for tick in across.ticks(6) if tick >= 1 and tick == int(tick)]
    for tick in ticks:
        drawing.text(across(tick), bottom + 16, f"{tick:.0f}", "small muted", "middle")
    drawing.text((LEFT + WIDTH) / 2, bottom + 34, "proxies trained", "small muted", "middle")
    left = LEFT
    for group in sorted(set(groups)):
        drawing.add("circle", cx=left + 5, cy=bottom + 48, r=4, class_=f"f-{_of_group(group)}")
        drawing.text(left + 14, bottom + 52, f"iteration {group}" if group else "evidence", "small muted")
        left += 92
    return drawing.render(f"Measured loss of {len(losses)} mixtures in order, and the least so far")


def gain_columns(
    names: Sequence[str], costs: Sequence[str], gains: Sequence[float], noise: float | None, expected: int | None
) -> str:
    """Return a column for each gain above what it cost, with the noise as a line; that at `expected` is a forecast."""
    drawing, bottom = Drawing(246), 178.0
    highest = max([*gains, noise or 0.0, 1e-6]) * 1.15
    down, ticks = Scale(0.0, highest, bottom, TOP), Scale(0.0, highest, 0, 1).ticks(4)
    _grid(drawing, down, ticks)
    drawing.text(0, 11, "bits per byte gained, more is better", "small muted")
    step = (WIDTH - LEFT - RIGHT) / len(names)
    for place, (name, gain) in enumerate(zip(names, gains, strict=True)):
        middle, wide = LEFT + step * (place + 0.5), min(step * 0.6, 70)
        kind = "open s-c0 dashed" if place == expected else "f-c0"
        drawing.box(middle - wide / 2, down(gain), wide, max(bottom - down(gain), 1), kind)
        drawing.text(middle, down(gain) - 6, plain(gain), "small", "middle")
        drawing.text(middle, bottom + 16, name, "small", "middle", room=step)
        drawing.text(middle, bottom + 31, costs[place], "small muted", "middle", room=step)
    if noise is not None:
        drawing.line(LEFT, down(noise), WIDTH - RIGHT, down(noise), "curve s-bad dashed")
        drawing.text(0, bottom + 56, f"- - -  noise between two models of one mixture: {plain(noise)}", "small muted")
    return drawing.render("What each iteration gained: " + ", ".join(map("{} {:.4f}".format, names, gains)))


def agreement(
    predicted: Sequence[float], measured: Sequence[float], groups: Sequence[int], across: str, down: str
) -> str:
    """Return predictions against measurements, with the line on which they agree."""
    drawing, bottom, left = Drawing(312, 350), 262.0, 46.0
    scale_x = scale_over([*predicted, *measured], left, 342)
    scale_y = Scale(scale_x.low, scale_x.high, bottom, TOP)
    ticks = scale_x.ticks(5)
    _grid(drawing, scale_y, ticks, 342)
    for tick in ticks:
        drawing.text(scale_x(tick), bottom + 16, on_axis(tick, ticks), "small muted", "middle")
    drawing.text(0, 11, down, "small muted")
    drawing.text(left, bottom + 36, across, "small muted")
    drawing.line(left, bottom, 342, TOP, "zero dashed")
    for x, y, group in zip(measured, predicted, groups, strict=True):
        drawing.add("circle", cx=scale_x(x), cy=scale_y(y), r=4.5, class_=f"f-{_of_group(group)} edge")
    return drawing.render(f"{down} against {across}, for {len(measured)} mixtures")


def response(found: Response, low: float, high: float, kind: str, label: str) -> str:
    """Return a small picture of what is predicted along the share of one domain, on an axis that others share."""
    drawing, bottom = Drawing(132, 210), 100.0
    most = max(found.curve[-1][0], 1e-6)
    across, down = Scale(0.0, most, 40, 202), Scale(low, high, bottom, 8)
    ticks = down.ticks(3)
    _grid(drawing, down, ticks, 202, 40)
    drawing.line(40, down(0), 202, down(0), "zero")
    shown = [(x, mean, half) for x, mean, half in found.curve if low <= mean <= high]
    upper = [(across(x), down(min(mean + half, high))) for x, mean, half in shown]
    lower = [(across(x), down(max(mean - half, low))) for x, mean, half in shown]
    drawing.path([*upper, *reversed(lower)], f"band f-{kind}", closed=True)
    drawing.path([(across(x), down(mean)) for x, mean, _ in shown], f"curve s-{kind}")
    for share in found.tried:
        if share <= most:
            drawing.line(across(share), bottom, across(share), bottom + 5, f"s-{kind}")
    drawing.add("circle", cx=across(found.answer), cy=down(0), r=5, class_="f-ink edge")
    drawing.text(40, bottom + 20, "0", "small muted", "middle")
    drawing.text(202, bottom + 20, percent(most), "small muted", "end")
    return drawing.render(label)


def curves(lines: Sequence[Sequence[float]], across: str, down: str) -> str:
    """Return lines over their number of points, thin where there are many."""
    drawing, bottom = Drawing(250), 200.0
    longest = max([len(line) for line in lines], default=2)
    scale = Scale(1, max(longest, 2), LEFT, WIDTH - RIGHT)
    height = _axis_down(drawing, [value for line in lines for value in line], bottom, down)
    for place, line in enumerate(lines):
        every = max(1, len(line) // 120)
        points = [(scale(step), height(value)) for step, value in enumerate(line, 1) if math.isfinite(value)][::every]
        if points:
            drawing.path(points, f"curve s-{colour(place % 8)}")
    ticks = scale.ticks(6)
    for tick in ticks:
        drawing.text(scale(tick), bottom + 16, on_axis(tick, ticks), "small muted", "middle")
    drawing.text((LEFT + WIDTH) / 2, bottom + 36, across, "small muted", "middle")
    return drawing.render(f"{down} by {across}, {len(lines)} lines")


def dots(points: Points) -> str:
    """Return points as one path of dots, for many of them: some seven bytes each."""
    return "".join(f"M{x:.0f} {y:.0f}h0" for x, y in points)


def middle(points: Points) -> tuple[float, float]:
    """Return the point that is least far from all others: it lies where the others do, as their mean may not."""
    return min(points, key=lambda one: sum(abs(one[0] - x) + abs(one[1] - y) for x, y in points))


def _axis_down(drawing: Drawing, values: Sequence[float], bottom: float, name: str) -> Scale:
    scale = scale_over(list(values), bottom, TOP)
    _grid(drawing, scale, scale.ticks(5))
    drawing.text(0, 11, name, "small muted")
    return scale


def _grid(drawing: Drawing, down: Scale, ticks: list[float], right: float = WIDTH - RIGHT, left: float = LEFT) -> None:
    for tick in ticks:
        drawing.line(left, down(tick), right, down(tick), "axis")
        drawing.text(left - 8, down(tick) + 4, on_axis(tick, ticks), "small muted", "end")


def _of_group(group: int) -> str:
    return colour((group - 1) % 8) if group else "rest"

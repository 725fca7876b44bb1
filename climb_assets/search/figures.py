"""Small figures of a search, as PNG bytes.

What belongs here: plots of mixtures and predictions. Where they are shown is Dagster's business.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from climb_assets.pictures import encode_png
from climb_assets.simplex.mixtures import FloatArray

INCHES, DOTS_PER_INCH = (8.0, 3.5), 80
LABELLED_DOMAINS = 24  # a legend with more would be larger than the plot


def mixture_bars(weights: FloatArray, iteration: npt.ArrayLike, domains: Sequence[str]) -> bytes:
    """Return stacked bars, one for each mixture (n, K), with a line between iterations (n,)."""
    from matplotlib import colormaps

    figure, axes = _figure()
    edges, heights = np.arange(len(weights) + 1) - 0.5, np.concatenate([weights, weights[-1:]])
    colours = colormaps["turbo"](np.linspace(0, 1, len(domains)))
    axes.stackplot(edges, heights.T, step="post", colors=colours, labels=domains)
    for change in np.flatnonzero(np.diff(np.asarray(iteration))):
        axes.axvline(change + 0.5, color="white", linewidth=3)
    axes.set(xlabel="mixture, in order of evaluation", ylabel="share", xlim=(-0.5, len(weights) - 0.5), ylim=(0, 1))
    if len(domains) <= LABELLED_DOMAINS:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=6, frameon=False)
    return encode_png(figure)


def predicted_vs_measured(predicted: FloatArray, measured: FloatArray, title: str) -> bytes:
    """Return a scatter of predicted and measured losses (n,), bits per byte, with the line where they agree."""
    figure, axes = _figure()
    axes.scatter(measured, predicted, s=12)
    if len(measured):
        ends = [float(min(measured.min(), predicted.min())), float(max(measured.max(), predicted.max()))]
        axes.plot(ends, ends, color="grey", linewidth=0.8)
    axes.set(xlabel="measured, bits per byte", ylabel="predicted, bits per byte", title=title)
    return encode_png(figure)


def _figure() -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DOTS_PER_INCH, layout="tight")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()

"""Small pictures of a swarm for the web UI and the reports.

What belongs here: drawing. Numbers come from the artefacts.
"""

from collections.abc import Mapping, Sequence

from climb_assets.pictures import encode_png


def loss_curves(curves: Mapping[str, Sequence[float]]) -> bytes:
    """Return a PNG of training loss (nats per token) against step, one line for each proxy; well below 100 kB."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3), dpi=90, layout="constrained")
    axes = figure.subplots()
    for curve in curves.values():
        axes.plot(range(1, len(curve) + 1), curve, linewidth=0.8, alpha=0.7)
    axes.set(xlabel="step", ylabel="training loss (nats per token)", title=f"{len(curves)} proxies")
    axes.spines[["top", "right"]].set_visible(False)
    return encode_png(figure)

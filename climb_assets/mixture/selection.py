"""The choice: one mixture for an objective, with the evidence for it.

What belongs here: the published rule and an honest account of what it rests on. Which models are then trained on
the mixture is `climb_assets.mixture.comparison`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from climb_assets import config
from climb_assets.artifacts import write_atomically
from climb_assets.errors import ComputeError
from climb_assets.proxy.noise import Noise
from climb_assets.search.iteration import Fit, History, predict_objective
from climb_assets.search.predictor import Predictor
from climb_assets.search.proposal import draw_pool
from climb_assets.search.simplex import FloatArray, is_among, mixture_key
from climb_assets.tables import write_rows

INTERVAL = 0.95  # coverage of the interval of the predicted loss

WEIGHTS = pa.schema(
    [
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("prior", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Selection:
    """The chosen mixture of an objective and the evidence; losses are in bits per byte.

    Parameters
    ----------
    objective, key, weights
        What was chosen for what.
    predicted
        Its predicted loss.
    interval
        Range of the predicted loss by the spread of out-of-fold residuals, None where there is none. It does not
        correct for the optimism of having taken the least of many predictions.
    measured
        Its measured loss, None where no proxy was trained on it.
    pool, ties
        Mixtures it was chosen from, and how many of them have the least predicted loss.
    best_measured_key, best_measured
        The best mixture that a proxy was trained on, and its measured loss.
    better_measured
        How many trained mixtures have a measured loss below the predicted one.
    fit
        How far the predictor can be trusted.
    noise, degrees
        Standard deviation of the measured loss between seeds of one mixture, and its degrees of freedom; None and 0
        where it was not measured. Differences of this size say nothing.
    """

    objective: str
    key: str
    weights: tuple[float, ...]
    predicted: float
    interval: tuple[float, float] | None
    measured: float | None
    pool: int
    ties: int
    best_measured_key: str
    best_measured: float
    better_measured: int
    fit: Fit
    noise: float | None
    degrees: int


def select_mixture(
    predictors: Mapping[str, Predictor],
    history: History,
    objective: str,
    weights: Mapping[str, float],
    fit: Fit,
    noise: Noise | None,
    settings: config.Search,
    prior: FloatArray,
) -> Selection:
    """Return the mixture of the search space with the least predicted objective (paper section 2.2).

    The predictor is a step function, so the least is often shared (docs/sources.md); of equals the one with the
    lowest key is taken, not the one that happens to come first.

    Parameters
    ----------
    predictors
        The last iteration's, one for each task of the objective.
    history
        Every measured mixture.
    objective, weights
        Name of the objective and the weights of its tasks.
    fit
        The objective's out-of-fold diagnostics.
    noise
        Its noise between seeds, None where that was not measured.
    prior
        Token share of each domain (K,).

    Raises
    ------
    ComputeError
        All proxies diverged.
    """
    measured = history.objective(weights)
    if not np.isfinite(measured).any():
        raise ComputeError("every proxy diverged, so no mixture can be chosen; lower proxy.learning_rate")
    pool = draw_pool(prior, settings)
    predicted = predict_objective(predictors, weights, pool)
    tied = pool[predicted == predicted.min()]
    chosen = min(tied, key=mixture_key)
    least, best = float(predicted.min()), int(np.nanargmin(measured))
    own = measured[is_among(history.weights, chosen[None])]
    return Selection(
        objective=objective,
        key=mixture_key(chosen),
        weights=tuple(chosen.tolist()),
        predicted=least,
        interval=_interval(least, fit),
        measured=float(own[0]) if len(own) and np.isfinite(own[0]) else None,
        pool=len(pool),
        ties=len(tied),
        best_measured_key=history.keys[best],
        best_measured=float(measured[best]),
        better_measured=int((measured < least).sum()),
        fit=fit,
        noise=noise.noise if noise else None,
        degrees=noise.degrees if noise else 0,
    )


def _interval(predicted: float, fit: Fit) -> tuple[float, float] | None:
    from scipy.stats import t

    if fit.residual_sd is None:
        return None
    half = float(t.ppf((1 + INTERVAL) / 2, fit.rows - 1)) * fit.residual_sd
    return predicted - half, predicted + half


def write_selection(out: Path, selection: Selection, names: Sequence[str], prior: FloatArray) -> None:
    """Write ``selection.json`` and ``weights.parquet`` (domain, name, weight, prior) into the folder."""
    text = json.dumps(asdict(selection), indent=1, sort_keys=True, allow_nan=False)
    write_atomically(out / "selection.json", text.encode())
    rows = [
        {"domain": domain, "name": name, "weight": weight, "prior": float(share)}
        for domain, (name, weight, share) in enumerate(zip(names, selection.weights, prior, strict=True))
    ]
    write_rows(out / "weights.parquet", rows, WEIGHTS)

"""What proxies were trained on against what was asked for.

What belongs here: the arithmetic on the tables of results, and how large a difference may be.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training
from climb_assets.errors import ComputeError

WITHIN = 0.005  # of a domain's share


def allowed_miss(training: Training) -> float:
    """Return how far a domain's share of the tokens may be off; a run of few sequences cannot do better than one.

    A trainer of the user's may be off by its tolerance.
    """
    return max(WITHIN, own_tolerance(training), 1 / (training.steps * training.batch))


def own_tolerance(training: Training) -> float:
    """Return how far, as a share, a trainer of the user's may be off; climb's own loop may not."""
    return training.trainer.tolerance if isinstance(training.trainer, Trainer) else 0.0


def require_shares(realised: pa.Table, training: Training, key: str) -> None:
    """Check that a model that did not diverge was trained on what was asked for, where it is known on what it was.

    Parameters
    ----------
    realised
        A row for each domain: weight, tokens.
    key
        Names its mixture.

    Raises
    ------
    ComputeError
        A domain's share of the tokens is not its weight, which would be a defect of the sequence plan.
    """
    if realised["tokens"].null_count:
        return
    tokens = realised["tokens"].to_numpy()
    missed = _largest_miss(tokens / tokens.sum(), realised["weight"].to_numpy())
    if missed > allowed_miss(training):
        raise ComputeError(f"the model of mixture {key} saw a share that is off by {missed:.3g}; please report this")


def share_missed(realised: pa.Table, results: pa.Table) -> float:
    """Return the largest difference, over models and domains, of a share of the tokens from the weight asked for.

    Models that diverged have stopped before their time and are left out; so are those of which nobody tells.

    Parameters
    ----------
    realised
        A row for each model and domain: key, repeat, weight, tokens.
    results
        A row for each model and task: key, repeat, diverged.
    """
    ended = results.filter(pc.invert(results["diverged"])).select(["key", "repeat"])
    realised = realised.filter(pc.is_valid(realised["tokens"]))
    realised = realised.join(ended.group_by(["key", "repeat"]).aggregate([]), ["key", "repeat"], join_type="inner")
    totals = realised.group_by(["key", "repeat"]).aggregate([("tokens", "sum")])
    joined = realised.join(totals, ["key", "repeat"])
    return _largest_miss(joined["tokens"].to_numpy() / joined["tokens_sum"].to_numpy(), joined["weight"].to_numpy())


def _largest_miss(shares: NDArray[Any], weights: NDArray[Any]) -> float:
    return float(np.abs(shares - weights).max(initial=0))

"""What somebody else measured on a model: read strictly, and kept as models and scores of climb's own are.

What belongs here: the losses that a trainer reports in its ``metrics.json``, or that people tell, and writing them
down. How a command is run is `command_training`.
"""

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa

from climb_assets.config_training import Training
from climb_assets.errors import ComputeError
from climb_assets.sizes import estimate_parameters
from climb_assets.store.artifacts import Artifact, Draft, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.store.store import Store
from climb_assets.tables import write_rows, write_table
from climb_assets.training.proxy_orders import ProxyOrders, find_kept
from climb_assets.training.proxy_scoring import ITEMS_SCHEMA, SCORES_SCHEMA
from climb_assets.training.proxy_training import CURVE_SCHEMA, REALISED_SCHEMA
from climb_assets.training.realised_shares import allowed_miss, own_tolerance

REPORTED = "reported.json"  # in a model's artefact
KEYS = frozenset({"losses", "tokens", "diverged", "parameters", "curve"})
POINT = frozenset({"step", "tokens", "loss"})


@dataclass(frozen=True)
class Reported:
    """What is said of one model.

    Parameters
    ----------
    losses
        Bits per byte by task; empty where climb measures it, or where it diverged.
    tokens
        Tokens of each domain (K) that it was trained on; None where nobody tells.
    parameters
        Of the model; None where nobody tells.
    curve
        Points of the training: step, tokens, loss.
    by, metric
        Who has measured the losses, and for each task by which version of its metric; None and nothing where a trainer
        did, whose files and settings say it.
    """

    losses: Mapping[str, float]
    tokens: tuple[int, ...] | None = None
    diverged: bool = False
    parameters: int | None = None
    curve: tuple[Mapping[str, Any], ...] = ()
    by: str | None = None
    metric: Mapping[str, str] = field(default_factory=dict)


def read_metrics(path: Path, metrics: Mapping[str, str], domains: Sequence[str]) -> Reported:
    """Read what a trainer has written of its model.

    Parameters
    ----------
    metrics
        Of each task that it was to measure, the name under which it reports it.

    Raises
    ------
    ComputeError
        There is no such file, or something in it is missing, unknown or not a number that it can be.
    """
    try:
        found = json.loads(path.read_bytes(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise ComputeError(
            f"it wrote no {path.name}; write one to the path that out.metrics of job.json names"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ComputeError(f"its {path.name} is not JSON ({error}); write numbers, and nothing that is none") from None
    if not isinstance(found, dict):
        raise ComputeError(f'its {path.name} holds no object; write {{"losses": ..., "tokens": ...}}')
    for key in sorted(found.keys() - KEYS):
        raise ComputeError(f"its {path.name} has an unknown key {key!r}; known are {', '.join(sorted(KEYS))}")
    diverged = found.get("diverged", False)
    if not isinstance(diverged, bool):
        raise ComputeError(f"its {path.name} has {diverged!r} for diverged; write true or false")
    losses = found.get("losses", {})
    return Reported(
        {} if diverged else _read_losses(losses, metrics, path.name),
        _read_tokens(found.get("tokens"), domains, path.name),
        diverged,
        _read_parameters(found.get("parameters"), path.name),
        tuple(_read_curve(found.get("curve", []), path.name)),
    )


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _read_losses(losses: Any, metrics: Mapping[str, str], name: str) -> dict[str, float]:
    if not isinstance(losses, dict):
        raise ComputeError(f"its {name} has no object losses; write the loss of each task by its metric")
    for metric in sorted(set(metrics.values()) - losses.keys()):
        raise ComputeError(f"its {name} has no loss of {metric!r}; measure every task of job.json")
    for metric in sorted(losses.keys() - set(metrics.values())):
        raise ComputeError(
            f"its {name} has a loss of {metric!r}, which was not asked for; report the tasks of job.json"
        )
    for metric, loss in losses.items():
        if not _is_number(loss) or loss < 0:
            raise ComputeError(f"its {name} has {loss!r} for {metric!r}, which is no loss; write bits per byte")
    return {task: float(losses[metric]) for task, metric in metrics.items()}


def _read_tokens(tokens: Any, domains: Sequence[str], name: str) -> tuple[int, ...]:
    if not isinstance(tokens, list) or len(tokens) != len(domains) or not all(map(_is_count, tokens)):
        raise ComputeError(
            f"its {name} has no list tokens of {len(domains)} whole numbers; count what it trains on of each domain, "
            "in the order of job.json"
        )
    return tuple(tokens)


def _read_parameters(parameters: Any, name: str) -> int | None:
    if parameters is not None and not _is_count(parameters):
        raise ComputeError(f"its {name} has {parameters!r} for parameters; write a whole number or leave it out")
    return None if parameters is None else int(parameters)


def _read_curve(curve: Any, name: str) -> Iterable[dict[str, Any]]:
    for point in curve if isinstance(curve, list) else [curve]:
        sound = isinstance(point, dict) and point.keys() == POINT
        if not sound or not (_is_count(point["step"]) and _is_count(point["tokens"]) and _is_number(point["loss"])):
            raise ComputeError(f"its {name} has a curve that is not a list of objects of step, tokens and loss")
        yield {"step": point["step"], "tokens": point["tokens"], "loss": float(point["loss"])}


def require_tokens(reported: Reported, weights: Sequence[float], training: Training) -> None:
    """Check that a model that did not diverge is said to have read what was asked for.

    Raises
    ------
    ComputeError
        All tokens are farther off than the tolerance, or a domain's share of them than that and than one sequence.
    """
    if reported.tokens is None or reported.diverged:
        return
    asked, tokens = training.trained_tokens, np.array(reported.tokens)
    if abs(tokens.sum() - asked) > own_tolerance(training) * asked:
        raise ComputeError(
            f"it trained on {tokens.sum()} tokens where {asked} were asked for; train on job.json's tokens, set tokens "
            "to a multiple of its step, or raise trainer.tolerance"
        )
    missed = np.abs(tokens / tokens.sum() - np.array(weights))
    if missed.max() > allowed_miss(training):
        raise ComputeError(
            f"domain {int(missed.argmax())} has a share of the tokens that is off by {missed.max():.3g}; draw by "
            "job.json's weights, or raise trainer.tolerance"
        )


def write_reported(draft: Draft, orders: ProxyOrders, reported: Reported, supply: np.ndarray | None) -> None:
    """Write a model that somebody else trained as one of climb's own is written, but for its weights.

    Parameters
    ----------
    supply
        Tokens of each domain (K,) that there were to read; None where nobody knows.
    """
    training, weights = orders.training, np.array(orders.proxy.weights)
    write_rows(draft.path / "curve.parquet", [dict(point) for point in reported.curve], CURVE_SCHEMA)
    unknown = pa.nulls(len(weights), pa.int64())
    tokens = unknown if reported.tokens is None else pa.array(reported.tokens, pa.int64())
    known = supply is not None and reported.tokens is not None
    epochs = pa.array(np.array(reported.tokens) / supply) if known else pa.nulls(len(weights), pa.float64())
    domains = pa.array(range(len(weights)), pa.int32())
    write_table(draft.path / "realised.parquet", pa.table([domains, weights, tokens, epochs], schema=REALISED_SCHEMA))
    facts = {
        "diverged": reported.diverged,
        "tokens": training.trained_tokens,
        "snapshots": [],
        "parameters": reported.parameters or estimate_parameters(training, orders.conditions.vocabulary),
    }
    write_atomically(draft.path / "facts.json", canonical_json(facts).encode())
    measured = {"losses": dict(reported.losses), "by": reported.by, "metric": dict(reported.metric)}
    write_atomically(draft.path / REPORTED, canonical_json(measured).encode())
    draft.summary |= facts


def score_reported(store: Store, orders: ProxyOrders, model: Artifact) -> None:
    """Keep the losses that a model's artefact holds as its scores; nobody tells those of single items.

    Raises
    ------
    CorruptArtifact
        The model is not what its manifest says.
    """
    for name in orders.tasks:
        order = orders.of_scores(model, name)
        if find_kept(store, order) is None:
            store.put(order, functools.partial(_write_score, model=model, task=name))


def _write_score(draft: Draft, model: Artifact, task: str) -> None:
    loss = model.json(REPORTED)["losses"].get(task, math.nan)  # of a model that diverged
    row = {"tokens": int(model.summary["tokens"]), "loss": loss, "items": 0}
    write_rows(draft.path / "scores.parquet", [row], SCORES_SCHEMA)
    write_rows(draft.path / "items.parquet", [], ITEMS_SCHEMA)

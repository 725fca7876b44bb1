"""Scoring one kept proxy on its tasks and committing each task's scores.

What belongs here: which scores are missing, at which points of the training, and what is written of them. How a model
is scored on one task is `evaluation`, or `harness`.
"""

import functools
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import pyarrow as pa

from climb_assets.environment import resolve_device
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.store.store import Store
from climb_assets.tables import write_rows
from climb_assets.training.checkpoint import load_snapshot
from climb_assets.training.evaluation import Evaluation, evaluate
from climb_assets.training.harness import evaluate_with_harness
from climb_assets.training.model import load_model
from climb_assets.training.proxy_orders import PreparedTask, ProxyOrders, find_kept, snapshots_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SCORES_SCHEMA = pa.schema(
    [
        ("tokens", pa.int64()),
        ("loss", pa.float64()),
        ("accuracy", pa.float64()),
        ("accuracy_norm", pa.float64()),
        ("items", pa.int64()),
        ("gold_probability", pa.float64()),
    ]
)
ITEMS_SCHEMA = pa.schema([("tokens", pa.int64()), ("item", pa.int32()), ("bits", pa.float64()), ("bytes", pa.int64())])


def score_proxy(store: Store, orders: ProxyOrders, model: Artifact) -> None:
    """Score a kept model on every task that has no scores of it yet, at each snapshot and at the end; commit each.

    Raises
    ------
    ConfigError, ComputeError
        A task of lm-evaluation-harness cannot be loaded or scored.
    CorruptArtifact
        The model or a prepared task is not what its manifest says.
    """
    missing = {name: orders.of_scores(model, name) for name in orders.tasks}
    missing = {name: order for name, order in missing.items() if find_kept(store, order) is None}
    if not missing:
        return
    model.verify()
    found: dict[str, dict[int, Evaluation]] = {name: {} for name in missing}
    seconds = dict.fromkeys(missing, 0.0)
    loaded = load_model(model.path).to(resolve_device(orders.conditions.runtime.device))  # type: ignore[arg-type]
    for tokens in [int(model.summary["tokens"]), *snapshots_of(model)]:
        if tokens in snapshots_of(model):
            load_snapshot(loaded, model.path, tokens)
        for name in missing:
            began = time.perf_counter()
            found[name][tokens] = score_task(loaded, orders, orders.tasks[name])
            seconds[name] += time.perf_counter() - began
    for name, order in missing.items():
        store.put(order, functools.partial(_write_scores, found=found[name], seconds=seconds[name]))


def score_task(model: "PreTrainedModel", orders: ProxyOrders, task: PreparedTask) -> Evaluation:
    """Score a loaded model on one prepared task."""
    sequence = orders.training.sequence
    if task.harness is not None:
        version = task.artifact.data_version
        return evaluate_with_harness(model, orders.conditions.tokenizer, task.harness, sequence, task.part, version)
    task.artifact.verify()
    return evaluate(model, task.artifact.path, sequence)


def _write_scores(draft: Draft, found: Mapping[int, Evaluation], seconds: float) -> None:
    """Write the scores of one model on one task by tokens, and the gold bits and bytes of each item."""
    draft.run["seconds"] = seconds
    points = sorted(found.items())
    rows = [{"tokens": tokens, **asdict(evaluation.scores)} for tokens, evaluation in points]
    write_rows(draft.path / "scores.parquet", rows, SCORES_SCHEMA)
    items = [
        {"tokens": tokens, "item": item, "bits": bits, "bytes": size}
        for tokens, evaluation in points
        for item, (bits, size) in enumerate(zip(evaluation.bits.tolist(), evaluation.sizes.tolist(), strict=True))
    ]
    write_rows(draft.path / "items.parquet", items, ITEMS_SCHEMA)

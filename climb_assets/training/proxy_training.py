"""Training one proxy and committing it: from the orders to a model in its store.

What belongs here: putting together plan, model and checkpoint, and what is written of a trained model. The loop itself
is `train`, the sequences are `sequence_plan`.
"""

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from climb_assets.config_training import Training
from climb_assets.environment import Device, resolve_device
from climb_assets.store.artifacts import Artifact, Draft, Order, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.store.store import Store
from climb_assets.tables import write_rows, write_table
from climb_assets.training.checkpoint import Checkpoint
from climb_assets.training.model import build_model, continue_model, count_parameters, save_model
from climb_assets.training.proxy_orders import Conditions, ProxyOrders
from climb_assets.training.sequence_plan import SequencePlan, plan_sequences, simulate_supply
from climb_assets.training.token_index import TrainingIndex, load_training_index
from climb_assets.training.train import (
    TrainingResult,
    computes_in_bfloat16,
    prefers_plain_attention,
    train,
    wants_compilation,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

CURVE_SCHEMA = pa.schema([("step", pa.int32()), ("tokens", pa.int64()), ("loss", pa.float64())])
REALISED_SCHEMA = pa.schema(
    [("domain", pa.int32()), ("weight", pa.float64()), ("tokens", pa.int64()), ("epochs", pa.float64())]
)


def train_proxy(store: Store, orders: ProxyOrders) -> Artifact:
    """Return the model of a proxy, trained and committed now unless the store has it.

    An interrupted training goes on from its checkpoint, which is removed only when the model is committed: what kills
    the sealing does not cost the training.

    Raises
    ------
    ComputeError
        The weights are no mixture of the index's domains, or not even one sequence fits into memory.
    """
    order = orders.of_model()

    def write(draft: Draft) -> None:
        index = open_index(orders.data.folder, tuple(sorted(orders.data.tokens.items())))
        plan = plan_order(order, index, orders.training)
        model = _place_model(orders.training, orders.conditions, order.config["seed"])
        unfinished = store.working_folder(order)
        checkpoint = Checkpoint(unfinished, draft.path, orders.conditions.runtime.checkpoint_seconds)
        began = time.perf_counter()
        result = train(model, plan, orders.training, checkpoint)
        save_model(model, orders.conditions.tokenizer, draft.path)
        _write_facts(draft, plan, result, model, time.perf_counter() - began)

    model, _ = store.put(order, write, resumable=True)
    store.remove_working_folder(order)
    return model


def plan_order(order: Order, index: TrainingIndex, training: Training) -> SequencePlan:
    """Return the sequences that the order of a model asks for."""
    simulated = order.config.get("supply")
    supply = simulate_supply(index, training, **simulated) if simulated else None
    return plan_sequences(index, order.config["weights"], training, order.config["seed"], supply)


@functools.lru_cache(maxsize=1)
def open_index(folder: Path, tokens: tuple[tuple[str, Path], ...]) -> TrainingIndex:
    """Open the index once in a worker's life."""
    return load_training_index(folder, dict(tokens))


def _write_facts(
    draft: Draft, plan: SequencePlan, result: TrainingResult, model: "PreTrainedModel", seconds: float
) -> None:
    """Write a model's loss curve, the tokens of each domain that it was trained on, and what became of it."""
    import torch

    size = plan.batch_size * plan.sequence
    curve = [{"step": step, "tokens": step * size, "loss": loss} for step, loss in enumerate(result.curve, 1)]
    write_rows(draft.path / "curve.parquet", curve, CURVE_SCHEMA)
    domains = pa.array(range(len(plan.weights)), pa.int32())
    trained = np.bincount(plan.slots[: len(result.curve) * plan.batch_size, 0], minlength=len(domains)) * plan.sequence
    realised = pa.table([domains, plan.weights, trained, plan.epochs], schema=REALISED_SCHEMA)
    write_table(draft.path / "realised.parquet", realised)
    facts = {
        "diverged": result.diverged,
        "tokens": result.tokens,
        "snapshots": result.snapshots,
        "parameters": count_parameters(model),
    }
    write_atomically(draft.path / "facts.json", canonical_json(facts).encode())
    draft.summary |= facts
    draft.run |= {
        "seconds": seconds,
        "tokens_per_second": (len(result.curve) - result.resumed) * size / seconds,
        "resumed_at_step": result.resumed,
        "sequences_in_one_pass": result.rows,
        "threads": torch.get_num_threads(),
        "device": str(model.device),
        "precision": "bfloat16" if computes_in_bfloat16(model.device) else "float32",
    }


def make_model(training: Training, vocabulary: int, tokenizer: Path, seed: int, device: Device) -> "PreTrainedModel":
    """Return the model that a training starts from, on its device: a fresh one, or the one that is continued."""
    fresh = build_model(training, vocabulary, seed) if training.start is None else continue_model(training, tokenizer)
    placed: PreTrainedModel = fresh.to(resolve_device(device))  # type: ignore[arg-type]
    if prefers_plain_attention(training.sequence, placed.device):
        placed.set_attn_implementation("eager")
    return placed


def _place_model(training: Training, conditions: Conditions, seed: int) -> "PreTrainedModel":
    """Return the model that a proxy starts from.

    Where the step is compiled, one model serves all proxies of a worker, or each would be compiled anew: the weights
    are copied into it.
    """
    import torch

    fresh = make_model(training, conditions.vocabulary, conditions.tokenizer, seed, conditions.runtime.device)
    if not wants_compilation(conditions.runtime, fresh.device):
        return fresh
    resident = _RESIDENT.setdefault(canonical_json([fresh.config.to_dict(), str(fresh.device)]), fresh)
    if resident is fresh:
        unchanging = {"guard_filter_fn": torch.compiler.skip_guard_on_all_nn_modules_unsafe}  # only weights change
        resident.base_model.compile(dynamic=False, options=unchanging)
    else:
        resident.load_state_dict(fresh.state_dict())
    return resident


_RESIDENT: dict[str, "PreTrainedModel"] = {}  # of this worker

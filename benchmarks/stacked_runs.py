"""What stacks of models are trained on: a folder with training tokens, prepared tasks and mixtures, and their losses.

What belongs here: reading such a folder and running a stack over it. The arithmetic is `stacked_training`.
"""

import json
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from stacked_training import Setting, score_stack, stack_weights, train_stack

from climb_assets.config_training import Training
from climb_assets.graph.materializer import Materializer
from climb_assets.training.measurement import prepare_tasks, training_data
from climb_assets.training.proxy_orders import supply_seed, training_seed
from climb_assets.training.sequence_plan import plan_sequences, simulate_supply
from climb_assets.training.token_index import load_training_index

SEEDS = 3
JUDGE = Training(size="800k", sequence=64, batch=8, tokens=1_000_000, learning_rate=1.5e-3)
AT_ONCE = 384  # models of a stack


def copy_out(climb: Materializer, mixtures: np.ndarray, folder: Path) -> None:
    """Write what stacks are trained on into a folder: training tokens, prepared tasks, mixtures (n, K)."""
    data = training_data(climb)
    (folder / "tokens").mkdir(parents=True)
    np.save(folder / "mixtures.npy", mixtures)
    shutil.copytree(data.folder, folder / "training_tokens")
    for shard, path in data.tokens.items():
        np.save(folder / "tokens" / f"{shard}.npy", np.load(path).astype(np.int16))
    for part in ("search", "confirm"):
        for name, task in prepare_tasks(climb, data, climb.config.tasks, part).items():
            shutil.copytree(task.artifact.path, folder / "tasks" / part / name)
    facts = {
        "vocabulary": int(climb.get("tokenizer").summary["vocabulary"]),
        "target_tokens": climb.config.mixture.tokens,
        "objectives": {name: dict(weights) for name, weights in climb.config.objectives.items()},
    }
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


class Study:
    """A prepared folder, opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mixtures = np.load(folder / "mixtures.npy")
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        self.vocabulary, self.target_tokens = facts["vocabulary"], facts["target_tokens"]
        self.objectives: dict[str, dict[str, float]] = facts["objectives"]
        shards = json.loads((folder / "training_tokens" / "shards.json").read_text(encoding="utf-8"))
        files = {entry["shard"]: folder / "tokens" / f"{entry['shard']}.npy" for entry in shards}
        self.index = load_training_index(folder / "training_tokens", files)

    def tasks(self, part: str) -> dict[str, Path]:
        """Return the folder of each prepared task."""
        deciding = {name for weights in self.objectives.values() for name in weights}
        return {name: self.folder / "tasks" / part / name for name in sorted(deciding)}

    def text(self, weights: np.ndarray, training: Training, repeat: int) -> np.ndarray:
        """Return what a proxy reads, int16 (steps, batch, sequence + 1)."""
        seed, supply = training_seed(0, repeat), None
        if training.simulate_epochs:
            supply = simulate_supply(self.index, training, self.target_tokens, supply_seed(0, repeat))
        plan = plan_sequences(self.index, weights, training, seed, supply)
        return np.stack([plan.batch(step) for step in range(plan.steps)]).astype(np.int16)


def read_text(folder: str, training: Training, weights: np.ndarray, repeat: int) -> np.ndarray:
    if folder not in _OPEN:
        _OPEN[folder] = Study(Path(folder))
    return _OPEN[folder].text(weights, training, repeat)


_OPEN: dict[str, Study] = {}


def run(study: Study, setting: Setting, device: str, pool: ProcessPoolExecutor, part: str) -> dict[str, np.ndarray]:
    """Return for each task the bits of the items of each mixture and seed, float32 (mixtures, seeds, items)."""
    import torch

    torch.set_float32_matmul_precision("high")
    models = [(mixture, repeat) for mixture in study.mixtures for repeat in range(SEEDS)]
    parts = []
    for first in range(0, len(models), AT_ONCE):
        some = models[first : first + AT_ONCE]
        read = pool.map(
            read_text,
            [str(study.folder)] * len(some),
            [setting.training] * len(some),
            [mixture for mixture, _ in some],
            [repeat for _, repeat in some],
            chunksize=4,
        )
        text = torch.from_numpy(np.stack(list(read))).to(device)
        seeds = [training_seed(0, repeat) for _, repeat in some]
        weights = stack_weights(setting.training, study.vocabulary, seeds, device)
        weights, _ = train_stack(setting, weights, text, [1.0] * len(some))
        parts.append(score_stack(weights, setting.training, study.tasks(part)))
    shape = (len(study.mixtures), SEEDS, -1)
    found = {}
    for task in parts[0]:
        found[task] = np.concatenate([scored[task][0] for scored in parts]).reshape(shape).astype(np.float32)
        found[f"{task} bytes"] = parts[0][task][1]
    return found


def average_items(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the losses of each task over all items, and over its even and its odd ones (mixtures, seeds, 3)."""
    losses = {}
    for task, bits in found.items():
        if task.endswith(" bytes"):
            continue
        size = found[f"{task} bytes"]
        halves = (slice(None), slice(0, None, 2), slice(1, None, 2))
        losses[task] = np.stack([bits[..., half].sum(-1) / size[half].sum() for half in halves], axis=-1)
    return losses

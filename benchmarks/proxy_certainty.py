"""Where do a proxy's minutes buy certainty? Proxies of many settings against models of the target's size.

Mixtures of the demo's pool are trained at each setting with several seeds; what their losses say of the losses of the
judges (the target's size, the target's tokens, several seeds) is a rank and a linear correlation within a seed, since a
search compares mixtures on one seed. Certainty is r^2 / (1 - r^2), the ratio of what is told to what is not, and is
divided by the seconds that the setting takes on one core here. Hundreds of models are trained side by side on a GPU
(`stacked_training`); the seconds are those of the product's own training on a CPU.

    climb demo-corpus && climb up --to training_tokens
    python benchmarks/proxy_certainty.py prepare --lake data_lake/demo --folder FOLDER
    python benchmarks/proxy_certainty.py train --folder FOLDER --out OUT        (a GPU; resumable)
    python benchmarks/proxy_certainty.py seconds --folder FOLDER --out OUT      (this machine's cores)
    python benchmarks/proxy_certainty.py report --folder FOLDER --out OUT [--json]
"""

import argparse
import json
import shutil
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from climb_assets.config import Training
from climb_assets.training.proxy_orders import supply_seed, training_seed
from climb_assets.training.sequence_plan import plan_sequences, simulate_supply
from climb_assets.training.token_index import load_training_index

MIXTURES, SEEDS = 128, 3
JUDGE = Training(size="800k", sequence=64, batch=8, tokens=1_000_000, learning_rate=1.5e-3)
BASE = {"size": "100k", "sequence": 64, "batch": 4, "tokens": 28_672, "learning_rate": 2e-3}
AT_ONCE = 384  # models of a stack
MERGED = tuple(  # tokens of the trunk, of each branch, learning rate, optimiser
    (trunk, branch, rate, optimiser)
    for optimiser in ("adamw", "muon")
    for trunk, branch in ((0, 28_672), (114_688, 14_336), (114_688, 28_672), (229_376, 28_672), (458_752, 28_672))
    for rate in (4e-3, 8e-3)
)


def settings() -> dict[str, dict]:
    """Return what is tried, by name: changes of `BASE`, and beside `Training`'s keys optimiser and average."""
    tried: dict[str, dict] = {}

    def add(**changes: object) -> None:
        tried[" ".join(f"{key}={value}" for key, value in changes.items()) or "base"] = changes

    for tokens in (28_672, 57_344, 114_688, 229_376):
        for rate in (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2):
            add(tokens=tokens, learning_rate=rate)
    for tokens in (28_672, 57_344):
        for batch in (1, 2):
            for rate in (5e-4, 1e-3, 2e-3, 4e-3):
                add(tokens=tokens, batch=batch, learning_rate=rate)
        for rate in (1e-3, 2e-3, 4e-3, 8e-3):
            add(tokens=tokens, optimiser="muon", learning_rate=rate)
        for rate in (1e-3, 2e-3, 4e-3):
            add(tokens=tokens, optimiser="muon", batch=1, learning_rate=rate)
        add(tokens=tokens, simulate_epochs=False)
        for widths in ((32, 2, 2, 96), (64, 1, 2, 192), (128, 1, 4, 384), (128, 4, 4, 352)):
            add(tokens=tokens, widths=widths)
        for sequence, batch in ((32, 8), (128, 2)):
            add(tokens=tokens, sequence=sequence, batch=batch)
        for warmup, decay in ((0.0, 0.3), (0.2, 0.3), (0.05, 0.0), (0.05, 0.95)):
            add(tokens=tokens, warmup=warmup, decay=decay)
        add(tokens=tokens, decay=0.95, final_learning_rate=0.01)
        add(tokens=tokens, average=0.3, decay=0.0)
        add(tokens=tokens, betas=(0.9, 0.99))
        add(tokens=tokens, weight_decay=0.0)
    return tried


def training_of(changes: dict) -> Training:
    """Return the training of a setting."""
    record = BASE | {key: value for key, value in changes.items() if key not in ("optimiser", "average", "widths")}
    if "widths" in changes:
        del record["size"]
        record |= dict(zip(("hidden", "layers", "heads", "intermediate"), changes["widths"], strict=True))
    return Training.model_validate(record)


def prepare(lake: Path, folder: Path) -> None:
    """Copy what training needs out of a lake: training tokens, prepared tasks, mixtures of the pool."""
    from climb_assets.config_file import load_config
    from climb_assets.graph.materializer import Materializer
    from climb_assets.search.proposal import propose_first
    from climb_assets.search.search_state import read_space

    folder.mkdir(parents=True)
    (folder / "climb.yaml").write_text(f"profile: demo\nlake: {lake.resolve()}\n")
    climb = Materializer(load_config(folder / "climb.yaml"))
    chosen = propose_first(read_space(climb).draw(), MIXTURES, climb.config.search)
    copy_out(climb, np.array([candidate.weights for candidate in chosen]), folder)


def copy_out(climb: "Materializer", mixtures: np.ndarray, folder: Path) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Write what stacks are trained on into a folder: training tokens, prepared tasks, mixtures (n, K)."""
    from climb_assets.training.measurement import prepare_tasks, training_data

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
    (folder / "facts.json").write_text(json.dumps(facts))


class Study:
    """A prepared folder, opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mixtures = np.load(folder / "mixtures.npy")
        facts = json.loads((folder / "facts.json").read_text())
        self.vocabulary, self.target_tokens = facts["vocabulary"], facts["target_tokens"]
        self.objectives: dict[str, dict[str, float]] = facts["objectives"]
        shards = json.loads((folder / "training_tokens" / "shards.json").read_text())
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


def _read(folder: str, training: Training, weights: np.ndarray, repeat: int) -> np.ndarray:
    if folder not in _OPEN:
        _OPEN[folder] = Study(Path(folder))
    return _OPEN[folder].text(weights, training, repeat)


_OPEN: dict[str, Study] = {}


def train(folder: Path, out: Path, device: str, limit: int | None) -> None:
    """Train and score the judges and every setting that is not there yet; a file each."""
    from stacked_training import Setting

    study = Study(folder)
    out.mkdir(parents=True, exist_ok=True)
    work = {"judge": Setting(JUDGE)} | {
        name: Setting(training_of(changes), changes.get("optimiser", "adamw"), changes.get("average", 0.0))
        for name, changes in settings().items()
    }
    with ProcessPoolExecutor() as pool:
        for name, setting in list(work.items())[:limit]:
            path = out / f"{name.replace(' ', '_')}.npz"
            if path.exists():
                continue
            began = time.perf_counter()
            found = run(study, setting, device, pool, "confirm" if name == "judge" else "search")
            np.savez_compressed(path, **summarise(found))
            print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)


def train_merged(folder: Path, out: Path, device: str) -> None:
    """Score mixtures of weights: a trunk on the corpus as it is, a branch for each domain, merged by a mixture."""
    import torch
    from stacked_training import Setting, score_stack, stack_weights, train_stack

    torch.set_float32_matmul_precision("high")
    study = Study(folder)
    domains = study.mixtures.shape[1]
    prior = study.index.supply / study.index.supply.sum()
    with ProcessPoolExecutor() as pool:
        for trunk, branch, rate, optimiser in MERGED:
            path = out / f"merged_trunk={trunk}_branch={branch}_learning_rate={rate}_{optimiser}.npz"
            if path.exists():
                continue
            began = time.perf_counter()
            seeds = [training_seed(0, repeat) for repeat in range(SEEDS)]

            def texts(training: Training, mixtures: list) -> torch.Tensor:
                work = [(mixture, repeat) for mixture in mixtures for repeat in range(SEEDS)]
                columns = ([str(study.folder)] * len(work), [training] * len(work), *zip(*work, strict=True))
                return torch.from_numpy(np.stack(list(pool.map(_read, *columns)))).to(device)

            weights = stack_weights(training_of({}), study.vocabulary, seeds, device)
            if trunk:
                first = training_of({"tokens": trunk, "learning_rate": rate, "decay": 0.0})
                weights, _ = train_stack(Setting(first, optimiser), weights, texts(first, [prior]), [1.0] * SEEDS)
            second = training_of(
                {"tokens": branch, "learning_rate": rate, "decay": 0.95, "warmup": 0.0 if trunk else 0.05}
            )
            branches = {
                name: value.detach().repeat(domains, *[1] * (value.ndim - 1)).requires_grad_()
                for name, value in weights.items()
            }
            text = texts(second, list(np.eye(domains)))
            branches, _ = train_stack(Setting(second, optimiser), branches, text, [1.0] * len(text))
            shares = torch.from_numpy(study.mixtures).to(device, torch.float32)
            merged = {
                name: torch.einsum("md,drx->mrx", shares, value.detach().view(domains, SEEDS, -1)).reshape(
                    -1, *value.shape[1:]
                )
                for name, value in branches.items()
            }
            scored = score_stack(merged, second, study.tasks("search"))
            shape = (len(study.mixtures), SEEDS, -1)
            found = {task: bits.reshape(shape).astype(np.float32) for task, (bits, _) in scored.items()}
            found |= {f"{task} bytes": size for task, (_, size) in scored.items()}
            np.savez_compressed(path, **summarise(found))
            print(f"{path.stem}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)


def summarise(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the losses of each task over all items, and over its even and its odd ones (mixtures, seeds, 3)."""
    losses = {}
    for task, bits in found.items():
        if task.endswith(" bytes"):
            continue
        size = found[f"{task} bytes"]
        halves = (slice(None), slice(0, None, 2), slice(1, None, 2))
        losses[task] = np.stack([bits[..., half].sum(-1) / size[half].sum() for half in halves], axis=-1)
    return losses


def run(study: Study, setting: "Setting", device: str, pool: ProcessPoolExecutor, part: str) -> dict[str, np.ndarray]:  # type: ignore[name-defined]  # noqa: F821
    """Return for each task the bits of the items of each mixture and seed, float32 (mixtures, seeds, items)."""
    import torch
    from stacked_training import score_stack, stack_weights, train_stack

    torch.set_float32_matmul_precision("high")
    models = [(mixture, repeat) for mixture in study.mixtures for repeat in range(SEEDS)]
    parts = []
    for first in range(0, len(models), AT_ONCE):
        some = models[first : first + AT_ONCE]
        read = pool.map(
            _read,
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["prepare", "train"])
    parser.add_argument("--lake", type=Path, default=Path("data_lake/demo"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    if arguments.stage == "prepare":
        prepare(arguments.lake, arguments.folder)
    else:
        train(arguments.folder, arguments.out, arguments.device, arguments.limit or 25)
        train_merged(arguments.folder, arguments.out, arguments.device)
        train(arguments.folder, arguments.out, arguments.device, arguments.limit)


if __name__ == "__main__":
    main()

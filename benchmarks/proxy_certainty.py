"""Where do a proxy's minutes buy certainty? Proxies of many settings against models of the target's size.

Mixtures of the demo's pool are trained at each setting with several seeds; what their losses say of the losses of the
judges (the target's size, the target's tokens, several seeds) is a rank and a linear correlation within a seed, since a
search compares mixtures on one seed. Certainty is r^2 / (1 - r^2), the ratio of what is told to what is not, and is
divided by the seconds that the setting takes on one core here. Hundreds of models are trained side by side on a GPU
(`stacked_training`); the seconds are those of the product's own training on a CPU.

    climb demo-corpus && climb up --to training_tokens
    python benchmarks/proxy_certainty.py prepare --lake data_lake/demo --folder FOLDER
    python benchmarks/proxy_certainty.py check --folder FOLDER                  (a stack against the product's loop)
    python benchmarks/proxy_certainty.py train --folder FOLDER --out OUT        (a GPU; resumable)
    python benchmarks/proxy_certainty.py seconds --folder FOLDER --out OUT      (this machine's cores)
    python benchmarks/proxy_certainty.py report --folder FOLDER --out OUT [--json]
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from stacked_runs import JUDGE, SEEDS, Study, average_items, copy_out, read_text, run
from stacked_training import Setting, score_stack, stack_weights, train_stack

from climb_assets.config_training import Training
from climb_assets.training.proxy_orders import supply_seed, training_seed
from climb_assets.training.sequence_plan import plan_sequences, simulate_supply

MIXTURES = 128
BASE = {"size": "100k", "sequence": 64, "batch": 4, "tokens": 28_672, "learning_rate": 2e-3}
CHECKED_STEPS = 16
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
    (folder / "climb.yaml").write_text(f"profile: demo\nlake: {lake.resolve()}\n", encoding="utf-8")
    climb = Materializer(load_config(folder / "climb.yaml"))
    chosen = propose_first(read_space(climb).draw(), MIXTURES, climb.config.search)
    copy_out(climb, np.array([candidate.weights for candidate in chosen]), folder)


def train(folder: Path, out: Path, device: str, limit: int | None) -> None:
    """Train and score the judges and every setting that is not there yet; a file each."""
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
            np.savez_compressed(path, **average_items(found))
            print(f"{name}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)


def train_merged(folder: Path, out: Path, device: str) -> None:
    """Score mixtures of weights: a trunk on the corpus as it is, a branch for each domain, merged by a mixture."""
    import torch

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
                return torch.from_numpy(np.stack(list(pool.map(read_text, *columns)))).to(device)

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
            np.savez_compressed(path, **average_items(found))
            print(f"{path.stem}: {time.perf_counter() - began:.1f} s", file=sys.stderr, flush=True)


def check(folder: Path) -> float:
    """Return the largest difference between the first losses of a stack and of the product's own loop, nats a token.

    The loop may compute in bfloat16; after some tens of steps rounding alone takes two runs apart.
    """
    import torch

    from climb_assets.training.proxy_training import make_model
    from climb_assets.training.train import train

    study, training = Study(folder), training_of({"tokens": CHECKED_STEPS * BASE["batch"] * BASE["sequence"]})
    models = [(study.mixtures[number], number) for number in range(2)]
    text = torch.from_numpy(np.stack([study.text(mixture, training, repeat) for mixture, repeat in models]))
    seeds = [training_seed(0, repeat) for _, repeat in models]
    weights = stack_weights(training, study.vocabulary, seeds, "cpu")
    _, stacked = train_stack(Setting(training), weights, text, [1.0] * len(models))
    apart = []
    for number, (mixture, repeat) in enumerate(models):
        supply = simulate_supply(study.index, training, study.target_tokens, supply_seed(0, repeat))
        plan = plan_sequences(study.index, mixture, training, seeds[number], supply)
        curve = train(make_model(training, study.vocabulary, folder, seeds[number], "cpu"), plan, training).curve
        apart.append(np.abs(np.array(curve) - stacked[:, number]).max())
    return float(max(apart))


def time_settings(folder: Path, out: Path) -> None:
    """Write the seconds of one core that a proxy of each setting takes here: training, and scoring on the tasks."""
    import torch

    from climb_assets.training.evaluation import evaluate
    from climb_assets.training.proxy_training import make_model
    from climb_assets.training.train import train

    torch.set_num_threads(1)
    study, seconds = Study(folder), {}
    for name, changes in settings().items():
        if "optimiser" in changes or not (out / f"{name.replace(' ', '_')}.npz").exists():
            continue  # the product has no Muon
        training = training_of(changes)
        plan = plan_sequences(study.index, study.mixtures[0], training, 0)
        model = make_model(training, study.vocabulary, folder, 0, "cpu")
        began = time.process_time()
        train(model, plan, training)
        trained = time.process_time()
        for task in study.tasks("search").values():
            evaluate(model, task, training.sequence)
        seconds[name.replace(" ", "_")] = [trained - began, time.process_time() - trained]
    (out / "seconds.json").write_text(json.dumps(seconds), encoding="utf-8")


def report(folder: Path, out: Path) -> list[dict]:
    """Return a row for each setting: of each objective the correlations with the judges, and certainty a minute."""
    from scipy.stats import spearmanr

    study = Study(folder)
    judged = _objectives(study, out / "judge.npz")
    timed = json.loads((out / "seconds.json").read_text(encoding="utf-8")) if (out / "seconds.json").exists() else {}
    rows = []
    for path in sorted(out.glob("*.npz")):
        row: dict = {"setting": path.stem.replace("_", " "), "seconds": sum(timed.get(path.stem, [float("nan")]))}
        for objective, losses in _objectives(study, path).items():
            truth = judged[objective].mean(1)
            linear = [float(np.corrcoef(losses[:, seed], truth)[0, 1]) for seed in range(SEEDS)]
            ranks = [float(spearmanr(losses[:, seed], truth)[0]) for seed in range(SEEDS)]
            r = float(np.mean(linear))
            noise = float(np.sqrt((losses - losses.mean(0)).var(1, ddof=1).mean()))
            row[objective] = {"r": r, "least r": min(linear), "most r": max(linear), "rho": float(np.mean(ranks))}
            row[objective] |= {"spread": float(losses.mean(1).std(ddof=1)), "noise": noise}
            row[objective] |= {"certainty a minute": 60 * r * r / (1 - r * r) / row["seconds"]}
        rows.append(row)
    return rows


def _objectives(study: Study, path: Path) -> dict[str, np.ndarray]:
    """Return the loss of each objective (mixtures, seeds) that a file holds, over all items."""
    losses = np.load(path)
    return {
        name: sum(weight * losses[task][..., 0] for task, weight in tasks.items()) / sum(tasks.values())
        for name, tasks in study.objectives.items()
    }


def summarise(rows: list[dict]) -> dict:
    """Return the benchmark's record: the demo's proxies against those of a quarter of their tokens."""
    certainty = {
        row["setting"]: float(
            np.mean([found["certainty a minute"] for found in row.values() if isinstance(found, dict)])
        )
        for row in rows
    }
    ours, peer = (certainty[f"tokens={tokens} learning rate=0.002"] for tokens in (114_688, 28_672))
    return {"name": "certainty a minute of longer proxies", "ours": ours, "peer": peer, "ratio": ours / peer} | {
        "unit": "r^2 / (1 - r^2) a minute of a core",
        "details": {"peer": "proxies of 28,672 tokens", "rows": rows},
    }


def describe(rows: list[dict]) -> str:
    """Return the table of the rows."""
    from tabulate import tabulate

    objectives = [key for key in rows[0] if key not in ("setting", "seconds")]
    table = [
        [row["setting"], row["seconds"]]
        + [row[name][key] for name in objectives for key in ("r", "least r", "most r", "certainty a minute")]
        for row in rows
    ]
    headers = ["setting", "seconds"] + [
        f"{name} {key}" for name in objectives for key in ("r", "least", "most", "certainty a minute")
    ]
    return tabulate(table, headers, floatfmt=".3f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["prepare", "check", "train", "seconds", "report"])
    parser.add_argument("--lake", type=Path, default=Path("data_lake/demo"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.stage == "prepare":
        prepare(arguments.lake, arguments.folder)
    elif arguments.stage == "check":
        print(f"losses of the first {CHECKED_STEPS} steps differ by at most {check(arguments.folder):.5f} nats a token")
    elif arguments.stage == "seconds":
        time_settings(arguments.folder, arguments.out)
    elif arguments.stage == "report":
        rows = report(arguments.folder, arguments.out)
        print(json.dumps(summarise(rows)) if arguments.json else describe(rows))
    else:
        train(arguments.folder, arguments.out, arguments.device, arguments.limit or 25)
        train_merged(arguments.folder, arguments.out, arguments.device)
        train(arguments.folder, arguments.out, arguments.device, arguments.limit)


if __name__ == "__main__":
    main()

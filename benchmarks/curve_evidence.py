"""Is a proxy's whole curve better evidence than its last value? Measured on proxies that are scored on their way.

Of mixtures of the demo's pool, proxies of the demo's setting are trained by the product's own loop and scored on the
tasks at five points, two seeds each (``snapshots``). The judges are those of `proxy_certainty.py` (models of 800k
parameters on 1 M tokens, three seeds, other items), so its folder and its `judge.npz` are needed; its runs of 28 k,
57 k and 115 k tokens are curves too, whose learning rate fell at every point (``runs``, three seeds). ``direct`` is the
rank correlation of the evidence with the judges over all mixtures; ``left out`` that of what predictors say, fitted on
the evidence of some mixtures, on the others.

    python benchmarks/proxy_certainty.py prepare --lake data_lake/demo --folder FOLDER      (and train, on a GPU)
    python benchmarks/curve_evidence.py train --folder FOLDER --out OUT                     (resumable)
    python benchmarks/curve_evidence.py snapshots --folder FOLDER --out OUT --judge JUDGED/judge.npz
    python benchmarks/curve_evidence.py runs --folder FOLDER --out JUDGED --judge JUDGED/judge.npz
    python benchmarks/curve_evidence.py made-up [--cache FILE] [--json]

``made-up`` has curves of the families of `synthetic_families.py`: a loss E(w) + A(w) t^-0.3 with both of a family, and
noise whose correlation between points is 0, .6 or .9.
"""

import argparse
import itertools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from curve_kinds import LAST, Study
from finished_rows import Row, code_key, find_row, read_rows
from scipy.stats import rankdata
from stacked_runs import Study as Folder
from synthetic_families import FAMILIES, draw_mixtures
from tabulate import tabulate

from climb_assets.config_training import Training
from climb_assets.randomness import generator
from climb_assets.search.objectives import objective_loss
from climb_assets.simplex.mixtures import FloatArray

POINTS = (0.25, 0.5, 0.7, 0.85)  # and the end; from .7 on the learning rate falls
PROXY = Training(size="100k", sequence=64, batch=8, tokens=114_688, learning_rate=2e-3, snapshots=POINTS)  # the demo's
MIXTURES, SEEDS = 40, 2
RUNS = (28_672, 57_344, 114_688)  # tokens of runs of their own
MEASURED, DRAWS = 24, 5  # mixtures that predictors are fitted on; how often they are drawn
DOMAINS, CORRELATIONS = (7, 17), (0.0, 0.6, 0.9)
NOISE, SLOPE, EXPONENT, TARGET = 0.25, 0.7, 0.3, 9.0  # of made-up curves, in spreads of E; tokens of a target


def train(folder: Path, out: Path, mixtures: int, seeds: int) -> None:
    """Train and score the proxies that are not there yet; a file each, the losses of each task by point."""
    out.mkdir(parents=True, exist_ok=True)
    study = Folder(folder)
    for seed in range(seeds):
        for mixture in range(mixtures):
            path = out / f"mixture={mixture}_seed={seed}.npz"
            if not path.exists():
                np.savez_compressed(path, **train_one(study, mixture, seed))


def train_one(study: Folder, mixture: int, repeat: int) -> dict[str, np.ndarray]:
    """Return the losses of each task (points) of a proxy, at its snapshots and at its end, bits per byte."""
    import torch

    from climb_assets.training.checkpoint import Checkpoint, load_snapshot
    from climb_assets.training.evaluation import evaluate
    from climb_assets.training.proxy_orders import supply_seed, training_seed
    from climb_assets.training.proxy_training import make_model
    from climb_assets.training.sequence_plan import plan_sequences, simulate_supply
    from climb_assets.training.train import train as train_model

    torch.set_num_threads(1)
    seed = training_seed(0, repeat)
    supply = simulate_supply(study.index, PROXY, study.target_tokens, supply_seed(0, repeat))
    plan = plan_sequences(study.index, study.mixtures[mixture], PROXY, seed, supply)
    model = make_model(PROXY, study.vocabulary, study.folder, seed, "cpu")
    found: dict[str, list[float]] = {name: [] for name in study.tasks("search")}
    with tempfile.TemporaryDirectory() as temporary:
        kept = Path(temporary)
        result = train_model(model, plan, PROXY, Checkpoint(kept, kept, seconds=float("inf")))
        for tokens in [result.tokens, *result.snapshots]:  # the end first: the model holds its weights
            if tokens != result.tokens:
                load_snapshot(model, kept, tokens)
            for name, task in study.tasks("search").items():
                found[name].append(evaluate(model, task, PROXY.sequence).scores.loss)
    return {name: np.roll(losses, -1) for name, losses in found.items()}


def read_snapshots(folder: Path, out: Path) -> tuple[list[int], FloatArray, list[dict[str, FloatArray]]]:
    """Return the mixtures of which all seeds are there, the shares of tokens (P,), and the curves of each seed."""
    trained = [
        {int(path.stem.split("_")[0].split("=")[1]): dict(np.load(path)) for path in out.glob(f"*_seed={seed}.npz")}
        for seed in range(SEEDS)
    ]
    there = sorted(set.intersection(*map(set, trained)))
    shares = np.r_[np.ceil(np.array(POINTS) * PROXY.steps) / PROXY.steps, 1.0]
    tasks = Folder(folder).tasks("search")
    return there, shares, [{task: np.array([of[one][task] for one in there]) for task in tasks} for of in trained]


def read_runs(folder: Path, out: Path) -> tuple[list[int], FloatArray, list[dict[str, FloatArray]]]:
    """Return the same of `proxy_certainty.py`: each point is the end of a run of its own, whose learning rate fell."""
    runs = [np.load(out / f"tokens={tokens}_learning_rate=0.002.npz") for tokens in RUNS]
    tasks = Folder(folder).tasks("search")
    curves = {task: np.stack([run[task][..., 0] for run in runs], axis=-1) for task in tasks}  # (n, seeds, P)
    seeds = range(next(iter(curves.values())).shape[1])
    mixtures = list(range(len(next(iter(curves.values())))))
    return (
        mixtures,
        np.array(RUNS) / RUNS[-1],
        [{task: all_[:, seed] for task, all_ in curves.items()} for seed in seeds],
    )


def pose(folder: Path, judge: Path, stage: str, out: Path) -> dict[str, dict[int, Study]]:
    """Return for each objective the curves of each seed with what the judges say."""
    prepared, judged = Folder(folder), np.load(judge)
    there, shares, seeds = (read_runs if stage == "runs" else read_snapshots)(folder, out)
    found: dict[str, dict[int, Study]] = {}
    for name, weights in prepared.objectives.items():
        truth = objective_loss({task: judged[task].mean(1)[there, 0] for task in weights}, weights)
        horizon = prepared.target_tokens / PROXY.tokens
        for seed, curves in enumerate(seeds):
            own = {task: curves[task] for task in weights}
            found.setdefault(name, {})[seed] = Study(prepared.mixtures[there], own, shares, horizon, truth, weights)
    return found


def judge_kinds(study: Study, seed: int, draw: int) -> Row:
    """Return for each kind of evidence its direct rank correlation, and how predictors of some rank the others."""
    rows = np.zeros(len(study.truth), dtype=bool)
    rows[generator(seed, "measured", draw).choice(len(rows), MEASURED, replace=False)] = True
    direct = {kind: {"direct": study.rank(scores)} for kind, scores in study.scores().items()}
    return {
        kind: direct.get(kind, {}) | {"left out": ranks, "regret": lost}
        for kind, (ranks, lost) in study.predict(rows, seed).items()
    }


def resample_direct(studies: Mapping[int, Study]) -> dict[str, tuple[float, float, float]]:
    """Return of each kind the direct rank correlation less that of the last value, with the ends of its interval.

    Means of the seeds; the mixtures are drawn again: 2.5 and 97.5 % of 2,000 draws.
    """
    truth, count = studies[0].truth, len(studies[0].truth)
    draws = np.vstack([np.arange(count), generator(0, "resampled").choice(count, (2_000, count))])
    ranks: dict[str, FloatArray] = {}
    for study in studies.values():
        for kind, scores in study.scores().items():
            found = correlate_ranks(objective_loss(scores, study.objective)[draws], truth[draws])
            ranks[kind] = ranks.get(kind, 0.0) + found / len(studies)
    apart = {kind: of_draws - ranks[LAST] for kind, of_draws in ranks.items()}
    return {kind: (float(more[0]), *map(float, np.quantile(more[1:], [0.025, 0.975]))) for kind, more in apart.items()}


def correlate_ranks(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return Spearman's correlation (n,) of each row of one array (n, m) with that of another."""
    ranks = [rankdata(some, axis=1) - (some.shape[1] + 1) / 2 for some in (left, right)]
    one, other = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in ranks)
    return (one * other).sum(axis=1)


def measure_noise(studies: Mapping[int, Study]) -> dict[str, dict[str, float]]:
    """Return for each kind the noise between seeds of the objective, the spread between mixtures and their ratio.

    What a seed does to all mixtures is taken out: every proxy of a search has the same.
    """
    scored = {seed: study.scores() for seed, study in studies.items()}
    noise = {}
    for kind in scored[0]:
        loss = np.array([objective_loss(scores[kind], studies[0].objective) for scores in scored.values()])
        loss = loss - loss.mean(axis=1, keepdims=True)
        own = float(np.sqrt(loss.var(axis=0, ddof=1).mean()))
        noise[kind] = {"noise": own, "spread": float(loss.mean(axis=0).std(ddof=1))}
        noise[kind]["ratio"] = noise[kind]["spread"] / own
    return noise


def correlate_noise(studies: Mapping[int, Study]) -> FloatArray:
    """Return the correlation (P, P) between points of what two seeds of one mixture differ by, over all tasks."""
    parts = []
    for task in studies[0].curves:
        apart = studies[0].curves[task] - studies[1].curves[task]
        parts.append((apart - apart.mean(axis=0)) / apart[:, -1].std())
    covariance = sum(part.T @ part for part in parts) / sum(map(len, parts))
    deviations = np.sqrt(np.diag(covariance))
    return np.vstack([covariance / np.outer(deviations, deviations), deviations])


def make_up(family: str, domains: int, correlation: float, seed: int) -> Study:
    """Return made-up curves of 64 mixtures: of seed and settings alone."""
    rng = generator(seed, "made-up curves", family, domains)
    mixtures = draw_mixtures(domains, "sparse", rng)[:64]
    levels, slopes = (_standardise(FAMILIES[family](domains, rng)(mixtures)) for _ in range(2))
    shares = np.array([*POINTS, 1.0])
    amounts = 1.0 + SLOPE * slopes
    lasting, passing = rng.standard_normal((len(mixtures), 1)), rng.standard_normal((len(mixtures), len(shares)))
    noise = np.sqrt(correlation) * lasting + np.sqrt(1 - correlation) * passing
    curves = levels[:, None] + amounts[:, None] * shares**-EXPONENT + NOISE * noise
    truth = levels + amounts * TARGET**-EXPONENT
    return Study(mixtures, {"loss": curves}, shares, TARGET, truth, {"loss": 1.0})


def _standardise(values: FloatArray) -> FloatArray:
    return (values - values.mean()) / values.std()


def measure_made_up(seeds: int, cache: Path | None) -> dict[str, list[Row]]:
    """Return a row a table, for each correlation of the noise; what the cache holds is not measured again."""
    known, found = read_rows(cache), {}
    for correlation in CORRELATIONS:
        found[f"noise correlated {correlation}"] = [
            find_row(
                cache,
                known,
                code_key("climb_assets.search.predictor", family, domains, correlation, seed),
                lambda case=(family, domains, correlation, seed): judge_kinds(make_up(*case), case[-1], 0),
            )
            for family, domains, seed in itertools.product(FAMILIES, DOMAINS, range(seeds))
        ]
    return found


def measure_trained(studies: Mapping[int, Study], cache: Path | None) -> list[Row]:
    """Return a row a seed and draw; what the cache holds is not measured again."""
    known = read_rows(cache)
    return [
        find_row(
            cache,
            known,
            code_key("climb_assets.search.predictor", seed, draw, *map(np.ndarray.tobytes, study.curves.values())),
            lambda case=(study, seed, draw): judge_kinds(*case),
        )
        for seed, study in studies.items()
        for draw in range(DRAWS)
    ]


def compare(rows: list[Row]) -> dict[str, dict[str, dict[str, float]]]:
    """Return of each kind and quantity the mean, and the difference to the last value with its 95 % half-width."""
    return {
        kind: {
            quantity: {
                "mean": float(np.mean([row[kind][quantity] for row in rows])),
                "more": float(np.mean(apart := np.array([row[kind][quantity] - row[LAST][quantity] for row in rows]))),
                "half width": half_width(apart),
            }
            for quantity in rows[0][kind]
        }
        for kind in rows[0]
    }


def half_width(values: FloatArray) -> float:
    """Return half of the width of Student's 95 % interval of the mean of values (n,)."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def describe(name: str, said: Mapping) -> str:
    """Return the table of an objective, or of made-up curves."""
    lines = []
    for kind, found in said["kinds"].items():
        line = [kind, *(_written(found.get(quantity)) for quantity in ("direct", "left out", "regret"))]
        if kind in said.get("noise", {}):
            line[1] = "{:.3f} ({:+.3f}, {:+.3f} .. {:+.3f})".format(
                found["direct"]["mean"], *said["direct, resampled"][kind]
            )
            line.append(f"{said['noise'][kind]['ratio']:.2f}")
        lines.append(line)
    headers = ["evidence", "direct", "left out", "regret", "spread over noise"][: max(map(len, lines))]
    return f"{name}\n\n{tabulate(lines, headers, 'github', disable_numparse=True)}"


def _written(one: Mapping[str, float] | None) -> str:
    return f"{one['mean']:.3f} ({one['more']:+.3f} +- {one['half width']:.3f})" if one else "-"


def summarise(record: Mapping) -> dict:
    """Return the benchmark's record: the best other kind of evidence against the last value."""
    means = [{kind: found["left out"]["mean"] for kind, found in part["kinds"].items()} for part in record.values()]
    kinds = {kind: float(np.mean([one[kind] for one in means])) for kind in means[0]}
    best = max((kind for kind in kinds if kind != LAST), key=kinds.__getitem__)
    ours, peer = kinds[best], kinds[LAST]
    return {"name": f"evidence of a whole curve: {best}", "ours": ours, "peer": peer, "ratio": ours / peer} | {
        "unit": "rank correlation on mixtures left out",
        "details": {"peer": "last value", "parts": record},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["train", "snapshots", "runs", "made-up"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--mixtures", type=int, default=MIXTURES)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of proxies, or of made-up tables (%(default)s)")
    parser.add_argument("--cache", type=Path, help="file of JSON lines that keeps finished rows")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    if arguments.stage == "train":
        train(arguments.folder, arguments.out, arguments.mixtures, arguments.seeds)
        return
    if arguments.stage == "made-up":
        made_up = measure_made_up(arguments.seeds, arguments.cache)
        record = {name: {"tables": len(rows), "kinds": compare(rows)} for name, rows in made_up.items()}
    else:
        record = {}
        for name, studies in pose(arguments.folder, arguments.judge, arguments.stage, arguments.out).items():
            rows = measure_trained(studies, arguments.cache)
            record[name] = {"mixtures": len(studies[0].truth), "seeds": len(studies), "kinds": compare(rows)}
            record[name] |= {"direct, resampled": resample_direct(studies), "noise": measure_noise(studies)}
            record[name]["noise between points"] = correlate_noise(studies).tolist()
    print(json.dumps(summarise(record)) if arguments.json else "\n\n".join(map(describe, record, record.values())))


if __name__ == "__main__":
    main()

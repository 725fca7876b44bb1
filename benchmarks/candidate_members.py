"""Members that the stack does not have: a quadratic, and a saturating law of each domain. Would they serve?

On RegMix's table, or any that `search_replay.py` reads: the default searches, and on the rows that it measured stacks
with and without a candidate predict the held-out mixtures. A pick is judged as there, by its regret, but among half of
the held-out mixtures, 40 random halves of them, since which one is the least of all is luck. Made-up tables:
synthetic_families.py.

    python benchmarks/candidate_members.py --table FOLDER [--seeds 6] [--budgets 28 56] [--cache FILE] [--json]
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from finished_rows import code_key, find_row, read_rows
from search_replay import REGMIX_TARGETS
from tabulate import tabulate

from climb_assets import config_search
from climb_assets.randomness import derived_seed, generator
from climb_assets.search.policy import POLICIES, Search, run_search
from climb_assets.search.prediction import FitMember, Prediction
from climb_assets.search.predictor import member_fits
from climb_assets.search.replay import Problem, regret, split
from climb_assets.search.stack import Stack
from climb_assets.simplex.mixtures import FloatArray

TARGETS = {name: REGMIX_TARGETS[name] for name in ("pile_cc", "code_math", "hackernews")}
HALVES = 40
RATES = np.array([0.25, 1, 4, 16, 64, 256])  # of the exponentials that a domain's curve is made of
SHRINKAGE = 0.3  # residual that an amount of 1 counts as, losses standardised


@dataclass(frozen=True)
class Fitted:
    """A fitted member; of the protocol it has what a stack asks for."""

    function: Callable[[FloatArray], FloatArray]
    constant: bool = False

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the function at mixtures (m, K); it has no deviation of its own."""
        return Prediction(self.function(weights), np.zeros(len(weights)))


def fit_quadratic(weights: FloatArray, losses: FloatArray, *, trust: FloatArray | None) -> Fitted:
    """Return a ridge regression on shares and their products, one scale for all shares and one for all products."""
    from sklearn.linear_model import RidgeCV

    left, right = np.triu_indices(weights.shape[1])
    twice = np.where(left == right, 1.0, np.sqrt(2.0))
    centre = weights.mean(axis=0)

    def products(some: FloatArray) -> FloatArray:
        return (some - centre)[:, left] * (some - centre)[:, right] * twice

    middle = products(weights).mean(axis=0)
    of_shares, of_products = (np.sqrt(part.var(axis=0).sum()) for part in (weights, products(weights)))

    def features(some: FloatArray) -> FloatArray:
        return np.hstack([(some - centre) / of_shares, (products(some) - middle) / of_products])

    ridge = RidgeCV(np.geomspace(1e-4, 1e3, 22)).fit(features(weights), losses, sample_weight=trust)
    return Fitted(lambda some: ridge.predict(features(some)))


def fit_saturating(weights: FloatArray, losses: FloatArray, *, trust: FloatArray | None) -> Fitted:
    """Return a sum of curves, one a domain, that fall with its share and level off: non-negative least squares.

    A curve is a mixture of exponentials with fixed rates; by Bernstein's theorem every function with derivatives of
    alternating signs, such as a power law, is a limit of such. A domain that does harm has the flattest curve: on the
    simplex it takes from the others.
    """
    from scipy.optimize import nnls

    def decays(some: FloatArray) -> FloatArray:
        left = np.exp(-some[:, :, None] * RATES) - np.exp(-RATES)
        return (left / (1 - np.exp(-RATES))).reshape(len(some), -1)  # from 1 at no share to 0 at all

    scale = np.ones(len(losses)) if trust is None else np.sqrt(trust)
    known, middle = decays(weights), np.average(losses, weights=scale**2)
    centre = np.average(known, axis=0, weights=scale**2)
    rows = np.vstack([scale[:, None] * (known - centre), SHRINKAGE * np.eye(known.shape[1])])
    amounts, _ = nnls(rows, np.r_[scale * (losses - middle), np.zeros(known.shape[1])])
    return Fitted(lambda some: middle + (decays(some) - centre) @ amounts, constant=not amounts.any())


CANDIDATES: dict[str, FitMember] = {"quadratic": fit_quadratic, "saturating": fit_saturating}


def fit_with(candidates: Sequence[str], search: Search, seed: int) -> Search:
    """Return a search whose predictors are fitted on the same rows by the default's members and some candidates."""
    settings = config_search.Predictor()
    known = member_fits(settings, derived_seed(seed, "members"))
    fits = {name: known[name] for name in settings.members} | {name: CANDIDATES[name] for name in candidates}
    losses, weights = search.history.losses, search.history.weights
    stacks = {
        task: Stack(fits, settings.folds, derived_seed(seed, task)).fit(weights, losses[task])
        for task in search.objective
    }
    return replace(search, predictors=stacks)


def judge(folder: Path, metrics: tuple[str, ...], budget: int, seed: int) -> dict[str, dict[str, float]]:
    """Return for each stack the regret of its pick with and without caution, and the weight of its candidates."""
    table = split(Problem(folder, metrics), seed)
    search = run_search(POLICIES["default"], table.pool, table.measure, table.problem.objective, budget, seed)
    draw = partial(generator(seed, "halves").choice, len(table.held_out), len(table.held_out) // 2, replace=False)
    halves = [draw() for _ in range(HALVES)]
    found = {}
    for names in ((), ("quadratic",), ("saturating",)):
        fitted = fit_with(names, search, seed)
        members = [stack.diagnostics["members"] for stack in fitted.predictors.values()]
        found["".join(f"+ {name}" for name in names) or "stack"] = {
            "weight": float(np.mean([sum(one[name]["weight"] for name in names) for one in members])),
            "with caution": _mean_regret(fitted, table.held_out, table.held_out_truth, halves),
            "least mean": _mean_regret(replace(fitted, caution=0.0), table.held_out, table.held_out_truth, halves),
        }
    return found


def _mean_regret(search: Search, mixtures: FloatArray, truth: FloatArray, halves: Sequence[np.ndarray]) -> float:
    return float(np.mean([regret(truth[half][search.pick(mixtures[half])], truth[half]) for half in halves]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True, help="folder of RegMix's files")
    parser.add_argument("--seeds", type=int, default=6, help="(%(default)s)")
    parser.add_argument("--budgets", type=int, nargs="+", default=[28, 56], help="rows measured (28 56)")
    parser.add_argument("--cache", type=Path, help="file of JSON lines that keeps finished searches")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    folder, known = arguments.table.resolve(), read_rows(arguments.cache)
    rows = [
        {"budget": budget, "target": target, "seed": seed, "stack": stack} | said
        for seed in range(arguments.seeds)
        for budget in arguments.budgets
        for target, metrics in TARGETS.items()
        for stack, said in find_row(
            arguments.cache,
            known,
            code_key("climb_assets.search.replay", folder, metrics, budget, seed),
            partial(judge, folder, metrics, budget, seed),
        ).items()
    ]
    means = summarise(rows)
    if arguments.json:
        ours = means[0]["with caution"]
        peer = min(
            mean["with caution"] for mean in means if mean["stack"] != "stack" and mean["budget"] == means[0]["budget"]
        )
        record = {"name": "candidate_members", "ours": ours, "peer": peer, "ratio": peer / ours, "unit": "regret"}
        print(json.dumps(record | {"details": {"peer": "the better candidate", "means": means, "rows": rows}}))
    else:
        print(tabulate(means, headers="keys", tablefmt="github", floatfmt=".3f"))


def summarise(rows: Sequence[dict]) -> list[dict]:
    """Return means over targets and seeds, and the differences to the stack without a candidate with their errors."""
    means = []
    for budget, stack in dict.fromkeys((row["budget"], row["stack"]) for row in rows):
        mean: dict = {"budget": budget, "stack": stack}
        mean["weight"] = float(
            np.mean([row["weight"] for row in rows if (row["budget"], row["stack"]) == (budget, stack)])
        )
        for rule in ("least mean", "with caution"):
            value = {
                name: np.array([row[rule] for row in rows if (row["budget"], row["stack"]) == (budget, name)])
                for name in ("stack", stack)
            }
            apart = value[stack] - value["stack"]
            mean[rule] = float(value[stack].mean())
            mean[f"{rule}, more"] = f"{apart.mean():+.4f} +- {apart.std() / np.sqrt(len(apart)):.4f}"
        means.append(mean)
    return means


if __name__ == "__main__":
    main()

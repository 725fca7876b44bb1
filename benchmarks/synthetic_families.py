"""Single picks on made-up tables: how good is the one mixture that a policy names without having measured it?

Five families of losses (log-linear, power, saturating, interactions, steps) over 7, 17, 24 and 64 domains, measured
with a little noise. A design is sparse, where most mixtures lie near a corner of the simplex as a search's first
candidates do, or dense. Of 600 mixtures a policy may measure 400, as many as its budget; it picks one of the other 200.
Regret is (true loss - best) / (median - best) among those 200: 1 is a mixture like any other.

    python benchmarks/synthetic_families.py [--seeds 1] [--budgets 28 56 112] [--cache FILE] [--json]

``default`` is what this project does without being told. On the rows that it measured, ``least mean`` picks without
caution, ``+ quadratic`` and ``+ saturating`` with one more member in the stack (candidate_members.py). ``climb`` and
``regmix`` are the published policies (LightGBM).
"""

import argparse
import itertools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from candidate_members import CANDIDATES, fit_with
from finished_rows import code_key, find_row, read_rows
from tabulate import tabulate

from climb_assets.randomness import generator
from climb_assets.search.policy import POLICIES, Search, run_search
from climb_assets.search.replay import regret
from climb_assets.simplex.mixtures import FloatArray, floor_and_round

Loss = Callable[[FloatArray], FloatArray]  # of mixtures (n, K): (n,)

DOMAINS, DESIGNS, BUDGETS = (7, 17, 24, 64), ("sparse", "dense"), (28, 56, 112)
MIXTURES, MEASURABLE = 600, 400
NOISE = 0.05  # of a measurement, as a share of the distance from the least to the median loss
LEAST_WEIGHT = 2e-4  # as search.min_weight
OURS, PUBLISHED = "default", "climb"


def log_linear(domains: int, rng: np.random.Generator) -> Loss:
    """Return the exponential of a linear function, with a heavy tail at bad corners."""
    slopes = rng.normal(0, 1.5, domains)
    return lambda weights: np.exp(weights @ slopes)


def power(domains: int, rng: np.random.Generator) -> Loss:
    """Return a sum of power laws, of which a few domains have most."""
    relevance, exponents = rng.dirichlet(np.full(domains, 0.5)), rng.uniform(0.1, 0.5, domains)
    return lambda weights: (weights + 0.003) ** -exponents @ relevance


def saturating(domains: int, rng: np.random.Generator) -> Loss:
    """Return a sum of exponentials that level off, each at a share of its own."""
    relevance, rates = rng.dirichlet(np.full(domains, 0.5)), np.exp(rng.normal(np.log(10), 1, domains))
    return lambda weights: np.exp(-rates * weights) @ relevance


def interactions(domains: int, rng: np.random.Generator) -> Loss:
    """Return a linear function with pairs of domains that help or hinder each other."""
    slopes, pairs = rng.normal(0, 1, domains), rng.integers(domains, size=(2, 2 * domains))
    strengths = rng.normal(0, 4, 2 * domains)
    return lambda weights: weights @ slopes + (weights[:, pairs[0]] * weights[:, pairs[1]]) @ strengths


def steps(domains: int, rng: np.random.Generator) -> Loss:
    """Return a function that falls at three thresholds of each domain, and a small slope."""
    relevance, slopes = rng.dirichlet(np.full(domains, 0.5)), rng.normal(0, 0.2, domains)
    thresholds = np.exp(rng.uniform(np.log(0.01), np.log(0.5), (3, domains)))
    return lambda weights: (weights[:, None] < thresholds).mean(axis=1) @ relevance + weights @ slopes


FAMILIES = {family.__name__: family for family in (log_linear, power, saturating, interactions, steps)}


@dataclass(frozen=True)
class Case:
    """One table: a family of losses, how many domains, how the mixtures lie, and the seed of all of it."""

    family: str
    domains: int
    design: str
    seed: int


@dataclass(frozen=True)
class Table:
    """The mixtures that may be measured (n, K) with what is measured (n,); those held out with their true losses."""

    pool: FloatArray
    measured: FloatArray
    held_out: FloatArray
    truth: FloatArray


def make_table(case: Case) -> Table:
    """Return a table: losses, mixtures and noise from the case alone."""
    rng = generator(case.seed, "synthetic family", case.family, case.domains, case.design)
    loss = FAMILIES[case.family](case.domains, rng)
    weights = draw_mixtures(case.domains, case.design, rng)
    losses = loss(weights)
    noise = NOISE * (np.median(losses) - losses.min()) * rng.standard_normal(len(losses))
    return Table(weights[:MEASURABLE], (losses + noise)[:MEASURABLE], weights[MEASURABLE:], losses[MEASURABLE:])


def draw_mixtures(domains: int, design: str, rng: np.random.Generator) -> FloatArray:
    """Return different mixtures (n, K) around an uneven prior: Dirichlet draws of many strengths.

    Sparse ones have the strengths of a search's own draws (`search.strength`), dense ones strengths of K to 8 K.
    """
    prior, count = rng.dirichlet(np.full(domains, 2.0)), 3 * MIXTURES
    ends = (0.1, 5.0) if design == "sparse" else (domains, 8 * domains)
    strengths = rng.choice(np.geomspace(*ends, 15), count)
    draws = np.array([rng.dirichlet(strength * prior) for strength in strengths])
    weights = floor_and_round(draws[np.isfinite(draws).all(axis=1)], LEAST_WEIGHT)
    _, first = np.unique(weights, axis=0, return_index=True)
    return weights[np.sort(first)[:MIXTURES]]


def measure_picks(case: Case, budget: int) -> dict[str, float]:
    """Return the regret of each policy's pick among the held-out mixtures."""
    table = make_table(case)
    searches = {name: search(name, table, budget, case.seed) for name in (OURS, PUBLISHED, "regmix")}
    picks = {name: found.pick(table.held_out) for name, found in searches.items()}
    ours = searches[OURS]
    picks["least mean"] = int(np.argmin(ours.predict(table.held_out).mean))
    for candidate in CANDIDATES:
        picks[f"+ {candidate}"] = fit_with((candidate,), ours, case.seed).pick(table.held_out)
    return {name: regret(table.truth[pick], table.truth) for name, pick in picks.items()}


def search(policy: str, table: Table, budget: int, seed: int) -> Search:
    """Return the policy's search over the table."""
    return run_search(
        POLICIES[policy], table.pool, lambda rows: {"loss": table.measured[rows]}, {"loss": 1.0}, budget, seed
    )


def measure(seeds: int, budgets: list[int], cache: Path | None) -> dict[int, dict[Case, dict[str, float]]]:
    """Return the regrets of each budget, case and policy; what the cache holds is not measured again."""
    cases = list(itertools.starmap(Case, itertools.product(FAMILIES, DOMAINS, DESIGNS, range(seeds))))
    found: dict[int, dict[Case, dict[str, float]]] = {budget: {} for budget in budgets}
    known = read_rows(cache)
    for budget in budgets:
        for done, case in enumerate(cases, 1):
            key = code_key("climb_assets.search.policy", case, budget)
            found[budget][case] = find_row(cache, known, key, partial(measure_picks, case, budget))
            if done % 20 == 0:
                print(f"{budget} rows: {done} of {len(cases)} tables", file=sys.stderr)
    return found


def summarise(rows: Mapping[Case, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return for each policy the mean regret, the worst, and how many picks in a hundred are worse than the median."""
    by_policy = {name: np.array([row[name] for row in rows.values()]) for name in next(iter(rows.values()))}
    return {
        name: {"mean": float(all_.mean()), "worst": float(all_.max()), "above": 100 * float((all_ > 1).mean())}
        for name, all_ in by_policy.items()
    }


def describe(found: Mapping[int, Mapping[Case, Mapping[str, float]]]) -> str:
    """Return for each budget the mean and the worst regret, in %: a line a family, domains and design, then of all."""
    text = []
    for budget, rows in found.items():
        names = list(next(iter(rows.values())))
        kinds = dict.fromkeys((case.family, case.domains, case.design) for case in rows)
        groups = {
            kind: {case: row for case, row in rows.items() if (case.family, case.domains, case.design) == kind}
            for kind in kinds
        }
        lines = [[*kind, *_cells(summarise(group), names)] for kind, group in groups.items()]
        lines.append(["all", "", "", *_cells(summarise(rows), names)])
        text += [f"\n{budget} rows: mean / worst regret of a pick, % (worse than the median, % of the picks)\n"]
        text += [tabulate(lines, ["family", "domains", "design", *names], tablefmt="github")]
    return "\n".join(text)


def _cells(said: Mapping[str, Mapping[str, float]], names: Sequence[str]) -> list[str]:
    rows = [said[name] for name in names]
    return [f"{100 * row['mean']:.0f} / {100 * row['worst']:.0f} ({row['above']:.0f})" for row in rows]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="tables of each family, domains and design (%(default)s)")
    parser.add_argument("--budgets", type=int, nargs="+", default=list(BUDGETS), help="rows measured (28 56 112)")
    parser.add_argument("--cache", type=Path, help="file of JSON lines that keeps finished tables")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found = measure(arguments.seeds, arguments.budgets, arguments.cache)
    if not arguments.json:
        print(describe(found))
        return
    said = {budget: summarise(rows) for budget, rows in found.items()}
    fewest = said[min(said)]
    ours, peer = fewest[OURS]["worst"], fewest[PUBLISHED]["worst"]
    details = {"peer": f"worst pick of {PUBLISHED} at {min(said)} rows", "seeds": arguments.seeds, "budgets": said}
    record = {"name": "synthetic_families", "ours": ours, "peer": peer, "ratio": peer / ours, "unit": "regret"}
    print(json.dumps(record | {"details": details}))


if __name__ == "__main__":
    main()

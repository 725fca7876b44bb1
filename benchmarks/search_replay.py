"""Who finds the best mixture with how many proxies? Policies replayed on a table of runs that were really trained.

A policy may look up the losses of two thirds of the runs, as many as its budget; the rest is held out, the same for
all policies and fixed by the seed before anything is fitted. Regret is (true loss - best) / (median - best).
'found': the measured mixture that looked best. 'new': the final predictor's choice among the held-out mixtures. A
policy of one shot measures its pick as well, one run beyond its budget.

    python benchmarks/search_replay.py --table DIR [--seeds 30] [--policies default climb] [--json]

DIR holds ratios.csv and metrics.csv (Olmix's layout) or RegMix's files. RegMix's table of 1M-parameter models is
published at https://github.com/sail-sg/regmix in the folder data (MIT licence); its four targets
are the default there. Where no table is given, it is the folder regmix of $CLIMB_SWARM_TABLES.

With --noise or --maximise also the guard: of the answers that the product would call better than the best baseline, how
many are.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np
from finished_rows import add_row, read_code, read_rows
from tabulate import tabulate

from climb_assets import config_search
from climb_assets.errors import ClimbError, ComputeError, ConfigError
from climb_assets.search.policy import POLICIES
from climb_assets.search.replay import Job, Problem, Row, load_table, pool_size, replay_fit, replay_search
from climb_assets.search.swarm_table import metric_names, read_swarm
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.artifacts import canonical_json, sha256_file, sha256_text

PILE = {
    short: f"the_pile_{short}"
    for short in (
        *("arxiv", "freelaw", "pubmed_central", "wikipedia_en", "dm_mathematics", "github", "stackexchange"),
        *("gutenberg_pg_19", "pile_cc", "ubuntu_irc", "hackernews", "pubmed_abstracts", "uspto_backgrounds"),
    )
}
REGMIX_TARGETS = {
    "pile_cc": (PILE["pile_cc"],),
    "mean13": tuple(PILE.values()),
    "code_math": tuple(PILE[short] for short in ("github", "dm_mathematics", "stackexchange", "arxiv")),
    "hackernews": (PILE["hackernews"],),
}
BUDGETS = (28, 56, 112)
FRONTIER = (28, 32, 36)  # how many does the default need for what the published policy finds with its largest budget?
PUBLISHED, DEFAULT = "climb", "default"
FAMILIES = ("stack", *get_args(config_search.Family))


def main() -> int:
    """Run what was asked for and print it; return the exit code."""
    arguments = parse_arguments()
    tables = os.environ.get("CLIMB_SWARM_TABLES")
    if arguments.table is None and tables is None:
        print("skipped: give a table with --table (--help says where one is published)")
        return 0
    folder = (arguments.table or Path(str(tables)) / "regmix").resolve()
    try:
        replay(arguments, folder)
    except ClimbError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def positive(text: str) -> int:
    """Return the whole number of an option that must be at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def parse_arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--table", type=Path, help="folder of the weights and the metrics")
    add("--seeds", type=positive, default=30, help="how many (%(default)s)")
    add("--budgets", type=int, nargs="+", help="proxies of a search (28 56 112)")
    add("--policies", nargs="+", choices=POLICIES, default=list(POLICIES), help="(all)")
    add("--targets", nargs="+", metavar="NAME=METRIC+METRIC", help="means of metrics; a bare NAME is a metric")
    add("--noise", type=float, default=0.0, help="standard deviation of noise on what a policy measures")
    add("--maximise", action="store_true", help="larger is better; RegMix's losses become exp(-loss)")
    add("--permute", action="store_true", help="control: mixtures shuffled against metrics")
    add("--predictors", action="store_true", help="instead: rank correlation of predictors fitted on random mixtures")
    add("--cache", type=Path, help="file of JSON lines that keeps finished searches, so that a run resumes")
    add("--processes", type=positive, default=os.cpu_count(), help="of one thread each (%(default)s)")
    add("--json", action="store_true", help="print a list with one object for each search")
    return parser.parse_args()


def replay(arguments: argparse.Namespace, folder: Path) -> None:
    """Run every search that was asked for and print the rows or the tables."""
    problems = pose_problems(arguments, folder)
    for target, problem in problems.items():
        left_out = read_swarm(folder, problem.metrics).quarantined
        if left_out:
            run, reason = next(iter(left_out.items()))
            print(f"{target}: {len(left_out)} runs are left out, the first, {run}, as {reason}", file=sys.stderr)
    budgets = choose_budgets(arguments.budgets, problems)
    policies = FAMILIES if arguments.predictors else tuple(arguments.policies)
    wanted = [(policy, budget) for policy in policies for budget in budgets]
    if {DEFAULT, PUBLISHED} <= set(policies) and not arguments.json:
        wanted += [(DEFAULT, budget) for budget in FRONTIER if budget < max(budgets) and budget not in budgets]
    seeds = tuple(range(arguments.seeds))
    jobs = [
        Job(problem, policy, budget, seed)
        for seed in seeds
        for policy, budget in wanted
        for problem in problems.values()
    ]
    rows = answer(jobs, replay_fit if arguments.predictors else replay_search, arguments.processes, arguments.cache)
    table = Table(rows, problems, seeds)
    if arguments.json:
        print(json.dumps(table.records()))
    elif arguments.predictors:
        show_predictors(table, budgets)
    else:
        show_regrets(table, policies, budgets)


def pose_problems(arguments: argparse.Namespace, folder: Path) -> dict[str, Problem]:
    """Return the problem of each target: those given, RegMix's four, or each metric and their mean."""
    if arguments.targets is None:
        targets = default_targets(folder)
    else:
        parts = [target.partition("=") for target in arguments.targets]
        targets = {name: tuple((members or name).split("+")) for name, _, members in parts}
    regmix = set(REGMIX_TARGETS["mean13"])
    problems = {}
    for name, members in targets.items():
        goal = ("likelihood" if set(members) <= regmix else "maximise") if arguments.maximise else "minimise"
        problems[name] = Problem(folder, members, goal, arguments.noise, arguments.permute)
    return problems


def default_targets(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the four targets of RegMix's table, or each metric of another one and their mean."""
    metrics = tuple(metric_names(folder))
    if set(REGMIX_TARGETS["mean13"]) <= set(metrics):
        return REGMIX_TARGETS
    targets = {metric: (metric,) for metric in metrics}
    if len(metrics) > 1:
        try:
            load_table(folder, metrics)
            targets["mean"] = metrics
        except ComputeError as error:
            print(f"the mean of all metrics is left out: {error}", file=sys.stderr)
    return targets


def choose_budgets(given: Sequence[int] | None, problems: Mapping[str, Problem]) -> tuple[int, ...]:
    """Return the budgets, of the default ones those that leave some of the pool unmeasured."""
    pool = min(pool_size(len(load_table(problem.folder, problem.metrics).keys)) for problem in problems.values())
    budgets = tuple(sorted(given or [budget for budget in BUDGETS if budget < pool]))
    if not budgets or not 3 <= budgets[0] <= budgets[-1] < pool:
        raise ConfigError(f"a budget is 3 to {pool - 1} with this table; choose others with --budgets")
    return budgets


def answer(jobs: Sequence[Job], function: Callable[[Job], Row], processes: int, cache: Path | None) -> dict[Job, Row]:
    """Return the row of each job; those that the cache holds are not run again."""
    known, keys = read_rows(cache), cache_keys(jobs, function)
    waiting = [job for job in jobs if keys[job] not in known]
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the processes that are started here
    with get_context("spawn").Pool(processes) as pool:  # a pool's workers end when this process is killed
        for done, (job, row) in enumerate(zip(waiting, pool.imap(function, waiting), strict=True), 1):
            known[keys[job]] = row
            add_row(cache, keys[job], row)
            if done % 100 == 0 or done == len(waiting):
                print(f"{done} of {len(waiting)} searches", file=sys.stderr)
        pool.close()
        pool.join()  # leaving the block would send SIGTERM, which a caller may have told us all to ignore
    return {job: known[keys[job]] for job in jobs}


def cache_keys(jobs: Sequence[Job], function: Callable[[Job], Row]) -> dict[Job, str]:
    """Return a key of each job that changes with the table, the settings and the code."""
    code = read_code("climb_assets.search.replay")
    folders = {job.problem.folder for job in jobs}
    tables = {folder: [sha256_file(path) for path in sorted(folder.glob("*.csv"))] for folder in folders}
    settings = {name: repr(policy) for name, policy in POLICIES.items()} | {"": repr(config_search.Search())}
    shared = sha256_text(canonical_json([function.__name__, code, settings]))
    return {
        job: sha256_text(
            canonical_json([shared, tables[job.problem.folder], asdict(job) | {"problem": repr(job.problem)}])
        )
        for job in jobs
    }


@dataclass(frozen=True)
class Table:
    """Rows of searches, and the targets and seeds that they are averaged over."""

    rows: Mapping[Job, Row]
    problems: Mapping[str, Problem]
    seeds: Sequence[int]

    def records(self) -> list[dict[str, object]]:
        """Return one record for each search (design.md 7)."""
        targets = {problem: target for target, problem in self.problems.items()}
        return [
            {"policy": job.policy, "default": job.policy == DEFAULT, "target": targets[job.problem]}
            | {"budget": job.budget, "seed": job.seed}
            | row
            for job, row in self.rows.items()
        ]

    def of(self, policy: str, budget: int, quantity: str, target: str | None = None) -> FloatArray | None:
        """Return a quantity by seed, of one target or the mean of all; None where the policy has none."""
        problems = [problem for name, problem in self.problems.items() if target in (None, name)]
        values = [
            [self.rows[Job(problem, policy, budget, seed)][quantity] for problem in problems] for seed in self.seeds
        ]
        return None if values[0][0] is None else np.array(values, dtype=np.float64).mean(axis=1)


def spread(values: FloatArray | None, scale: float = 100, decimals: int = 1) -> str:
    """Return a mean over seeds with its standard error."""
    if values is None:
        return "-"
    error = f" +- {scale * values.std(ddof=1) / np.sqrt(len(values)):.{decimals}f}" if len(values) > 1 else ""
    return f"{scale * values.mean():.{decimals}f}{error}"


def show_regrets(table: Table, policies: Sequence[str], budgets: Sequence[int]) -> None:
    """Print the regrets of each policy, the differences to the published one, and what goes with them."""
    columns = [(quantity, budget) for quantity in ("found", "new") for budget in budgets]
    print(f"regret %, mean of {', '.join(table.problems)} +- standard error over {len(table.seeds)} seeds\n")
    lines = [[policy, *(spread(table.of(policy, budget, name)) for name, budget in columns)] for policy in policies]
    print_table(["policy", *(f"{quantity} {budget}" for quantity, budget in columns)], lines)
    others = [policy for policy in policies if policy != PUBLISHED]
    if PUBLISHED in policies and others:
        show_differences(table, others, budgets)
    if "claimed" in next(iter(table.rows.values())):
        show_guard(table, policies, budgets)


def show_differences(table: Table, policies: Sequence[str], budgets: Sequence[int]) -> None:
    """Print policies less the published one, paired by seed, and how few proxies the default needs for the same."""
    print(f"\nregret less that of {PUBLISHED}, paired by seed; points, below 0 is better\n")
    pairs = [(policy, budget, budget) for policy in policies for budget in budgets]
    pairs += [(DEFAULT, few, many) for few, many in pairwise(budgets) if DEFAULT in policies]
    lines = [
        [f"{policy} {few} - {PUBLISHED} {many}", *(subtract(table, policy, few, many, q) for q in ("found", "new"))]
        for policy, few, many in pairs
    ]
    print_table(["", "found", "new"], lines)
    if DEFAULT in policies:
        theirs = table.of(PUBLISHED, max(budgets), "found")
        ours = {budget: table.of(DEFAULT, budget, "found") for budget in FRONTIER if budget < max(budgets)}
        enough = [str(budget) for budget, found in ours.items() if found.mean() <= theirs.mean()]
        needs = enough[0] if enough else f"more than {max(ours, default=0)}"
        listed = ", ".join(f"{spread(found)} with {budget}" for budget, found in ours.items())
        print(f"\n{PUBLISHED} finds {spread(theirs)} with {max(budgets)}; {DEFAULT} needs {needs} ({listed})")


def subtract(table: Table, policy: str, few: int, many: int, quantity: str) -> str:
    """Return a policy's quantity with few proxies less the published policy's with many."""
    ours, theirs = table.of(policy, few, quantity), table.of(PUBLISHED, many, quantity)
    return "-" if ours is None or theirs is None else spread(ours - theirs)


def show_guard(table: Table, policies: Sequence[str], budgets: Sequence[int]) -> None:
    """Print how often an answer was called better than the best baseline, and how often that held."""
    from scipy.stats import binomtest

    print("\n'better than the best baseline', all targets, budgets and seeds\n")
    lines = []
    for policy in policies:
        rows = [row for job, row in table.rows.items() if job.policy == policy and job.budget in budgets]
        held = [bool(row["true"]) for row in rows if row["claimed"]]
        interval = binomtest(sum(held), len(held)).proportion_ci(0.95) if held else None
        told = f"{np.mean(held):.3f} ({interval.low:.3f} to {interval.high:.3f})" if interval else "-"
        better = sum(bool(row["true"]) for row in rows)
        lines.append([policy, len(rows), better, len(held), told])
    print_table(["policy", "searches", "truly better", "claimed", "share of claims that held (95 % interval)"], lines)


def show_predictors(table: Table, budgets: Sequence[int]) -> None:
    """Print the rank correlation of each family on held-out mixtures."""
    print(f"Spearman correlation on held-out mixtures, fitted on n random ones, {len(table.seeds)} seeds\n")
    lines = [
        [f"{target} n={budget}", *(spread(table.of(family, budget, "spearman", target), 1, 3) for family in FAMILIES)]
        for target in table.problems
        for budget in budgets
    ]
    print_table(["", *FAMILIES], lines)


def print_table(headers: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(tabulate(lines, headers, "github", disable_numparse=True))


if __name__ == "__main__":
    sys.exit(main())

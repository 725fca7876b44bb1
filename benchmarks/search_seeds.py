"""What does a search conclude from seed to seed? A profile's search on one corpus, again and again with other seeds.

Each seed is one `climb up --to target_comparison` on the same lake, so that corpus, clusters and domains are made
once; the search, the confirmation and the order of texts are the seed's own. Stopped, it goes on where it was. The
report has, for each objective, what was said of the answers by proxies, against the best baseline, and what target
models saw, with the mean over seeds and a 95 % interval of it (Student's t).

    climb --profile demo demo-corpus
    python benchmarks/search_seeds.py run --lake data_lake/demo --folder FOLDER [--profile demo] [--seeds 10]
    python benchmarks/search_seeds.py report --folder FOLDER [--json]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats
from tabulate import tabulate

from climb_assets.config_file import load_config
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table

NAME = "verdicts of a search from seed to seed"
KEPT = {"optimal_mixture": "selection.json", "target_comparison": "comparison.parquet"}
FINISHED = "cost.json"


def run(lake: Path, folder: Path, profile: str, seeds: int) -> None:
    """Search with each seed, and copy what it concluded."""
    search = yaml.safe_load(
        (resources.files("climb_assets") / "profiles" / f"{profile}.yaml").read_text(encoding="utf-8")
    )["search"]
    for seed in range(seeds):
        out = folder / f"seed-{seed}"
        if (out / FINISHED).exists():
            continue
        out.mkdir(parents=True, exist_ok=True)
        settings = {"profile": profile, "lake": str(lake.resolve()), "search": search | {"seed": seed}}
        (out / "climb.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [sys.executable, "-m", "dagster_project.cli", "--config", str(out / "climb.yaml")]
        environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (out / "log.txt").open("w", encoding="utf-8") as log:
            arguments = ["up", "--to", "target_comparison", "--yes"]
            subprocess.run([*command, *arguments], env=environment, stdout=log, stderr=log, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        store = LocalStore(lake)
        for objective in load_config(out / "climb.yaml").objectives:
            for asset, file in KEPT.items():
                shutil.copy(store.get(asset, objective).file(file), out / f"{objective}-{file}")
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        (out / FINISHED).write_text(json.dumps({"processor_seconds": round(seconds, 1)}), encoding="utf-8")
        print(f"seed {seed}: {seconds:.0f} processor seconds", flush=True)


def collect(folder: Path) -> dict[str, Any]:
    """Return, by objective, what each seed said of its answer and what its target models saw."""
    finished = sorted((path.parent for path in folder.glob(f"seed-*/{FINISHED}")), key=lambda path: int(path.name[5:]))
    found: dict[str, Any] = {}
    for out in finished:
        for path in sorted(out.glob("*-selection.json")):
            objective = path.name.removesuffix("-selection.json")
            evidence = json.loads(path.read_text(encoding="utf-8"))["evidence"]
            said = "better" if evidence["conclusion"].startswith("better") else "no better"
            worst = max(evidence["gaps"], key=lambda gap: gap["difference"])  # to the best baseline
            rows = read_table(out / f"{objective}-comparison.parquet").to_pylist()
            one = {"seed": int(out.name[5:]), "said": said, "proxies": {worst["baseline"]: worst["difference"]}}
            one["targets"] = [row for row in rows if row["family"] == "primary"]
            found.setdefault(objective, []).append(one)
    return found


def summarise(searches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for what was said, and one for each comparison of target models."""
    said = Counter(one["said"] for one in searches)
    gaps = [gap for one in searches for gap in one["proxies"].values()]
    rows = [{"what": "said of the answer, against the best baseline", **_mean(gaps), **said}]
    for arm, measure in dict.fromkeys((row["arm"], row["measure"]) for one in searches for row in one["targets"]):
        seen = [row for one in searches for row in one["targets"] if (row["arm"], row["measure"]) == (arm, measure)]
        verdicts = Counter(row["verdict"] for row in seen)
        rows.append(
            {"what": f"targets: {measure}, against {arm}", **_mean([r["difference"] for r in seen]), **verdicts}
        )
    return rows


def _mean(differences: list[float]) -> dict[str, str]:
    mean, error = np.mean(differences), stats.sem(differences)
    half = float(stats.t.ppf(0.975, len(differences) - 1) * error)
    return {"mean (95 % of it)": f"{mean:+.3f} ({mean - half:+.3f} .. {mean + half:+.3f})"}


def main() -> None:
    """Parse the command line and do one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("run", "report"))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.step == "run":
        run(arguments.lake, arguments.folder, arguments.profile, arguments.seeds)
        return
    found = collect(arguments.folder)
    if arguments.json:
        print(json.dumps({"name": NAME, "details": found}))
        return
    for objective, searches in found.items():
        print(f"\n{objective}: {len(searches)} searches")
        print(tabulate(summarise(searches), headers="keys"))


if __name__ == "__main__":
    main()

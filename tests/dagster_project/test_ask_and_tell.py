"""`proxy.trainer: ask`: a search whose proxies people train waits for them, and ends with answer, lineage and audit."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from climb_assets.audit.bundle_export import export_bundle
from climb_assets.audit.garbage import collect_garbage
from climb_assets.audit.verification import verify_lake
from climb_assets.graph.planner import make_plan
from climb_assets.tables import read_table
from climb_assets.training.domain_tokens import DOMAIN_TOKENS
from dagster_project.cli import WAITING, main
from tests.dagster_project.conftest import assets
from tests.dagster_project.test_kept import open_project

pytestmark = pytest.mark.slow

BEST = 0.5  # share of the first domain that everything is best at
MOST_ROUNDS = 10

Climb = Callable[..., Result]


@pytest.fixture
def climb(project: Path) -> Climb:
    """Return the command line on a project whose proxies people train."""
    open_project(project, proxy={"trainer": "ask"})
    return lambda *arguments: CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *map(str, arguments)])


def measure(folder: Path) -> Path:
    """Fill the table of a folder by its weights, as a cluster would that trains models; return the table."""
    with (folder / "ratios.csv").open() as stream:
        first = {row["run_id"]: float(list(row.values())[4]) for row in csv.DictReader(stream)}
    with (folder / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        noise = 0.001 * (int(row["repeat"]) % 7)
        row |= dict.fromkeys(("first_text", "second_text"), f"{2 + (first[row['run_id']] - BEST) ** 2 + noise:.6f}")
    write(folder / "metrics.csv", rows)
    return folder / "metrics.csv"


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as stream:
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def answer(climb: Climb, folder: Path) -> Result:
    """Answer everything that is asked."""
    assert climb("ask", "--out", folder).exit_code == 0
    return climb("tell", measure(folder), "--by", "a cluster", "--metric", "eval-1")


def test_a_search_by_ask_and_tell(climb: Climb, project: Path) -> None:
    waited: list[str] = []
    while (up := climb("up")).exit_code == WAITING:
        waited.append(up.stderr.splitlines()[-1])
        told = answer(climb, project / f"round-{len(waited)}")
        assert told.exit_code == 0, told.output
        assert len(waited) < MOST_ROUNDS
    assert up.exit_code == 0, up.output
    assert waited[0] == (
        "climb: proxies [iteration-01]: 8 of 8 models wait for results; `climb ask` writes what is to be trained, "
        "`climb tell` takes what was measured"
    )
    assert [re.findall(r"(\w+ \[[\w-]+\]): (\d+)", line) for line in waited[:3]] == [
        [("proxies [iteration-01]", "8")],
        [("proxies [iteration-02]", "2")],
        [("proxies [iteration-03]", "2")],
    ]
    assert any("confirmation [general]" in line and "confirmation [science]" in line for line in waited)
    assert climb("ask").output.startswith("Nothing is asked for")

    opened = open_project(project)
    assert not assets(make_plan(opened)) and verify_lake(opened).differences == ()
    weights = read_table(opened.get("optimal_mixture", "general").file("weights.parquet"))["confirmed"].to_pylist()
    measured = read_table(opened.get("proxy_results", "iteration-01").file("results.parquet")).to_pylist()
    best = min(row["loss"] for row in measured)
    assert 2 + (weights[0] - BEST) ** 2 <= best + 0.01
    realised = read_table(opened.get("proxy_results", "iteration-01").file("realised.parquet"))
    assert realised["tokens"].null_count == realised.num_rows  # nobody tells

    bundle = export_bundle(opened.get("audit_bundle", "general"), project / "audit")
    assert re.search(r'models were trained elsewhere: .*"by":"a cluster".*"eval-1"', (bundle / "report.md").read_text())
    lineage = json.loads((bundle / "lineage.json").read_text())
    assert any(name.startswith("table:") for name in lineage["outside"])
    assert ["told_results", "proxy_results@iteration-01"] in lineage["edges"]
    collect_garbage(opened)
    assert verify_lake(opened).differences == () and not assets(make_plan(opened))


def test_a_corrected_answer_makes_stale_what_rests_on_it(climb: Climb, project: Path) -> None:
    assert climb("up", "--to", "proxy_results").exit_code == WAITING
    assert answer(climb, project / "first").exit_code == 0
    assert climb("up", "--to", "proxy_results").exit_code == WAITING  # of the second iteration
    opened = open_project(project)
    results = opened.get("proxy_results", "iteration-01")
    collect_garbage(opened)  # people may be reading what they were handed
    assert {tokens.summary["tokens"][0] > 0 for tokens in opened.store.all_of(DOMAIN_TOKENS)} == {True}

    table = project / "first" / "metrics.csv"
    rows = list(csv.DictReader(table.open()))
    rows[0]["first_text"] = "9.5"
    write(table, rows)
    arguments = ("tell", table, "--by", "a cluster", "--metric", "eval-1")
    refused = climb(*arguments)
    assert refused.exit_code == 2
    assert answer(climb, project / "second").exit_code == 0
    refused = climb(*arguments)
    assert refused.exit_code == 2 and "was told before, and otherwise" in refused.stderr
    told = climb(*arguments, "--replace")
    assert told.stdout == "8 models told of, 1 of them in place of others; `climb up` goes on.\n"
    (item,) = [one for one in make_plan(open_project(project)).stale if one.name == "proxy_results[iteration-01]"]
    assert item.certain and [(cause.kind, cause.input) for cause in item.causes] == [("data", "told_results")]
    climb("up", "--to", "proxy_results")
    corrected = open_project(project).get("proxy_results", "iteration-01")
    losses = read_table(corrected.file("results.parquet"))["loss"].to_pylist()
    assert 9.5 in losses and 9.5 not in read_table(results.file("results.parquet"))["loss"].to_pylist()


def test_it_is_asked_once_and_waiting_is_said(climb: Climb, project: Path) -> None:
    assert climb("up", "--to", "proxy_results").exit_code == WAITING
    first = climb("ask")
    folder = Path(first.stdout.splitlines()[-1])
    assert first.stdout.splitlines()[0] == "proxies [iteration-01]: 8 models"
    assert "proxies [iteration-01]: 8 models wait for results; see `climb ask`." in climb("status").stdout
    (folder / "metrics.csv").write_text("somebody is filling this")
    assert climb("ask").stdout == first.stdout
    assert (folder / "metrics.csv").read_text() == "somebody is filling this"
    again = climb("ask", "--out", folder)
    assert again.exit_code == 2 and "is there already" in again.stderr
    no_metric = climb("tell", folder / "metrics.csv", "--by", "me", "--metric", "a", "--metric", "b")
    assert no_metric.exit_code == 2 and "names no task in 'b'" in no_metric.stderr
    misspelt = climb("tell", folder / "metrics.csv", "--by", "me", "--metric", "first_txt=2")
    assert misspelt.exit_code == 2 and "names no task in 'first_txt=2'" in misspelt.stderr

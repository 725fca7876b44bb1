"""A replay's regrets are what they say, its holdout is fixed in advance, and its command prints them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from climb_assets.errors import ComputeError
from climb_assets.search.replay import Job, Problem, pool_size, regret, replay_fit, replay_search, split

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "search_replay.py"


@pytest.fixture
def folder(tmp_path):
    """Return a swarm of 90 runs in which two metrics follow from the weights."""
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.full(4, 0.7), 90)
    lines = [",".join([f"run-{row}", *map(repr, mixture.tolist())]) for row, mixture in enumerate(weights)]
    (tmp_path / "ratios.csv").write_text("\n".join(["run_id,a,b,c,d", *lines]))
    losses = np.stack([2 - np.sqrt(weights[:, 0]), 3 - np.sqrt(weights[:, 1])], axis=1)
    lines = [",".join([f"run-{row}", *map(repr, loss.tolist())]) for row, loss in enumerate(losses)]
    (tmp_path / "metrics.csv").write_text("\n".join(["run_id,arc,piqa", *lines[::-1]]))
    return tmp_path


def test_regret_is_0_at_the_best_and_1_at_the_median():
    losses = np.array([1.0, 2.0, 3.0, 7.0, 9.0])
    assert [regret(loss, losses) for loss in (1.0, 3.0, 9.0)] == [0.0, 1.0, 4.0]
    with pytest.raises(ComputeError, match="tells mixtures apart"):
        regret(1.0, np.array([1.0, 1.0, 2.0]))


def test_the_holdout_depends_on_the_seed_alone_and_is_never_in_the_pool(folder):
    table = split(Problem(folder, ("arc",)), 1)
    assert len(table.pool) == pool_size(90) == 60
    assert not {row.tobytes() for row in table.pool} & {row.tobytes() for row in table.held_out}
    noisy = split(Problem(folder, ("arc", "piqa"), "maximise", 0.1), 1)
    assert np.array_equal(noisy.pool, table.pool)
    assert not np.array_equal(split(Problem(folder, ("arc",)), 2).pool, table.pool)


def test_noise_is_seen_and_never_judged_by(folder):
    plain, noisy = (split(Problem(folder, ("arc", "piqa"), noise=noise), 1) for noise in (0.0, 0.1))
    rows = np.arange(60)
    assert np.array_equal(plain.truth, noisy.truth)
    assert np.allclose(plain.observe(rows), plain.truth)
    assert 0.07 < np.std(noisy.observe(rows) - noisy.truth) < 0.13
    assert not np.allclose(noisy.observe(rows, model=0), noisy.observe(rows, model=1))
    assert np.array_equal(noisy.observe(rows)[[5, 9]], noisy.observe(np.array([5, 9])))


def test_what_is_maximised_is_the_metric(folder):
    minimised, maximised, likely = (
        split(Problem(folder, ("arc",), goal), 1) for goal in ("minimise", "maximise", "likelihood")
    )
    assert np.array_equal(maximised.truth, -minimised.truth)
    assert np.array_equal(np.argsort(likely.truth), np.argsort(minimised.truth))


def test_a_search_learns_and_the_control_does_not(folder):
    news = {
        permute: np.mean(
            [replay_search(Job(Problem(folder, ("arc",), permute=permute), "climb", 30, s))["new"] for s in range(3)]
        )
        for permute in (False, True)
    }
    assert news[False] < 0.3 < news[True]


def test_random_search_has_no_answer_of_its_own(folder):
    row = replay_search(Job(Problem(folder, ("arc",)), "random", 20, 1))
    assert row["new"] is None and 0 <= row["found"] < 1


def test_a_family_is_judged_by_its_ranks_on_the_holdout(folder):
    assert replay_fit(Job(Problem(folder, ("arc",)), "gaussian_process", 30, 1))["spearman"] > 0.9


def test_claims_come_with_noise_and_with_maxima(folder):
    row = replay_search(Job(Problem(folder, ("arc",), "maximise", 0.01), "climb", 20, 1))
    assert set(row) == {"found", "new", "answer", "claimed", "true"}


def test_what_is_clearly_better_is_claimed_and_noise_alone_is_not(folder):
    def claims(noise):
        return [replay_search(Job(Problem(folder, ("arc",), noise=noise), "default", 20, seed)) for seed in range(2)]

    clear, blind = claims(1e-4), claims(50.0)
    assert all(row["claimed"] == row["true"] for row in clear)
    assert any(row["claimed"] for row in clear)
    assert not any(row["claimed"] for row in blind)


def replay(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command_prints_records_and_resumes(folder, tmp_path):
    cache = tmp_path / "cache.jsonl"
    arguments = ["--table", folder, "--policies", "random", "--processes", 1, "--cache", cache]
    first = replay(*arguments, "--budgets", 14, "--seeds", 1, "--json")
    records = json.loads(first.stdout)
    assert len(records) == 3  # targets: both metrics and their mean
    assert set(records[0]) == {"policy", "default", "target", "budget", "seed", "found", "new"}
    cache.write_text(cache.read_text()[:-9])
    more = replay(*arguments, "--budgets", 14, "--seeds", 2, "--json")
    again = replay(*arguments, "--budgets", 14, "--seeds", 2, "--json")
    assert json.loads(more.stdout)[:3] == records
    assert json.loads(again.stdout) == json.loads(more.stdout)
    assert "4 of 4 searches" in more.stderr and "searches" not in again.stderr


def test_the_command_prints_means_with_standard_errors_and_paired_differences(folder):
    arguments = ["--policies", "default", "climb", "--budgets", 14, "--seeds", 2, "--targets", "arc", "--processes", 1]
    printed = replay("--table", folder, *arguments, "--noise", 0.001).stdout
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    regrets, searches = lines[2:4], lines[-2:]
    assert [line[0] for line in regrets] == [line[0] for line in searches] == ["default", "climb"]
    assert all("+-" in cell for line in regrets for cell in line[1:])
    assert all("+-" in cell for line in lines if line[0] == "default 14 - climb 14" for cell in line[1:])
    assert [line[1] for line in searches] == ["2", "2"]  # those of the budget that was asked for
    ranks = replay(
        "--table", folder, "--predictors", "--budgets", 14, "--seeds", 2, "--targets", "arc", "--processes", 1
    )
    assert "arc n=14" in ranks.stdout and ranks.stdout.count("+-") == 7


def test_the_command_says_what_is_wrong_in_one_line(folder):
    for arguments, said in ((("--targets", "x=nothing"), "no metric nothing"), (("--budgets", 99), "3 to 59")):
        done = replay("--table", folder, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr and done.stderr.count("\n") == 1

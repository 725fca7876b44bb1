"""Swarms go out and come back unchanged, rows meet by run id, and what cannot be used is named with its reason."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.errors import ComputeError, ConfigError
from climb_assets.search.history import History
from climb_assets.search.swarm_table import as_history, metric_names, read_swarm, write_swarm
from climb_assets.simplex.mixtures import mixture_key

DOMAINS = ("books", "code", "web, filtered")


def history_of(rows, seed=0, diverged=()):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(len(DOMAINS)), rows)
    lost = np.isin(np.arange(rows), diverged)
    losses = {task: np.where(lost, np.nan, rng.normal(3, 1, rows)) for task in ("arc", "piqa")}
    return History.of_own(tuple(map(mixture_key, weights)), 1, weights, losses, lost)


def write(folder, ratios, metrics):
    (folder / "ratios.csv").write_text(ratios)
    (folder / "metrics.csv").write_text(metrics)
    return folder


@pytest.mark.parametrize("file", ["ratios.csv", "metrics.csv"])
@pytest.mark.parametrize("place", [0, 1], ids=["column", "cell"])
def test_bytes_that_are_no_utf8_are_one_sentence(tmp_path, file, place):
    write_swarm(tmp_path, history_of(4), DOMAINS)
    lines = (tmp_path / file).read_bytes().split(b"\n")
    first, rest = lines[place].split(b",", 1)
    lines[place] = first + b"," + rest.replace(b'"', b'"\xff', 1) if place == 0 else b'"\xff",' + rest
    (tmp_path / file).write_bytes(b"\n".join(lines))
    with pytest.raises(ComputeError, match=rf"{file} is not a table"):
        read_swarm(tmp_path)


@settings(deadline=None)
@given(rows=st.integers(1, 30), seed=st.integers(0, 1000))
def test_what_is_written_is_read_to_the_last_bit(rows, seed, tmp_path_factory):
    folder, history = tmp_path_factory.mktemp("swarm"), history_of(rows, seed)
    write_swarm(folder, history, DOMAINS)
    back = as_history(read_swarm(folder), DOMAINS, ("arc", "piqa"))
    assert back.keys == history.keys
    assert np.array_equal(back.weights, history.weights)
    assert all(np.array_equal(back.losses[task], history.losses[task]) for task in history.losses)
    assert not back.diverged.any()


def test_a_diverged_proxy_is_exported_without_metrics_and_comes_back_quarantined(tmp_path):
    history = history_of(5, diverged=(2,))
    write_swarm(tmp_path, history, DOMAINS)
    table = read_swarm(tmp_path)
    assert table.quarantined == {history.keys[2]: "it has no metrics"}
    assert table.runs == history.keys[:2] + history.keys[3:]


def test_runs_meet_by_id_and_not_by_row(tmp_path):
    write(tmp_path, "run_id,name,a,b\nx,first,1,0\ny,second,0.25,0.75\n", "run_id,loss\ny,2.5\nx,1.5\n")
    table = read_swarm(tmp_path)
    assert table.runs == ("x", "y")
    assert table.metrics["loss"].tolist() == [1.5, 2.5]
    assert table.domains == ("a", "b")


def test_data_frames_with_run_name_and_index_are_read_too(tmp_path):
    write(tmp_path, ",run,name,index,a,b\n0,x,n,0,1,0\n", ",run,name,index,loss\n0,x,n,0,1.5\n")
    table = read_swarm(tmp_path)
    assert (table.domains, tuple(table.metrics)) == (("a", "b"), ("loss",))


def test_every_id_is_kept_or_quarantined_with_its_reason(tmp_path):
    write(
        tmp_path,
        "run_id,a,b\nfine,0.5,0.5\nclose,0.5,0.499\nfar,0.5,0.4\nbelow,-0.1,1.1\nword,half,0.5\n"
        "twice,0.5,0.5\ntwice,0.4,0.6\nlonely,1,0\nhole,1,0\nendless,1,0\n,1,0\n",
        "run_id,loss\nfine,1\nclose,1\nfar,1\nbelow,1\nword,1\ntwice,1\nhole,\nendless,inf\nstranger,1\n,1\n",
    )
    table = read_swarm(tmp_path)
    assert table.runs == ("fine", "close")
    assert np.allclose(table.weights.sum(axis=1), 1, atol=1e-12)
    assert table.quarantined == {
        "far": "its weights sum to 0.9, not to 1",
        "below": "its weight of a is not a share",
        "word": "its weight of a is not a share",
        "twice": "its id stands 2 times in ratios.csv",
        "lonely": "it has no metrics",
        "stranger": "it has no weights",
        "hole": "its loss is not a finite number",
        "endless": "its loss is not a finite number",
        "ratios.csv row 11": "it has no id",
        "metrics.csv row 10": "it has no id",
    }


def test_holes_of_a_metric_that_nobody_needs_cost_no_run(tmp_path):
    write(tmp_path, "run_id,a,b\nx,1,0\ny,0,1\n", "run_id,loss,rare\nx,1,\ny,2,3\n")
    assert len(read_swarm(tmp_path).runs) == 1
    assert len(read_swarm(tmp_path, ["loss"]).runs) == 2
    assert metric_names(tmp_path) == ["loss", "rare"]
    with pytest.raises(ConfigError, match="no metric los; name some of loss, rare"):
        read_swarm(tmp_path, ["los"])


def test_regmix_files_keep_train_and_test_apart(tmp_path):
    for split, loss in (("train", 1.0), ("test", 2.0)):
        (tmp_path / f"{split}_mixture_1m.csv").write_text("index,train_web,train_code\n1,0.999,0\n2,0.5,0.5\n")
        (tmp_path / f"{split}_pile_loss_1m.csv").write_text(f"index,metric/web_val_loss\n2,{loss}\n1,3.0\n")
    table = read_swarm(tmp_path)
    assert table.runs == ("train-1", "train-2", "test-1", "test-2")
    assert table.metrics["web"].tolist() == [3.0, 1.0, 3.0, 2.0]
    assert table.weights.tolist() == [[1.0, 0.0], [0.5, 0.5]] * 2
    shutil.copy(tmp_path / "train_mixture_1m.csv", tmp_path / "train_mixture_60m.csv")
    with pytest.raises(ConfigError, match="one model size"):
        read_swarm(tmp_path)


def test_a_mixture_that_was_run_twice_is_one_row_with_the_mean(tmp_path):
    write(tmp_path, "run_id,a,b\nx,1,0\ny,0,1\nz,1,0\n", "run_id,loss\nx,1\ny,5\nz,2\n")
    history = as_history(read_swarm(tmp_path), ("b", "a"), ("loss",))
    assert history.weights.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert history.losses["loss"].tolist() == [1.5, 5.0]


def test_evidence_over_other_domains_or_tasks_is_refused(tmp_path):
    write(tmp_path, "run_id,a,b\nx,1,0\n", "run_id,loss\nx,1\n")
    table = read_swarm(tmp_path)
    with pytest.raises(ComputeError, match="differ in domain b"):
        as_history(table, ("a", "c"), ("loss",))
    with pytest.raises(ComputeError, match="no metric arc"):
        as_history(table, ("a", "b"), ("arc",))


@pytest.mark.parametrize(
    ("ratios", "metrics", "said"),
    [
        ("a,b\n1,0\n", "run_id,loss\nx,1\n", "needs one column run_id"),
        ("run_id,a,a\nx,1,0\n", "run_id,loss\nx,1\n", "no name twice"),
        ("run_id,a,b\nx,1\n", "run_id,loss\nx,1\n", "comma-separated"),
        ("", "run_id,loss\nx,1\n", "comma-separated"),
        ("run_id,a,b\nx,1,0\n", "run_id,loss\ny,1\n", "no run that can be used"),
        ("run_id,a,b\nx,1,0\n", "run_id,note\nx,good\n", "no run that can be used"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, ratios, metrics, said):
    with pytest.raises(ComputeError, match=said) as caught:
        read_swarm(write(tmp_path, ratios, metrics))
    assert "\n" not in str(caught.value)


def test_a_folder_without_tables_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not a swarm table"):
        read_swarm(tmp_path / "nowhere")
    (tmp_path / "train_mixture_1m.csv").write_text("index,train_web\n1,1\n")
    with pytest.raises(ConfigError, match="add the losses"):
        read_swarm(tmp_path)


@pytest.mark.parametrize("domains", [("a", "a", "b"), ("run_id", "a", "b")])
def test_columns_that_would_be_mistaken_are_not_written(tmp_path: Path, domains):
    with pytest.raises(ComputeError, match="cannot be called"):
        write_swarm(tmp_path, history_of(3), domains)

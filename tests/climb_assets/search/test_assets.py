"""What the search leaves in the lake: repeats measure its noise and change nothing else."""

import numpy as np
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.search.history import History
from climb_assets.search.noise import noise_of_objectives, read_noise
from climb_assets.search.proposal import read_candidates
from climb_assets.tables import read_table


@pytest.fixture
def materializer(finished_once):
    return Materializer(load_config(finished_once / "climb.yaml"))


def test_the_first_candidates_are_trained_again_with_other_seeds(materializer):
    candidates = read_candidates(materializer.get("mixture_candidates", "iteration-01").file("candidates.parquet"))
    results = read_table(materializer.get("proxy_results", "iteration-01").file("results.parquet")).to_pylist()
    again = {(row["key"], row["repeat"]) for row in results if row["repeat"]}
    assert again == {(candidate.key, repeat) for candidate in candidates[:2] for repeat in (1, 2)}
    assert len({row["loss"] for row in results if row["key"] == candidates[0].key and row["task"] == "first_text"}) == 3
    later = read_table(materializer.get("proxy_results", "iteration-02").file("results.parquet"))
    assert set(later["repeat"].to_pylist()) == {0}


def test_the_history_has_one_row_a_mixture(materializer):
    history = History.load(materializer.get("predictor_state", "iteration-03").file("history.parquet"))
    assert len(set(history.keys)) == len(history.keys) == 8
    results = read_table(materializer.get("proxy_results", "iteration-01").file("results.parquet")).to_pylist()
    first = {row["key"]: row["loss"] for row in results if row["task"] == "first_text" and row["repeat"] == 0}
    counted = dict(zip(history.keys, history.losses["first_text"], strict=True))
    assert {key: counted[key] for key in first} == first


def test_the_noise_travels_with_every_result(materializer):
    states = [materializer.get("predictor_state", key) for key in iteration_keys(materializer.config)]
    first, *later = [read_noise(state.file("noise.parquet")) for state in states]
    assert [(row.measure, row.kind) for row in first] == [
        ("first_text", "task"),
        ("second_text", "task"),
        ("general", "objective"),
        ("science", "objective"),
    ]
    assert all(np.isfinite(row.noise) and row.noise > 0 and row.paired > 0 for row in first)
    assert all(0 < row.degrees < 6 and row.paired_degrees == 2 for row in first)  # of two mixtures and three seeds
    assert all(noise == first for noise in later)
    for objective, noise in noise_of_objectives(states[-1].file("noise.parquet")).items():
        chosen = materializer.get("optimal_mixture", objective).json("selection.json")
        assert (chosen["noise"], chosen["degrees"]) == (noise.paired, noise.paired_degrees)

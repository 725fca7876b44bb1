"""What the search leaves in the lake: repeats measure its noise and change nothing else."""

import numpy as np
import pytest

from climb_assets.config_file import load_config
from climb_assets.proxy.noise import noise_of_objectives, read_noise
from climb_assets.recipe import iteration_keys
from climb_assets.search.iteration import History
from climb_assets.search.proposal import read_candidates
from climb_assets.tables import read_table
from climb_assets.workshop import Workshop


@pytest.fixture
def workshop(finished_once):
    return Workshop(load_config(finished_once / "climb.yaml"))


def test_the_first_candidates_are_trained_again_with_other_seeds(workshop):
    candidates = read_candidates(workshop.get("mixture_candidates", "iteration-01").file("candidates.parquet"))
    results = read_table(workshop.get("proxy_results", "iteration-01").file("results.parquet")).to_pylist()
    again = {(row["key"], row["repeat"]) for row in results if row["repeat"]}
    assert again == {(candidate.key, repeat) for candidate in candidates[:2] for repeat in (1, 2)}
    assert len({row["loss"] for row in results if row["key"] == candidates[0].key and row["task"] == "first_text"}) == 3
    later = read_table(workshop.get("proxy_results", "iteration-02").file("results.parquet"))
    assert set(later["repeat"].to_pylist()) == {0}


def test_the_history_has_one_row_a_mixture(workshop):
    history = History.load(workshop.get("predictor_state", "iteration-03").file("history.parquet"))
    assert len(set(history.keys)) == len(history.keys) == 8
    results = read_table(workshop.get("proxy_results", "iteration-01").file("results.parquet")).to_pylist()
    first = {row["key"]: row["loss"] for row in results if row["task"] == "first_text" and row["repeat"] == 0}
    counted = dict(zip(history.keys, history.losses["first_text"], strict=True))
    assert {key: counted[key] for key in first} == first


def test_the_noise_travels_with_every_result(workshop):
    states = [workshop.get("predictor_state", key) for key in iteration_keys(workshop.config)]
    first, *later = [read_noise(state.file("noise.parquet")) for state in states]
    assert [(row.measure, row.kind) for row in first] == [
        ("first_text", "task"),
        ("second_text", "task"),
        ("general", "objective"),
        ("science", "objective"),
    ]
    assert all(row.degrees == 4 and np.isfinite(row.noise) and row.noise > 0 for row in first)
    assert all(noise == first for noise in later)
    for objective, noise in noise_of_objectives(states[-1].file("noise.parquet")).items():
        chosen = workshop.get("optimal_mixture", objective).json("selection.json")
        assert (chosen["noise"], chosen["degrees"]) == (noise.noise, noise.degrees)

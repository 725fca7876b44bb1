"""The choice over a finished lake: fresh seeds, an answer from the short list, evidence and advice beside it."""

import numpy as np
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.mixture.choice import choose, list_for_confirmation, reference_proxy
from climb_assets.search.baselines import read_baselines
from climb_assets.search.confirmation import fresh_seeds, read_shortlist
from climb_assets.search.item_sampling import read_items
from climb_assets.search.objectives import objective_loss
from climb_assets.search.search_state import read_space, read_space_today
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.tables import read_table
from climb_assets.training.proxy_orders import SCORES

OBJECTIVES = ("general", "science")


@pytest.fixture
def materializer(finished_once):
    return Materializer(load_config(finished_once / "climb.yaml"))


def with_choice(materializer, **changes):
    """Return the same lake under another way to choose."""
    search = materializer.config.search
    search = search.model_copy(update={"choice": search.choice.model_copy(update=changes)})
    return Materializer(materializer.config.model_copy(update={"search": search}))


def rows(artifact, name):
    return read_table(artifact.file(f"{name}.parquet")).to_pylist()


def models(artifact):
    return {row["fingerprint"] for row in rows(artifact, "models")}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_short_list_and_baselines_are_all_trained_with_the_fresh_seeds(materializer, objective):
    confirmed = materializer.get("confirmation_results", objective)
    listed = read_shortlist(confirmed.file("shortlist.parquet"))
    baselines = read_baselines(materializer.get("baseline_mixtures", objective).file("baselines.parquet"))
    assert [entry.name for entry in listed][:2] == ["measured 1", "measured 2"]
    keys = {entry.key for entry in listed} | {mixture_key(weights) for weights in baselines.values()}
    trained = {(row["key"], row["repeat"]) for row in rows(confirmed, "models")}
    assert trained == {(key, seed) for key in keys for seed in fresh_seeds(materializer.config.search)}
    assert {row["task"] for row in rows(confirmed, "results")} == {"first_text", "second_text"}  # none of the report


def test_no_other_part_has_a_model_of_a_fresh_seed(materializer):
    config = materializer.config
    fresh = set(fresh_seeds(config.search))
    others = [("proxy_results", key) for key in iteration_keys(config)]
    others += [("baseline_mixtures", objective) for objective in OBJECTIVES]
    for asset, key in others:
        artifact = materializer.get(asset, key)
        assert not fresh & {row["repeat"] for row in rows(artifact, "models")}
        for objective in OBJECTIVES:
            assert not models(artifact) & models(materializer.get("confirmation_results", objective))


def test_what_confirms_or_judges_was_measured_on_no_item_of_the_search(materializer):
    parts = {}
    for scores in materializer.store.all_of(SCORES):
        parts.setdefault(scores.manifest["inputs"]["proxy_model"], set()).add(scores.manifest["config"]["part"])
    search = [materializer.get("proxy_results", key) for key in iteration_keys(materializer.config)]
    later = [materializer.get(asset, "general") for asset in ("confirmation_results", "target_comparison")]
    fidelity = {row["data_version"] for row in rows(later[1], "models")}  # it measures some of the same target models
    for artifacts, part in ((search, "search"), (later, "confirm")):
        models = {row["data_version"] for artifact in artifacts for row in rows(artifact, "models")} - fidelity
        assert models and all(parts[model] == {part} for model in models)
    assert all("confirm" in parts[model] for model in fidelity)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_losses_of_the_items_make_up_those_of_the_tasks(materializer, objective):
    for asset in ("confirmation_results", "target_comparison"):
        made = materializer.get(asset, objective)
        items = read_items(made.file("items.parquet"))
        for row in rows(made, "results"):
            losses = items[row["key"], row["repeat"]][row["task"]]
            assert losses.bits.sum() / losses.sizes.sum() == pytest.approx(row["loss"])
            assert len(losses.bits) == row["items"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_answer_is_on_the_short_list_and_within_the_limits(materializer, objective):
    selection = materializer.get("optimal_mixture", objective).json("selection.json")
    listed = read_shortlist(materializer.get("confirmation_results", objective).file("shortlist.parquet"))
    answer = next(entry for entry in listed if entry.key == selection["key"])
    assert (list(answer.weights), answer.origin) == (selection["weights"], selection["origin"])
    assert read_space(materializer).limits.kept_by(np.array(selection["weights"]))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_evidence_is_what_the_fresh_seeds_say(materializer, objective):
    selection = materializer.get("optimal_mixture", objective).json("selection.json")
    confirmed, evidence = materializer.get("confirmation_results", objective), selection["evidence"]
    losses = {}
    for row in rows(confirmed, "results"):
        losses.setdefault((row["key"], row["repeat"]), {})[row["task"]] = row["loss"]
    weights = materializer.config.objectives[objective]
    own = [objective_loss(tasks, weights) for (key, _), tasks in losses.items() if key == selection["key"]]
    assert evidence["seeds"] == len(own) == 2
    assert evidence["mean"] == pytest.approx(np.mean(own))
    assert evidence["interval"][0] < evidence["mean"] < evidence["interval"][1]
    shortlist = read_table(materializer.get("confirmation_results", objective).file("shortlist.parquet")).to_pylist()
    baselines = read_baselines(materializer.get("baseline_mixtures", objective).file("baselines.parquet"))
    key_of = {row["name"]: row["key"] for row in shortlist} | {n: mixture_key(w) for n, w in baselines.items()}
    likely = {key_of[name]: probability for name, probability in evidence["probability_best"].items()}
    assert sum(likely.values()) == pytest.approx(1)  # a mixture under two names counts once
    assert {gap["baseline"] for gap in evidence["gaps"]} == {"uniform", "proportional", "unimax"}
    best = max(evidence["gaps"], key=lambda gap: gap["difference"])
    assert evidence["conclusion"].startswith(f"{best['verdict']} {best['baseline']}, the best baseline: ")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_advice_stands_beside_the_answer(materializer, objective):
    answer = materializer.get("optimal_mixture", objective)
    advice = answer.json("advice.json")
    assert answer.summary["advice"] == advice["sentence"]
    assert advice["noise"] == answer.json("selection.json")["noise"] > 0
    assert advice["stop"] is (max(advice["expected_gain"], advice["last_gain"]) < advice["noise"])
    assert 1 <= advice["proxies"] <= materializer.config.search.iterations[-1]


def test_choosing_again_gives_the_same(materializer):
    selection, advice = choose(materializer, read_space(materializer), read_space_today(materializer), "general")
    kept = materializer.get("optimal_mixture", "general")
    assert (selection.key, selection.evidence.mean) == (kept.summary["key"], kept.summary["evidence"]["mean"])
    assert advice.sentence == kept.summary["advice"]


def test_the_published_rule_confirms_nothing_and_says_so(materializer):
    published = with_choice(materializer, rule="published")
    assert list_for_confirmation(published, "general", {}) == []
    selection, _ = choose(published, read_space(published), read_space_today(published), "general")
    assert selection.evidence is None
    assert selection.key == selection.published.key
    assert selection.origin.endswith("no model was trained to confirm it")


def test_only_a_no_regression_floor_needs_a_reference(materializer):
    assert reference_proxy(materializer, "general") is None
    floored = with_choice(materializer, no_regression={"first_text": 0.1})
    baselines = read_baselines(materializer.get("baseline_mixtures", "general").file("baselines.parquet"))
    assert reference_proxy(floored, "general").weights == baselines["proportional"]

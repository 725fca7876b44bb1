"""The audit reaches every trained model that an answer rests on, those of the confirmation too."""

import pytest

from climb_assets.audit.assets import trained_models
from climb_assets.audit.closure import trace
from climb_assets.config_file import load_config
from climb_assets.recipe import iteration_keys
from climb_assets.tables import read_table
from climb_assets.workshop import Workshop


@pytest.fixture
def workshop(finished_once):
    return Workshop(load_config(finished_once / "climb.yaml"))


def fingerprints(workshop, asset, partition):
    models = read_table(workshop.get(asset, partition).file("models.parquet"))
    return set(models["fingerprint"].to_pylist())


@pytest.mark.parametrize("objective", ["general", "science"])
def test_the_closure_has_the_proxies_of_search_confirmation_and_comparison(workshop, objective):
    closure = trace(workshop.lake, [workshop.get(asset, objective) for asset in ("mixed_corpus", "target_comparison")])
    used = [("proxy_results", key) for key in iteration_keys(workshop.config)]
    used += [("confirmation_results", objective), ("target_comparison", objective)]
    assert {f"{asset}@{key}" for asset, key in used} <= set(closure.artefacts)
    wanted = set().union(*(fingerprints(workshop, asset, key) for asset, key in used))
    assert {model.fingerprint for model in trained_models(workshop, closure)} == wanted


@pytest.mark.parametrize("objective", ["general", "science"])
def test_the_bundle_names_them_and_tells_what_was_confirmed(workshop, objective):
    bundle = workshop.get("audit_bundle", objective)
    named = {node["fingerprint"] for node in bundle.json("lineage.json")["proxy_models"]}
    assert fingerprints(workshop, "confirmation_results", objective) <= named
    evidence = workshop.get("optimal_mixture", objective).json("selection.json")["evidence"]
    assert f"Fresh seeds: {evidence['conclusion']}." in bundle.file("report.md").read_text()

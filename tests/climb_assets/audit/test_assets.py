"""The audit reaches every trained model that an answer rests on, those of the confirmation too."""

import pytest

from climb_assets.audit.lineage import trace, trained_models
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.tables import read_table


@pytest.fixture
def materializer(finished_once):
    return Materializer(load_config(finished_once / "climb.yaml"))


def fingerprints(materializer, asset, partition):
    models = read_table(materializer.get(asset, partition).file("models.parquet"))
    return set(models["fingerprint"].to_pylist())


@pytest.mark.parametrize("objective", ["general", "science"])
def test_the_lineage_has_the_proxies_of_search_confirmation_and_comparison(materializer, objective):
    lineage = trace(
        materializer.store, [materializer.get(asset, objective) for asset in ("mixed_corpus", "target_comparison")]
    )
    used = [("proxy_results", key) for key in iteration_keys(materializer.config)]
    used += [("confirmation_results", objective), ("target_comparison", objective)]
    assert {f"{asset}@{key}" for asset, key in used} <= set(lineage.artefacts)
    wanted = set().union(*(fingerprints(materializer, asset, key) for asset, key in used))
    assert {model.fingerprint for model in trained_models(materializer.store, lineage.artefacts.values())} == wanted


@pytest.mark.parametrize("objective", ["general", "science"])
def test_the_bundle_names_them_and_tells_what_was_confirmed(materializer, objective):
    bundle = materializer.get("audit_bundle", objective)
    named = {node["fingerprint"] for node in bundle.json("lineage.json")["proxy_models"]}
    assert fingerprints(materializer, "confirmation_results", objective) <= named
    evidence = materializer.get("optimal_mixture", objective).json("selection.json")["evidence"]
    report = bundle.file("report.md").read_text()
    assert f"Fresh seeds: {evidence['conclusion']}." in report
    rows = read_table(bundle.file("comparison.parquet")).to_pylist()
    counted = {row["family"]: row["comparisons"] for row in rows}
    for family, number in counted.items():
        assert f"all {number} {family} comparisons" in report

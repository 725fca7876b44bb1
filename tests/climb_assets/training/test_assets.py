"""The report of fidelity trains no model twice, and says what it compared."""

from collections import Counter

import pytest

from climb_assets.config_file import load_config
from climb_assets.config_tasks import TextTask
from climb_assets.errors import ConfigError
from climb_assets.graph.materializer import Materializer
from climb_assets.search.proposal import read_candidates
from climb_assets.tables import read_table
from climb_assets.training.fidelity import read_fidelity
from climb_assets.training.measurement import measure
from climb_assets.training.proxy_orders import MODELS, Proxy


@pytest.fixture
def materializer(finished_once):
    return Materializer(load_config(finished_once / "climb.yaml"))


def models_of(materializer, asset, partition):
    """Return mixture and repeat of every model that an artefact was measured on."""
    rows = read_table(materializer.get(asset, partition).file("models.parquet")).to_pylist()
    return {(row["key"], row["repeat"]) for row in rows}


def test_its_models_are_those_of_the_search_and_of_the_comparison(materializer):
    config = materializer.config
    sizes = Counter(model.manifest["config"]["training"]["hidden"] for model in materializer.store.all_of(MODELS))
    search = sum(config.search.iterations) + config.search.anchors * config.search.repeats
    confirmed = set().union(*(models_of(materializer, "confirmation_results", name) for name in config.objectives))
    assert sizes[config.proxy.hidden] == search + len(confirmed) + 2  # only two baselines were no candidates
    compared = set().union(*(models_of(materializer, "target_comparison", name) for name in config.objectives))
    candidates = read_candidates(materializer.get("mixture_candidates", "iteration-01").file("candidates.parquet"))
    also = {(candidate.key, config.target.seeds[0]) for candidate in candidates[: config.fidelity.mixtures]}
    assert sizes[config.target.training.hidden] == len(compared | also)  # only candidates were not compared


def test_every_task_that_decides_and_every_objective_is_in_it(materializer):
    report = materializer.get("proxy_fidelity")
    rows = read_fidelity(report.file("fidelity.parquet"))
    last = max(row.tokens for row in rows)
    assert last == materializer.config.proxy.tokens
    assert [(row.kind, row.measure) for row in rows if row.tokens == last] == [
        ("task", "first_text"),
        ("task", "second_text"),
        ("objective", "general"),
        ("objective", "science"),
    ]
    assert {(row.setting, row.mixtures, row.top_mixtures, row.top_spearman) for row in rows} == {("proxy", 4, 1, None)}
    assert set(report.json("answer.json")) == {"general", "science"}


def test_no_proxy_is_trained_where_a_later_task_cannot_be_measured(materializer):
    config = materializer.config
    late = TextTask(kind="text", sources=("nowhere",), split="report_eval")
    other = Materializer(config.model_copy(update={"tasks": dict(config.tasks) | {"late": late}}))
    before = len(list(other.store.all_of(MODELS)))
    candidates = read_candidates(other.get("mixture_candidates", "iteration-01").file("candidates.parquet"))
    fresh = [Proxy(candidates[0].weights, repeat=99)]
    with pytest.raises(ConfigError, match=r"tasks.late.sources: .*'nowhere'"):
        measure(other, fresh, config.proxy, config.tasks, "search", "proxies")
    assert len(list(other.store.all_of(MODELS))) == before

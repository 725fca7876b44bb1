"""Specs: the graph as data is sound, and a setting concerns exactly the assets that use it."""

from typing import Any

import pytest

from climb_assets.config import Config
from climb_assets.config_balance import Balance
from climb_assets.config_cells import Cells
from climb_assets.graph.assets import SEARCH, SPEC, SPECS
from climb_assets.graph.hashed_settings import iteration_number
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys

CHOSEN = {"confirmation_results", "optimal_mixture"}  # what is confirmed, and which of it is the answer
TRAINED = {"proxy_results", "proxy_fidelity", "confirmation_results", "target_comparison"}
CELLS = Cells(dimension="quality", thresholds=(3.0,))
BUDGETED = TRAINED | {"carried_evidence"}
SEEDED = {"mixture_candidates", "predictor_state", "optimal_mixture"} | TRAINED
SEARCHING = ("uniform", "proportional", "regmix")  # baselines, one of which trains proxies


def test_inputs_come_before_what_is_made_from_them() -> None:
    seen = {"raw_corpus"}
    for spec in SPECS:
        for entry in spec.inputs:
            assert entry.asset in seen or (entry.reach == "previous" and entry.asset in SPEC), spec.asset
        seen.add(spec.asset)
    assert len(SPEC) == len(SPECS)


def test_same_partition_is_read_only_within_a_dimension() -> None:
    for spec in SPECS:
        for entry in spec.inputs:
            upstream = SPEC[entry.asset].dimension if entry.asset in SPEC else None
            if entry.reach == "same" and upstream is not None:
                assert upstream == spec.dimension, (spec.asset, entry.asset)


def test_iteration_keys_count_from_one(config: Config) -> None:
    keys = iteration_keys(config)
    assert keys == ["iteration-01", "iteration-02", "iteration-03"]
    assert [iteration_number(key) for key in keys] == [1, 2, 3]


def replaced(section: Any, path: list[str], values: dict[str, Any]) -> Any:
    """Return a section with values under a path of keys changed."""
    if not path:
        return section.model_copy(update=values)
    return section.model_copy(update={path[0]: replaced(getattr(section, path[0]), path[1:], values)})


def users(before: Config, after: Config) -> set[str]:
    """Return the assets whose settings differ."""
    return {
        spec.asset
        for spec in SPECS
        for key in Materializer(before).partitions(spec)
        if spec.settings(before, key) != spec.settings(after, key)
    }


@pytest.mark.parametrize(
    ("section", "values", "expected"),
    [
        ("corpus", {"min_characters": 41}, {"corpus_shards", "training_tokens"}),  # what is read is trained on
        ("corpus", {"search_eval": 0.06}, {"corpus_shards", "corpus_manifest", "training_tokens"}),
        ("corpus.near_duplicates", {"threshold": 0.71}, {"near_duplicates", "training_tokens"}),
        ("corpus.near_duplicates", {"shingle": 3}, {"document_signatures", "training_tokens"}),
        ("corpus.contamination", {"words": 9}, {"contamination", "training_tokens"}),
        ("corpus", {"part_documents": 65}, {"embeddings"}),
        ("tokenizer", {"vocabulary": 600}, {"tokenizer"}),
        ("encoder", {"max_tokens": 33}, {"embeddings", "cluster_model"}),  # another space
        ("encoder", {"batch_tokens": 65}, {"embeddings"}),
        ("encoder", {"backend": "openvino"}, {"embeddings"}),
        ("encoder", {"backend": "static"}, {"embeddings", "cluster_model"}),  # another space
        ("quality", {"scorer": "fasttext"}, {"quality_scorer", "quality_scores", "domains"}),
        ("quality", {"folds": 4}, set()),
        ("clusters", {"count": 7}, {"cluster_model"}),
        ("clusters", {"domains": 4}, {"domains"}),
        ("clusters", {"balance": Balance(domains=4, largest_share=0.5)}, {"domains"}),
        ("clusters", {"cells": CELLS}, {"cluster_assignments", "domains"}),
        ("search", {"pool": 201}, {"mixture_candidates"} | CHOSEN),
        ("search", {"max_usage": 14.0}, {"mixture_candidates", "baseline_mixtures"} | CHOSEN),
        ("search", {"seed": 1}, SEEDED),
        ("search", {"first": "spread"}, {"mixture_candidates"}),
        ("search", {"repeats": 1}, {"proxy_results"} | CHOSEN),  # the fresh seeds come after the repeats
        ("search.predictor", {"kind": "mixing_law"}, {"mixture_candidates", "predictor_state"}),  # of evidence
        ("search.predictor.small_trees", {"trees": 3}, {"mixture_candidates", "predictor_state"}),
        ("search", {"carry": False}, {"carried_evidence"}),
        ("search.acquisition", {"separation": 0.1}, {"mixture_candidates", "optimal_mixture"}),  # advice asks it too
        ("search.limits", {"divergence": 0.1}, {"mixture_candidates", "baseline_mixtures"} | CHOSEN),
        ("search.limits", {"repetition_scale": 15.4}, {"mixture_candidates", "baseline_mixtures"} | CHOSEN),
        ("search.choice", {"rule": "published"}, CHOSEN),
        ("search.choice", {"confidence": 0.9}, CHOSEN),
        ("baselines", {"mixtures": ("uniform", "proportional")}, {"baseline_mixtures"}),
        ("baselines.doremi", {"step": 0.5}, {"baseline_mixtures"}),
        ("proxy", {"tokens": 2048}, {"carried_evidence", "proxy_results", "proxy_fidelity", "confirmation_results"}),
        ("target", {"seeds": (0, 2)}, {"target_comparison"}),
        ("target", {"seeds": (2, 0)}, {"target_comparison", "proxy_fidelity"}),
        ("fidelity", {"wanted": 0.5}, {"proxy_fidelity"}),
        ("mixture", {"seed": 1}, {"mixed_corpus"}),
        ("mixture", {"max_epochs": 3.0}, {"mixture_candidates", "baseline_mixtures", "mixed_corpus"} | CHOSEN),
        ("mixture", {"tokens": 1}, {"mixture_candidates", "baseline_mixtures", "mixed_corpus"} | CHOSEN | BUDGETED),
        ("runtime", {"workers": 2}, set()),
        ("runtime", {"private": True}, set()),
    ],
)  # fmt: skip
def test_a_setting_concerns_exactly_the_assets_that_use_it(config, section, values, expected) -> None:
    assert users(config, replaced(config, section.split("."), values)) == expected


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("search", {"pool": 201}),
        ("search", {"seed": 1}),
        ("search", {"iterations": (4, 2, 3)}),
        ("search.predictor.mixing_law", {"shrinkage": 0.2}),
        ("search.acquisition", {"top": 9}),
        ("proxy", {"tokens": 2048}),
        ("tasks", {}),
        ("objectives.general", {"first_text": 2.0}),
    ],
)  # fmt: skip
def test_a_baseline_that_searches_depends_on_what_a_search_does(config, section, values) -> None:
    searching = replaced(config, ["baselines"], {"mixtures": SEARCHING})
    if section == "tasks":
        changed = {"first_text": config.tasks["first_text"].model_copy(update={"documents": 2})}
        after = searching.model_copy(update={"tasks": config.tasks | changed})
    elif section.startswith("objectives"):
        after = searching.model_copy(
            update={"objectives": config.objectives | {"general": config.objectives["general"] | values}}
        )
    else:
        after = replaced(searching, section.split("."), values)
    assert "baseline_mixtures" in users(searching, after)


def test_evidence_is_judged_by_the_tasks_that_decide(config: Config, tmp_path) -> None:
    """A run that lacks the loss of such a task was not tried, so the first candidates can have its mixture."""
    before = replaced(config, ["search"], {"evidence": tmp_path})
    after = before.model_copy(update={"tasks": before.tasks | {"fourth": before.tasks["first_text"]}})
    first = SPEC["mixture_candidates"].settings
    assert first(before, "iteration-01") != first(after, "iteration-01")
    for asset in ("mixture_candidates", "predictor_state"):
        assert SPEC[asset].files(before) == {"evidence": tmp_path}
        assert SPEC[asset].files(config) == {}


def test_the_budget_concerns_domains_only_where_it_says_how_small_they_may_be(config: Config) -> None:
    def moved_by_budget(**balance: float | None) -> bool:
        clusters = {"domains": None, "balance": Balance(domains=4, largest_share=0.5, **balance)} if balance else {}
        before = replaced(config, ["clusters"], clusters)
        return "domains" in users(before, replaced(before, ["mixture"], {"tokens": 2 * config.mixture.tokens}))

    assert not moved_by_budget() and not moved_by_budget(smallest_share=0.1)
    assert moved_by_budget(smallest_share=None)


def test_without_bounds_the_settings_of_domains_are_as_before_there_were_any(config: Config) -> None:
    assert set(SPEC["domains"].settings(config, None)["clusters"]) == {"prune", "merge_distance", "domains", "terms"}


def test_without_cells_assignments_have_no_settings_and_read_no_scores(config: Config) -> None:
    spec, parted = SPEC["cluster_assignments"], replaced(config, ["clusters"], {"cells": CELLS})
    assert spec.settings(config, "first.jsonl") == {}
    read = {one.asset for one in spec.inputs if one.used(config)}
    assert {one.asset for one in spec.inputs if one.used(parted)} - read == {"quality_scores"}


def test_a_task_only_for_the_report_concerns_no_proxy(config: Config) -> None:
    tasks = config.tasks | {"third_text": config.tasks["third_text"].model_copy(update={"documents": 2})}
    changed = config.model_copy(update={"tasks": tasks})
    spec = SPEC["proxy_results"]
    assert spec.settings(config, "iteration-01") == spec.settings(changed, "iteration-01")
    spec = SPEC["target_comparison"]
    assert spec.settings(config, "general") != spec.settings(changed, "general")


def test_repeats_concern_the_first_iteration_only(config: Config) -> None:
    fewer = replaced(config, ["search"], {"repeats": 0})
    spec = SPEC["proxy_results"]
    changed = [key for key in iteration_keys(config) if spec.settings(config, key) != spec.settings(fewer, key)]
    assert changed == ["iteration-01"]


def test_one_more_iteration_leaves_those_before(config: Config) -> None:
    longer = config.model_copy(update={"search": config.search.model_copy(update={"iterations": (4, 2, 2, 2)})})
    for asset in SEARCH:
        for key in iteration_keys(config):
            assert SPEC[asset].settings(config, key) == SPEC[asset].settings(longer, key)

"""Pages of a finished project: verdicts first, few digits, what was fitted."""

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dagster import JsonMetadataValue, TableMetadataValue

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.mixture.corpus_writer import part_names
from climb_assets.rounding import round_numbers
from climb_assets.tables import count_rows
from dagster_project.checks import CHECKS
from dagster_project.metadata import MAIN_TABLE, describe, main_table
from dagster_project.metadata_tables import sentence_metadata
from dagster_project.partitions import asset_options


@pytest.fixture
def climb(finished_once: Path) -> Materializer:
    """Return the materializer of a finished project."""
    return Materializer(load_config(finished_once / "climb.yaml"))


def pages(climb: Materializer) -> dict[str, dict[str, Any]]:
    """Return the page of one artefact of each asset."""
    keys = {spec.asset: next(iter(climb.store.partitions(spec.asset)), None) for spec in SPECS}
    return {asset: describe(climb, climb.get(asset, key)) for asset, key in keys.items()}


def test_no_page_shows_sixteen_digits(climb: Materializer) -> None:
    for asset, page in pages(climb).items():
        for name, value in page.items():
            match value:
                case TableMetadataValue():
                    numbers = [record.data for record in value.records]
                case JsonMetadataValue():
                    numbers = value.data
                case _:
                    numbers = value if isinstance(value, float) else None
            assert round_numbers(numbers) == numbers, (asset, name)


def test_every_page_begins_with_a_sentence_and_most_with_a_picture_that_is_shown_in_place(climb: Materializer) -> None:
    shown = pages(climb)
    for asset, page in shown.items():
        first, *others = sorted(page)  # as the UI's overview has them; a partition's page keeps their order
        assert (first, next(iter(page))) == ("In words", "In words"), asset
        sentence = page["In words"].md_str
        assert sentence[0].isupper() or sentence[0].isdigit(), asset
        assert len(sentence) < 1000 and sentence.endswith("."), asset
        assert "Picture" not in page or (others[0] == "Picture" and len(page["Picture"].md_str) < 1000), asset


def test_the_columns_of_a_page_are_those_of_the_file_each_with_what_it_means(climb: Materializer) -> None:
    shown = pages(climb)
    for asset in (*MAIN_TABLE, "mixed_corpus"):
        artifact = climb.get(asset, next(iter(climb.store.partitions(asset)), None))
        table = shown[asset]["dagster/column_schema"].schema
        told = [(column.name, column.type, column.constraints.nullable) for column in table.columns]
        schema = pq.read_schema(artifact.file(main_table(artifact)))
        assert told == [(field.name, str(field.type), field.nullable) for field in schema], asset
        assert all(column.description for column in table.columns), asset
    with_tables = {asset for asset in shown if any(isinstance(v, TableMetadataValue) for v in shown[asset].values())}
    assert with_tables <= {*MAIN_TABLE, "mixed_corpus"}
    artifact = climb.get("mixed_corpus", next(iter(climb.store.partitions("mixed_corpus"))))
    rows = [count_rows(artifact.file(name)) for name in part_names(artifact.manifest["files"])]
    assert shown["mixed_corpus"]["dagster/partition_row_count"].value == sum(rows)


def test_a_sentence_holds_no_markdown() -> None:
    assert sentence_metadata("[a](b) *c* <d>").md_str == r"\[a\](b) \*c\* \<d\>"


def test_the_answer_begins_with_its_verdict_and_its_weights_fall(climb: Materializer) -> None:
    page = pages(climb)["optimal_mixture"]
    assert list(page)[:3] == ["In words", "Picture", "verdict"]
    assert re.match(r"(Better than|No better than|Worse than) \w+, the best baseline", page["verdict"].text)
    weights = [record.data["weight"] for record in page["weights"].records]
    assert weights == sorted(weights, reverse=True)
    realised = [record.data["weight"] for record in pages(climb)["mixed_corpus"]["realised"].records]
    assert realised == sorted(realised, reverse=True)


def test_comparison_and_fidelity_begin_with_what_they_say(climb: Materializer) -> None:
    shown = pages(climb)
    assert list(shown["target_comparison"])[:3] == ["In words", "Picture", "verdict"]
    assert shown["target_comparison"]["verdict"].md_str.count(" against uniform: ") >= 1
    assert list(shown["proxy_fidelity"])[2] == "answer" and re.match(
        r"- general: .*best: (\S+ after [\d,]+ tokens, |not known)", shown["proxy_fidelity"]["answer"].md_str
    )


def test_the_page_of_the_predictors_says_what_was_fitted(climb: Materializer) -> None:
    told = pages(climb)["predictor_state"]["predictor"].md_str
    for line in told.splitlines():
        weights = [float(weight) for weight in re.findall(r"([\d.]+) [a-z]", line.partition(": ")[2])]
        assert weights == sorted(weights, reverse=True) and sum(weights) == pytest.approx(1, abs=0.03)
    assert "small_trees" in told and len(told.splitlines()) == 2


@pytest.mark.parametrize("asset", ["mixture_candidates", "predictor_state", "optimal_mixture"])
def test_the_kind_of_a_predictor_is_the_configured_one(climb: Materializer, asset: str) -> None:
    config = climb.config
    assert "stack" in asset_options(asset, config)["kinds"] and "lightgbm" not in asset_options(asset, config)["kinds"]
    predictor = config.search.predictor.model_copy(update={"kind": "lightgbm"})
    published = config.model_copy(update={"search": config.search.model_copy(update={"predictor": predictor})})
    assert "lightgbm" in asset_options(asset, published)["kinds"]


def test_the_page_of_the_domains_has_their_table_and_tells_what_was_pruned(climb: Materializer) -> None:
    page = pages(climb)["domains"]
    (first, *_) = page["domains"].records  # and not their number, a fact of the same name
    assert list(first.data) == ["domain", "name", "clusters", "terms"]
    (supply, *_) = pages(climb)["domain_supply"]["supply"].records
    assert list(supply.data)[:2] == ["domain", "name"] and list(supply.data)[-2:] == ["terms", "sources"]
    assert {"pruned", "pruned_documents", "pruned_tokens", "pruned_token_share"} <= set(page)


def test_every_check_says_what_it_asks_and_what_it_found(climb: Materializer) -> None:
    for check in CHECKS:
        key = next(iter(climb.store.partitions(check.asset)), None)
        found = check.evaluate(climb, [climb.get(check.asset, key)])
        for sentence in (check.description, found.description):
            assert not sentence[0].islower() and sentence.endswith(".") and " " in sentence, check.name

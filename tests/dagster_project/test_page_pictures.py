"""Each page has a picture or a reason for none, and what is drawn is what the files hold."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPEC
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import count_rows
from dagster_project.page_pictures import PICTURES, WITHOUT, glance_of

NOTHING_TO_DRAW = {  # in this project
    "quality_scorer": "quality is scored by rules",
    "taxonomy_drift": "nothing moved",
    "carried_evidence": "there was no earlier search",
    "contamination": "no task has items",
    "near_duplicates": "no two documents are nearly equal",
}


@pytest.fixture
def climb(finished_once: Path) -> Materializer:
    """Return the materializer of a finished project."""
    return Materializer(load_config(finished_once / "climb.yaml"))


def drawn(climb: Materializer, asset: str) -> str:
    """Return the picture of an asset's first partition as SVG; empty where it has none."""
    artifact = climb.get(asset, next(iter(climb.store.partitions(asset)), None))
    return unquote(glance_of(climb, artifact))


def counts(svg: str) -> list[int]:
    """Return the numbers at the ends of bars."""
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    return [int(text.replace(",", "")) for text in texts[1::2]]


def test_every_asset_has_a_picture_or_a_reason_for_none(climb: Materializer) -> None:
    assert PICTURES.keys() | WITHOUT.keys() == SPEC.keys() and not PICTURES.keys() & WITHOUT.keys()
    assert {asset for asset in SPEC if not drawn(climb, asset)} == WITHOUT.keys() | NOTHING_TO_DRAW.keys()


def test_the_lengths_of_documents_and_of_tokens_add_up(climb: Materializer) -> None:
    shard = climb.get("tokenized_shards", next(iter(climb.store.partitions("tokenized_shards"))))
    assert sum(counts(drawn(climb, "tokenized_shards"))) == count_rows(shard.file("documents.parquet"))
    assert sum(counts(drawn(climb, "tokenizer"))) == climb.get("tokenizer").summary["vocabulary"]


def test_a_shard_is_drawn_by_what_its_documents_are_for(climb: Materializer) -> None:
    shard = climb.get("corpus_shards", next(iter(climb.store.partitions("corpus_shards"))))
    assert sum(counts(drawn(climb, "corpus_shards"))) == shard.summary["documents"]

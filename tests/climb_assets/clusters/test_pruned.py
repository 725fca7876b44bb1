"""What is pruned: of a corpus of many languages the junk, and people are told what, how much and why."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.clusters.domains import DomainInputs, write_domains
from climb_assets.clusters.pruned import NOTABLE_SHARE
from climb_assets.clusters.quality import RuleScorer, score_shard
from climb_assets.clusters.shards import ScoredShard
from climb_assets.clusters.statistics import compute_statistics
from climb_assets.clusters.supply import write_supply
from climb_assets.config import Clusters
from climb_assets.tables import read_table, write_table
from tests.climb_assets.clusters.samples import CODE, JUNK, PROSE

TEXTS = {name: text for name, text in PROSE.items() if name != "English"} | {"code": CODE} | JUNK
DOCUMENTS = 4  # of each cluster
THRESHOLDS = {"quality": 3.0, "educational_value": 3.0, "informational_value": 3.0, "advertisement": 3.0}


def write_corpus(folder: Path, texts: dict[str, str], tokens: dict[str, int]) -> DomainInputs:
    """Write a shard with a cluster for each text, all of whose documents are alike but for a number."""
    ids = [f"{cluster:02d}{copy}" for cluster in range(len(texts)) for copy in range(DOCUMENTS)]
    names = [name for name in texts for _ in range(DOCUMENTS)]
    documents = {
        "id": ids,
        "text": [f"{texts[name].strip()} {id}" for name, id in zip(names, ids, strict=True)],
        "source": names,
        "split": ["train"] * len(ids),
        "bytes": [len(texts[name].encode()) for name in names],
    }
    paths = {name: folder / f"{name}.parquet" for name in ("documents", "tokens", "assignments", "scores")}
    write_table(paths["documents"], pa.table(documents))
    write_table(paths["tokens"], pa.table({"id": ids, "tokens": [tokens.get(name, 100) for name in names]}))
    clusters = np.repeat(np.arange(len(texts), dtype=np.int32), DOCUMENTS)
    write_table(paths["assignments"], pa.table({"id": ids, "cluster": clusters, "distance": np.zeros(len(ids))}))
    score_shard(paths["documents"], RuleScorer(), 16, folder)
    splits = folder / "splits.parquet"
    write_table(splits, pa.table({name: pa.array([], pa.string()) for name in ("shard", "id", "split")}))
    shards = [ScoredShard("all", **paths)]
    compute_statistics(shards, splits, folder)
    return DomainInputs(folder / "clusters.parquet", 9 * np.eye(len(texts), dtype=np.float32), shards, splits)


def form(inputs: DomainInputs, out: Path, prune: dict[str, float]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Form the domains; return the facts and the rows of what is pruned."""
    out.mkdir()
    facts = write_domains(inputs, Clusters(prune=prune), out)
    return facts, read_table(out / "pruned.parquet").to_pylist()


def test_junk_is_pruned_and_languages_and_code_are_kept(tmp_path: Path) -> None:
    facts, pruned = form(write_corpus(tmp_path, TEXTS, {}), tmp_path / "out", THRESHOLDS)
    assert {row["sources"][0]["source"] for row in pruned} == set(JUNK)
    out = tmp_path / "out"
    write_supply(out / "domains.parquet", out / "clusters.parquet", tmp_path / "tally.parquet", out)
    kept = read_table(out / "supply.parquet")
    assert {row[0]["source"] for row in kept["sources"].to_pylist()} == set(TEXTS) - set(JUNK)
    assert facts["clusters_pruned"] == len(JUNK) and facts["clusters_empty"] == 0
    assert facts["clusters_not_judged"]["educational_value"] == len(TEXTS) - 3  # what is not taken for English
    assert kept["mean_educational_value"].null_count == kept.num_rows


def test_what_is_pruned_is_told_with_examples(tmp_path: Path) -> None:
    tokens = {"keywords": 5000, "menu": 400}
    facts, pruned = form(write_corpus(tmp_path, TEXTS, tokens), tmp_path / "out", THRESHOLDS)
    assert [row["tokens"] for row in pruned] == sorted((row["tokens"] for row in pruned), reverse=True)
    assert pruned[0]["begins"].startswith("cheap flights hotel") and len(pruned[0]["begins"]) == 200
    assert {"cheap", "hotel", "casino"} & set(pruned[0]["terms"])
    assert facts["pruned_documents"] == DOCUMENTS * len(JUNK)
    assert facts["pruned_tokens"] == sum(row["tokens"] for row in pruned)
    assert facts["pruned_token_share"] == pytest.approx(sum(row["share"] for row in pruned), abs=1e-6)
    assert facts["pruned_mostly_by"] == pruned[0]["pruned_by"]


def test_the_advice_keeps_what_it_says(tmp_path: Path) -> None:
    inputs = write_corpus(tmp_path, TEXTS, {"keywords": 5000, "menu": 3000})
    facts, before = form(inputs, tmp_path / "before", THRESHOLDS)
    assert facts["pruned_token_share"] > NOTABLE_SHARE
    lowered = re.findall(r"clusters\.prune\.(\w+) from ([\d.]+) to ([\d.]+)", facts["pruned_advice"])
    assert lowered and all(float(now) == THRESHOLDS[name] for name, now, _ in lowered)
    (promised,) = re.findall(r"keeps ([\d,]+) of these tokens", facts["pruned_advice"])
    after_facts, _ = form(inputs, tmp_path / "after", THRESHOLDS | {name: float(to) for name, _, to in lowered})
    gained = facts["pruned_tokens"] - after_facts["pruned_tokens"]
    of_reason = sum(row["tokens"] for row in before if row["pruned_by"] == facts["pruned_mostly_by"])
    assert gained >= int(promised.replace(",", "")) >= of_reason / 2


def test_nothing_pruned_is_told_as_nothing(tmp_path: Path) -> None:
    facts, pruned = form(write_corpus(tmp_path, PROSE, {}), tmp_path / "out", {})
    assert pruned == [] and facts["pruned_tokens"] == facts["pruned_token_share"] == 0
    assert facts["pruned_mostly_by"] is None and facts["pruned_advice"] is None


def test_few_judged_documents_do_not_speak_for_a_cluster(tmp_path: Path) -> None:
    inputs = write_corpus(tmp_path, {"Russian": PROSE["Russian"], "German": PROSE["German"]}, {})
    path = inputs.shards[0].scores
    scores = read_table(path)
    one = pa.array([0.0] + [None] * (scores.num_rows - 1), pa.float32())  # an English document among Russian ones
    write_table(path, scores.set_column(scores.column_names.index("educational_value"), "educational_value", one))
    compute_statistics(inputs.shards, inputs.splits, tmp_path)
    _, pruned = form(inputs, tmp_path / "out", THRESHOLDS)
    assert pruned == []

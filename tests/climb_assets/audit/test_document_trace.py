"""From a document of the data set back to its raw file and to the models that set its weight; with the bundle alone."""

import json
import shutil
from pathlib import Path

import pytest

from climb_assets.audit.document_trace import read_text, trace_document
from climb_assets.config_file import load_config
from climb_assets.corpus.documents import document_id
from climb_assets.errors import ArgumentError, CorpusError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.store.artifacts import sha256_file, sha256_text
from climb_assets.tables import read_table


@pytest.fixture
def climb(finished_project: Path) -> Materializer:
    """Return a finished lake, whose raw files a test may change."""
    return Materializer(load_config(finished_project / "climb.yaml"))


def test_a_document_is_traced_to_its_raw_file_and_to_what_set_its_weight(climb: Materializer, tmp_path: Path) -> None:
    made = climb.get("audit_bundle", "general")
    bundle = tmp_path / "alone"
    shutil.copytree(made.folder(), bundle)
    corpus = climb.get("mixed_corpus", "general")
    row = read_table(corpus.file("part-00000.parquet")).to_pylist()[0]
    found = trace_document(bundle, row["id"])
    assert found is not None and found.objective == "general" and found.root == made.summary["documents_root"]
    path = climb.config.corpus.raw / found.raw_file["path"]
    assert found.raw_file["sha256"] == sha256_file(path) and found.raw_file["bytes"] == path.stat().st_size

    text = read_text(found, climb.raw.place, climb.config.corpus)
    assert text == row["text"] and document_id(text) == row["id"] and sha256_text(text) == found.document["sha256"]

    weights = read_table(climb.get("optimal_mixture", "general").file("weights.parquet")).to_pylist()
    assert found.document["weight"] == weights[row["domain"]]["weight"]
    results = [climb.get("proxy_results", key) for key in iteration_keys(climb.config)]
    searched = {one for made in results for one in read_table(made.file("models.parquet"))["fingerprint"].to_pylist()}
    confirmation = read_table(climb.get("confirmation_results", "general").file("models.parquet")).to_pylist()
    confirmed = {one["fingerprint"] for one in confirmation if one["key"] == found.answer["key"]}
    assert {proxy.fingerprint for proxy in found.proxies} == searched | confirmed and confirmed
    history = read_table(bundle / "mixtures.parquet").to_pylist()
    measured = {one["key"]: one["iteration"] for one in history}
    assert found.answer["iteration"] == measured.get(found.answer["key"])
    first = next(proxy for proxy in found.proxies if proxy.used_by == "proxy_results@iteration-01")
    candidates = read_table(climb.get("mixture_candidates", "iteration-01").file("candidates.parquet")).to_pylist()
    weight = {one["key"]: one["weights"][row["domain"]] for one in candidates}
    assert (
        first.iteration == 1 and first.weight == weight[first.key] and set(found.answer["tasks"]) <= first.losses.keys()
    )

    names = [making.artefact for making in found.makings]
    assert names[-1] == "mixed_corpus@general" and names.index(f"raw_shards@{row['shard']}") < names.index(
        f"corpus_shards@{row['shard']}"
    )
    assert {name.partition("@")[2] for name in names if name.startswith("corpus_shards@")} == {row["shard"]}
    assert {f"proxy_results@{key}" for key in iteration_keys(climb.config)} <= set(names)
    for making in found.makings:
        asset, _, partition = making.artefact.partition("@")
        artifact = climb.get(asset, partition or None)
        assert (making.code_version, making.parameters) == (
            artifact.manifest["code_version"],
            artifact.manifest["config"],
        )
        assert making.source == {}  # the bundle in the lake has no ledger
    assert json.loads(json.dumps(found.as_json()))["document"]["id"] == row["id"]


def test_what_is_not_there_is_not_traced_and_what_is_no_bundle_is_refused(climb: Materializer, tmp_path: Path) -> None:
    bundle = climb.get("audit_bundle", "general").folder()
    assert trace_document(bundle, "0" * 32) is None
    with pytest.raises(ArgumentError, match="is no audit bundle of this version"):
        trace_document(tmp_path, "0" * 32)


def test_a_raw_file_that_is_another_gives_no_text(climb: Materializer) -> None:
    bundle = climb.get("audit_bundle", "general").folder()
    found = trace_document(bundle, read_table(bundle / "documents.parquet")["id"][0].as_py())
    assert found is not None
    path = climb.config.corpus.raw / found.raw_file["path"]
    whole = path.read_text()
    path.write_text(whole.replace("a", "b", 1))
    with pytest.raises(CorpusError, match=r"is not the file that was read \(sha256"):
        read_text(found, climb.raw.place, climb.config.corpus)
    path.unlink()
    with pytest.raises(CorpusError, match="has no shard"):
        read_text(found, climb.raw.place, climb.config.corpus)

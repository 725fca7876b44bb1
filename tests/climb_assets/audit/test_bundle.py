"""What a bundle tells is what the lake holds; others read its forms; what lineage cannot know is a blank."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import mlcroissant
import prov
import pyarrow as pa
import pytest
from prov.model import ProvDocument

from climb_assets.audit import bundle_export
from climb_assets.audit.assets import audit_bundle
from climb_assets.audit.bundle_export import DESCRIPTIONS, PROVENANCE, export_bundle, exported_bundles
from climb_assets.audit.disclosures import BLANK, CALIFORNIA, EU, Question, render, size_range
from climb_assets.audit.documents import describe_root
from climb_assets.audit.lineage_facts import LineageFacts
from climb_assets.errors import ArgumentError, ConfigError
from climb_assets.export.folder import CHECKSUMS
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.tables import read_table


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def texts_of(corpus: Artifact) -> dict[str, dict[str, Any]]:
    parts = [corpus.file(name) for name in corpus.manifest["files"] if name.startswith("part-")]
    rows = pa.concat_tables([read_table(part) for part in parts]).to_pylist()
    return {row["id"]: row | {"copies": sum(other["id"] == row["id"] for other in rows)} for row in rows}


def test_every_document_of_the_data_set_is_a_row_with_its_text_and_its_origin(
    climb: Materializer, folder: Path
) -> None:
    rows = read_table(folder / "documents.parquet").to_pylist()
    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    there = texts_of(climb.get("mixed_corpus", "general"))
    weights = read_table(climb.get("optimal_mixture", "general").file("weights.parquet")).to_pylist()
    assert {row["id"] for row in rows} == there.keys()
    for row in rows:
        document = there[row["id"]]
        assert (
            row["sha256"] == hashlib.sha256(document["text"].encode()).hexdigest() and row["id"] == row["sha256"][:32]
        )
        assert row["copies"] == document["copies"] and row["weight"] == weights[row["domain"]]["weight"]
        assert all(row[name] == document[name] for name in ("source", "licence", "shard", "domain", "domain_name"))
        line = (climb.config.corpus.raw / row["file"]).read_text().splitlines()[row["record"] - 1]
        assert json.loads(line)["text"] == document["text"]


def test_the_bundle_of_the_lake_is_a_function_of_what_it_rests_on(climb: Materializer, tmp_path: Path) -> None:
    made = climb.get("audit_bundle", "general")
    again = tmp_path / "again"
    again.mkdir()
    audit_bundle(climb, "general", Draft(again, None))  # type: ignore[arg-type]
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in again.iterdir()} == {
        name: file["sha256"] for name, file in made.manifest["files"].items()
    }
    assert made.summary["documents_root"] == describe_root(again / "documents.parquet")["root"]
    timed = re.compile(rb"20\d\d-\d\d-\d\dT")
    assert not [path.name for path in again.iterdir() if timed.search(path.read_bytes())]


def test_the_sums_are_of_every_file_and_each_is_described(folder: Path) -> None:
    sums = dict(reversed(line.split("  ")) for line in (folder / CHECKSUMS).read_text().splitlines())
    assert sums.keys() | {CHECKSUMS} == {path.name for path in folder.iterdir()}
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256 for name, sha256 in sums.items())
    assert DESCRIPTIONS.keys() | {"README.md"} == sums.keys()


def test_other_readers_take_the_provenance(climb: Materializer, folder: Path) -> None:
    text = (folder / PROVENANCE).read_text()
    schema = read(Path(prov.__file__).parent / "tests" / "schemas" / "prov-json.schema.json")
    jsonschema.Draft4Validator(schema).validate(json.loads(text))
    told = ProvDocument.deserialize(content=text, format="json")
    told = json.loads(told.serialize(format="json"))
    made_by = {record["prov:entity"]: record["prov:activity"] for record in told["wasGeneratedBy"].values()}
    used: dict[str, set[str]] = {}
    for record in told["used"].values():
        used.setdefault(record["prov:activity"], set()).add(record["prov:entity"])
    corpus = climb.get("mixed_corpus", "general")
    waiting, reached = [f"climb:artefact/mixed_corpus/general/{corpus.fingerprint}"], set()
    assert waiting[0] in {record["prov:entity"] for record in told["wasAttributedTo"].values()}
    while waiting:
        entity = waiting.pop()
        if entity not in reached:
            reached.add(entity)
            waiting += used.get(made_by.get(entity, ""), ())
    collections = {record["prov:collection"] for record in told["hadMember"].values()}
    assert len(collections) == 3 and collections <= reached  # from the data set to every raw shard
    models = {
        f"climb:artefact/proxy_models/{row['fingerprint']}"
        for row in read_table(folder / "proxies.parquet").to_pylist()
    }
    assert len(models & reached) > 10
    making = told["activity"][made_by[f"climb:artefact/mixed_corpus/general/{corpus.fingerprint}"]]
    assert making["prov:startTime"] <= making["prov:endTime"] and making["climb:host"] == corpus.run["host"]
    assert json.loads(making["climb:parameters"]) == corpus.manifest["config"]
    assert json.loads(making["climb:environment"])["package python"] == corpus.environment["package python"]


def test_croissant_is_valid_and_reads_the_data_set(climb: Materializer, folder: Path, tmp_path: Path) -> None:
    corpus = climb.get("mixed_corpus", "general")
    for name in corpus.manifest["files"]:
        (tmp_path / name).write_bytes(corpus.file(name).read_bytes())
    (tmp_path / "croissant.json").write_bytes((folder / "croissant.json").read_bytes())
    data_set = mlcroissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not data_set.metadata.ctx.issues.errors
    there = texts_of(corpus)
    rows = [{name.split("/")[1]: value for name, value in row.items()} for row in data_set.records("documents")]
    assert len(rows) == sum(row["copies"] for row in there.values())
    assert all(row["text"].decode() == there[row["id"].decode()]["text"] for row in rows)
    told = data_set.metadata.to_json()
    read_from = set(read_table(folder / "documents.parquet")["file"].to_pylist())
    raw = {file["sha256"] for file in read(folder / "raw_files.json") if file["path"] in read_from}
    derived = told["prov:wasDerivedFrom"]
    derived = derived if isinstance(derived, list) else [derived]  # one alone comes back by itself
    assert {one["@id"] for one in derived} == {f"urn:sha256:{sha256}" for sha256 in raw} != set()
    files = [file for file in told["distribution"] if file["@type"] == "cr:FileObject"]
    assert [file["sha256"] for file in files] == [corpus.manifest["files"][file["@id"]]["sha256"] for file in files]


def test_what_laws_ask_is_answered_or_left_blank(folder: Path) -> None:
    told = read(folder / "disclosures.json")
    sections = [question["section"].split()[0] for question in told[EU]]
    assert list(dict.fromkeys(sections)) == [
        *("1.1", "1.2", "1.3", "2.1", "2.2.1", "2.2.2", "2.3", "2.4", "2.5", "2.6", "3.1", "3.2", "3.3"),
    ]
    assert [question["section"] for question in told[CALIFORNIA]] == [f"(a)({number})" for number in range(1, 13)]
    rows = read_table(folder / "documents.parquet").to_pylist()
    tokens = sum(row["tokens"] * row["copies"] for row in rows)
    for name, questions in told.items():
        text = (folder / f"{name}.md").read_text()
        assert all(question["answer"] or question["table"] or question["blank"] for question in questions)
        assert text.count(f"{BLANK}: ") == sum(bool(question["blank"]) for question in questions)
        assert f"{tokens:,} tokens" in text and " | CC0 | " in text
    public = next(question for question in told[EU] if question["section"].startswith("2.1"))
    assert sum(row["tokens"] for row in public["table"]) == tokens and public["blank"]
    for question in told[EU]:  # what only a provider knows
        if question["section"].startswith(("1.1", "1.2", "2.4", "2.6")):
            assert question["blank"] and not question["answer"]


def test_labels_of_the_corpus_are_no_mark_up() -> None:
    source = {"source": "a | <b>[x](y)\n# z", "licence": None, "documents": 1, "rows": 1, "tokens": 1}
    facts = LineageFacts("o", "v", "r", 1, 1, 1, (source,), (), 1, 1, (), {}, "t")
    line = render("title", facts, [Question("1", "asked", table=(source,))]).splitlines()[-1]
    assert line == r"| a \| \<b\>\[x\](y)\\n\# z | not named | 1 | 1 | 1 |"


@pytest.mark.parametrize(
    ("tokens", "words"),
    [
        (1, "less than 1 billion tokens"),
        (10**9, "1 billion to 10 trillion tokens"),
        (10**13, "more than 10 trillion tokens"),
    ],
)
def test_sizes_are_those_of_the_template(tokens: int, words: str) -> None:
    assert size_range(tokens) == words


def test_a_missing_library_is_said_before_anything_is_written(
    climb: Materializer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_export, "LIBRARIES", ("prov", "no-such-library"))
    with pytest.raises(ConfigError, match=r"is written with no-such-library: pip install 'climb\[audit\]'"):
        export_bundle(climb.get("audit_bundle", "general"), tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_that_cannot_be_written_leaves_the_one_before(climb: Materializer, tmp_path: Path) -> None:
    export_bundle(climb.get("audit_bundle", "general"), tmp_path / "bundle")
    before = (tmp_path / "bundle" / CHECKSUMS).read_text()
    with pytest.raises(UnicodeEncodeError):
        export_bundle(climb.get("audit_bundle", "general"), tmp_path / "bundle", ["\ud800@example.org"])
    assert (tmp_path / "bundle" / CHECKSUMS).read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    export_bundle(climb.get("audit_bundle", "science"), tmp_path / "bundle")
    assert (tmp_path / "bundle" / CHECKSUMS).read_text() != before


def test_a_folder_of_something_else_is_left_alone(climb: Materializer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ArgumentError, match="is not an audit bundle; move it away"):
        export_bundle(climb.get("audit_bundle", "general"), tmp_path)
    with pytest.raises(ArgumentError, match="is not an audit bundle; move it away"):
        export_bundle(climb.get("audit_bundle", "general"), tmp_path / "mine.txt")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    named = exported_bundles(folder.parent)[folder]
    assert len(named) > 40 and {"mixed_corpus", "proxy_models", "raw_shards"} <= {asset for asset, _, _ in named}

"""`climb audit`: a bundle is written where one wants it, and asked about documents, with a lake and without."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from climb_assets.audit.check_proof import check
from climb_assets.tables import read_table
from dagster_project.cli import main


def climb(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])


@pytest.fixture
def bundle(finished_project: Path, tmp_path: Path) -> Path:
    """Return a bundle beside its lake."""
    result = climb(finished_project, "audit", "general", "--out", str(tmp_path / "bundle"))
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'bundle'}\n"
    root = json.loads((tmp_path / "bundle" / "documents_root.json").read_text())["root"]
    assert result.stderr.splitlines()[-1].endswith(root)
    return tmp_path / "bundle"


def test_a_bundle_answers_and_proves_without_a_lake(bundle: Path, tmp_path: Path) -> None:
    document = read_table(bundle / "documents.parquet").to_pylist()[0]
    ask = CliRunner().invoke(main, ["audit", "trace", document["id"], "--bundle", str(bundle)])
    assert ask.exit_code == 0, ask.output
    assert document["sha256"] in ask.stdout and "proxy_results@iteration-01: " in ask.stdout
    assert "mixed_corpus@general" in ask.stdout.splitlines()[-1]
    told = CliRunner().invoke(main, ["audit", "trace", document["id"], "--bundle", str(bundle), "--json"])
    assert json.loads(told.stdout)["document"] == document
    for identity, there in ((document["id"], True), ("0" * 32, False)):
        proved = CliRunner().invoke(main, ["audit", "prove", identity, "--bundle", str(bundle)])
        root = json.loads((bundle / "documents_root.json").read_text())["root"]
        assert proved.exit_code == 0 and check(proved.stdout_bytes.decode(), root, identity) is there
        assert f"{identity} is {'' if there else 'NOT '}in the data set with root {root}" in proved.stderr
    strange = CliRunner().invoke(main, ["audit", "prove", "\udcff", "--bundle", str(bundle)])
    assert strange.exit_code == 2 and "an id is text in UTF-8" in strange.stderr
    gone = CliRunner().invoke(main, ["audit", "trace", "0" * 32, "--bundle", str(bundle)])
    assert gone.exit_code == 1 and gone.stdout == "" and "`climb audit prove` proves that" in gone.stderr


def test_the_lakes_own_bundle_is_asked_where_none_is_named(finished_once: Path, tmp_path: Path) -> None:
    refused = climb(finished_once, "audit", "trace", "0" * 32)
    assert refused.exit_code == 2 and "name one by --objective: general, science" in refused.stderr
    proof = tmp_path / "proof.json"
    written = climb(finished_once, "audit", "prove", "0" * 32, "--objective", "science", "--out", str(proof))
    assert written.exit_code == 0 and written.stdout == "" and json.loads(proof.read_text())["document"] == "0" * 32
    wrong = climb(finished_once, "audit", "prove", "0" * 32, "--objective", "nobody")
    assert wrong.exit_code == 2 and "'nobody' is no objective" in wrong.stderr


def test_where_a_bundle_must_not_be_written_it_is_refused(finished_project: Path) -> None:
    raw = climb(finished_project, "audit", "general", "--out", str(finished_project / "data_lake" / "raw" / "bundle"))
    assert raw.exit_code == 2 and "lies in corpus.raw" in raw.stderr
    (finished_project / "mine").mkdir()
    (finished_project / "mine" / "file").write_text("mine")
    mine = climb(finished_project, "audit", "bundle", "general", "--out", str(finished_project / "mine"))
    assert mine.exit_code == 2 and "is not an audit bundle; move it away" in mine.stderr

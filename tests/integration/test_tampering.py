"""Whatever an insider changes, with every checksum repaired that shows it, `climb verify` names it and ends with 1.

The lake is one on which `climb up` ran to the end, exported in two ways; each case has a copy of it. Subtler ways are
in `test_subtle_tampering`.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from climb_assets.audit.verification import STORES
from climb_assets.errors import CorruptArtifact
from climb_assets.graph.assets import SPECS
from climb_assets.graph.planner import make_plan
from climb_assets.store.artifacts import MANIFEST
from dagster_project.cli import main
from dagster_project.instance import open_instance
from tests.integration.insider import Insider
from tests.integration.tampered_lake import BOTH, open_project, verify


@pytest.fixture
def project(exported_project: Path) -> Path:
    """Return a project that a test may change."""
    return exported_project


def flip(path: Path) -> bytes:
    """Return a file's bytes with the last bit of the middle one flipped."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    return bytes(data)


def test_events_of_another_stores_ledger_are_noted_and_not_called_invented(project: Path) -> None:
    """The history stays in the lake where the store goes elsewhere, and tells of both."""
    (project / "elsewhere").mkdir()
    for name in ("artifacts", "refs", "ledger"):
        (project / "data_lake" / name).rename(project / "elsewhere" / name)
    with (project / "climb.yaml").open("a") as stream:
        stream.write(f"store: file://{project}/elsewhere\n")
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "verify"])
    assert result.exit_code == 0 and "events are of the ledger of lake, which was not compared." in result.output


def test_the_untouched_lake_is_as_recorded(project: Path) -> None:
    head = open_project(project).store.ledger().head
    outcome = verify(project, replay=True, head=head)
    assert outcome.differences == () and outcome.notes == () and outcome.head == str(head)
    assert len(outcome.replayed) == 10  # candidates and predictors of three iterations, answer and data set of two
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "verify", "--head", str(head)])
    assert result.exit_code == 0 and "all as recorded" in result.output
    other = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "verify", "--head", f"9:{'0' * 64}"])
    assert other.exit_code == 1 and "is not the one whose head was 9:000" in other.output


@pytest.mark.parametrize("repaired", [False, True], ids=["as it is", "with repaired checksums"])
def test_a_flipped_bit_is_found_in_an_artefact_of_every_kind(insider: Insider, project: Path, repaired: bool) -> None:
    folders = {spec.asset: insider.first_current(spec.asset) for spec in SPECS}
    folders |= {asset: stored[0] for asset in STORES if (stored := insider.stored(asset))}
    flipped = {}
    for asset, folder in folders.items():
        name = sorted(insider.manifest(folder)["files"])[0]
        data = flip(folder / name)
        if repaired:
            manifest = insider.manifest(folder)
            manifest["files"][name]["sha256"] = hashlib.sha256(data).hexdigest()
            insider.write(folder / name, data)
            insider._seal(folder, manifest)
        else:
            insider.write(folder / name, data)
        flipped[asset] = folder if repaired else folder / name
    found = verify(project).differences
    said = "has another manifest than the one that entry" if repaired else "is not what its manifest promises"
    for asset, path in flipped.items():
        assert any(sentence.startswith(f"{path} {said}") for sentence in found), (asset, found)


Tamper = Callable[[Insider], object]


def edit_summary(insider: Insider) -> None:
    insider.change(insider.artefact("domains"), {}, lambda manifest: manifest["summary"].update(domains=99))


def edit_code_version(insider: Insider) -> None:
    folder = insider.artefact("optimal_mixture", "general")
    insider.change(folder, {}, lambda manifest: manifest.update(code_version="0" * 16))


def edit_files_of_nobody(insider: Insider) -> None:
    (insider.artefact("domains") / "notes.txt").write_text("x")


def swap_models(insider: Insider) -> None:
    first, second = insider.searched("proxy_models")[:2]
    name = (
        "model.safetensors" if (first / "model.safetensors").exists() else sorted(insider.manifest(first)["files"])[0]
    )
    one, other = (first / name).read_bytes(), (second / name).read_bytes()
    insider.change(first, {name: other})
    insider.change(second, {name: one})


def swap_scores(insider: Insider) -> None:
    insider.take_files(*insider.searched("proxy_scores")[:2])


def swap_scores_that_were_only_compared(insider: Insider) -> None:
    insider.take_files(*insider.compared_only()[:2])


def change_weight(insider: Insider) -> None:
    folder = insider.artefact("optimal_mixture", "general")

    def swap(rows: list[dict]) -> None:
        rows[0]["weight"], rows[1]["weight"] = rows[1]["weight"], rows[0]["weight"]

    insider.change(folder, {"weights.parquet": insider.table(folder / "weights.parquet", swap)})


def change_result(insider: Insider) -> None:
    folder = insider.artefact("proxy_results", "iteration-01")
    better = insider.table(folder / "results.parquet", lambda rows: rows[0].update(loss=rows[0]["loss"] / 2))
    insider.change(folder, {"results.parquet": better})


def change_licence(insider: Insider) -> None:
    folder = insider.artefact("corpus_shards", "first.jsonl")
    documents = insider.table(folder / "documents.parquet", lambda rows: rows[0].update(licence="MIT"))
    insider.change(folder, {"documents.parquet": documents})


def change_embedding(insider: Insider) -> None:
    folder = insider.artefact("embeddings", "second.jsonl")
    name = sorted(insider.manifest(folder)["files"])[0]
    insider.change(folder, {name: flip(folder / name)})


def change_settings(insider: Insider) -> None:
    insider.change(insider.artefact("mixed_corpus", "science"), {}, lambda manifest: manifest["config"].update(seed=7))


def change_run_facts(insider: Insider) -> None:
    path = insider.artefact("optimal_mixture", "science") / "run.json"
    insider.write(path, json.dumps(json.loads(path.read_text()) | {"host": "elsewhere"}).encode())


def plant(insider: Insider) -> None:
    insider.plant(insider.artefact("domains"))


def plant_and_name(insider: Insider) -> None:
    folder = insider.plant(insider.artefact("optimal_mixture", "general"))
    insider.write(insider.reference("optimal_mixture", "general"), folder.name.encode())


def plant_model(insider: Insider) -> None:
    insider.plant(insider.searched("proxy_models")[0])


def plant_with_entries(insider: Insider) -> None:
    """As a run would have done it, the entries too; but no run has told Dagster."""
    folder = insider.artefact("optimal_mixture", "general")
    planted = insider.plant(folder)
    name = "weights.parquet"
    insider.change(planted, {name: insider.table(planted / name, lambda rows: rows.reverse())})
    manifest, records = insider.manifest(planted), insider.entries()
    named = {key: manifest[key] for key in ("asset", "partition", "fingerprint", "data_version")}
    digest = hashlib.sha256((planted / MANIFEST).read_bytes()).hexdigest()
    run = hashlib.sha256((planted / "run.json").read_bytes()).hexdigest()
    pointed = {key: manifest[key] for key in ("asset", "partition", "fingerprint")}
    records.append({"kind": "made", **named, "manifest": digest, "run": run})
    records.append({"kind": "pointed", **pointed, "before_it": folder.name})
    insider.rewrite_ledger(records)
    insider.write(insider.reference("optimal_mixture", "general"), planted.name.encode())


def remove_current(insider: Insider) -> None:
    shutil.rmtree(insider.artefact("target_comparison", "general"))


def remove_with_reference(insider: Insider) -> None:
    shutil.rmtree(insider.lake / "artifacts" / "audit_bundle" / "science")
    insider.reference("audit_bundle", "science").unlink()


def remove_model(insider: Insider) -> None:
    shutil.rmtree(insider.searched("proxy_models")[0])


def remove_references(insider: Insider) -> None:
    shutil.rmtree(insider.lake / "refs")


def point_to_another_partition(insider: Insider) -> None:
    fingerprint = insider.reference("mixed_corpus", "science").read_text()
    insider.write(insider.reference("mixed_corpus", "general"), f"../science/{fingerprint}".encode())


def lay_another_partition_in_place(insider: Insider) -> None:
    folder, other = insider.artefact("mixed_corpus", "general"), insider.artefact("mixed_corpus", "science")
    shutil.rmtree(folder)
    shutil.copytree(other, folder.with_name(other.name))
    insider.write(insider.reference("mixed_corpus", "general"), other.name.encode())


def point_to_another_valid_artefact(insider: Insider) -> None:
    current = insider.artefact("tokenizer")
    (other,) = [folder for folder in insider.stored("tokenizer") if folder != current]
    insider.write(insider.reference("tokenizer"), other.name.encode())


def renew_by_hand(insider: Insider) -> None:
    path = insider.lake / "refs" / "generations" / "taxonomy"
    path.parent.mkdir(exist_ok=True)
    path.write_text("2")


def edit_entry(insider: Insider) -> None:
    lines = insider.ledger.read_bytes().splitlines(keepends=True)
    lines[40] = lines[40].replace(b'"host":"', b'"host":"x')
    lines[41] = lines[41].replace(b'"host":"', b'"host":"x')
    insider.write(insider.ledger, b"".join(lines))


def cut_entry(insider: Insider) -> None:
    lines = insider.ledger.read_bytes().splitlines(keepends=True)
    insider.write(insider.ledger, b"".join([*lines[:40], *lines[42:]]))


def cut_end(insider: Insider) -> None:
    lines = insider.ledger.read_bytes().splitlines(keepends=True)
    insider.write(insider.ledger, b"".join(lines[:-20]))


def reorder_entries(insider: Insider) -> None:
    lines = insider.ledger.read_bytes().splitlines(keepends=True)
    lines[40], lines[50] = lines[50], lines[40]
    insider.write(insider.ledger, b"".join(lines))


def insert_entry(insider: Insider) -> None:
    lines = insider.ledger.read_bytes().splitlines(keepends=True)
    insider.write(insider.ledger, b"".join([*lines[:40], lines[40], *lines[40:]]))


def rewrite_ledger(insider: Insider) -> None:
    """All entries are written anew, about a lake that was changed."""
    change_weight(insider)
    insider.record_what_lies_there()


def remove_ledger(insider: Insider) -> None:
    change_weight(insider)
    insider.ledger.unlink()


def fill_last_line(insider: Insider) -> None:
    insider.write(insider.ledger, insider.ledger.read_bytes() + b'{"asset":"domains","bef')


def delete_event(insider: Insider) -> None:
    insider.ask_history(
        "DELETE FROM event_logs WHERE asset_key = ? AND partition = ?", '["optimal_mixture"]', "general"
    )


def invent_event(insider: Insider) -> None:
    tags = {"dagster/data_version": "0" * 32, "dagster/data_version_is_user_provided": "true"}
    with open_instance(insider.lake) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("optimal_mixture", partition="general", tags=tags))


def edit_event(insider: Insider) -> None:
    insider.ask_history(
        "UPDATE event_logs SET event = replace(event, ?, ?) WHERE asset_key = ?",
        insider.manifest(insider.artefact("domains"))["data_version"],
        "0" * 32,
        '["domains"]',
    )


def remove_history(insider: Insider) -> None:
    shutil.rmtree(insider.lake / "dagster_home")


def edit_export(insider: Insider) -> None:
    path = min((insider.lake / "export" / "general-hf" / "data").iterdir())
    insider.write(path, insider.table(path, lambda rows: rows[0].update(text="bought")))


def edit_bundle(insider: Insider) -> None:
    """The report, with the checksums beside it."""
    folder = insider.lake / "export" / "audit-general"
    before = hashlib.sha256((folder / "report.md").read_bytes()).hexdigest()
    insider.write(folder / "report.md", b"# All is well\n")
    after = hashlib.sha256(b"# All is well\n").hexdigest()
    insider.write(folder / "SHA256SUMS", (folder / "SHA256SUMS").read_bytes().replace(before.encode(), after.encode()))


def edit_lineage(insider: Insider) -> None:
    path = insider.lake / "export" / "audit-general" / "lineage.json"
    lineage = json.loads(path.read_text())
    lineage["nodes"]["domains"]["fingerprint"] = "0" * 32
    insider.write(path, json.dumps(lineage).encode())


def remove_exported(insider: Insider) -> None:
    (insider.lake / "export" / "audit-general" / "documents.parquet").unlink()


def add_exported(insider: Insider) -> None:
    (insider.lake / "export" / "general-hf" / "data" / "train-99999.parquet").write_bytes(b"more")


def change_raw_file(insider: Insider) -> None:
    path = insider.lake / "raw" / "second.jsonl"
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"second 7.", b"second 8."))
    assert path.stat().st_size == stat.st_size
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def remove_raw_file(insider: Insider) -> None:
    (insider.lake / "raw" / "third.jsonl").unlink()


ANOTHER = r"has another manifest than the one that entry \d+ of the ledger recorded; "
TAMPERINGS: list[tuple[Tamper, str]] = [
    (edit_summary, f"domains/_/.* {ANOTHER}{BOTH}"),
    (edit_code_version, f"optimal_mixture/general/.* {ANOTHER}what was answered for general rests on it"),
    (edit_files_of_nobody, r"notes\.txt is not named by its manifest"),
    (swap_models, f"proxy_models/_/.* {ANOTHER}{BOTH}"),
    (swap_scores, f"proxy_scores/_/.* {ANOTHER}{BOTH}"),
    (swap_scores_that_were_only_compared, f"proxy_scores/_/.* {ANOTHER}no answer rests on it"),
    (change_weight, f"optimal_mixture/general/.* {ANOTHER}what was answered for general rests on it"),
    (change_result, f"proxy_results/iteration-01/.* {ANOTHER}{BOTH}"),
    (change_licence, f"corpus_shards/first.jsonl/.* {ANOTHER}{BOTH}"),
    (change_embedding, f"embeddings/second.jsonl/.* {ANOTHER}{BOTH}"),
    (change_settings, r"mixed_corpus/science/.* is in no entry of the ledger: no run of climb has put it there"),
    (change_run_facts, r"run\.json is not what was recorded of the run that made it"),
    (plant, r"domains/_/.* is in no entry of the ledger: .*; no answer rests on it"),
    (plant_and_name, r"the reference of optimal_mixture@general names .*, and the last entry of the ledger about it"),
    (plant_model, r"proxy_models/_/.* is in no entry of the ledger"),
    (plant_with_entries, r"the last event of optimal_mixture@general in Dagster's history is not of the version"),
    (remove_current, r"target_comparison@general .* was recorded by entry \d+ of the ledger and is not there"),
    (remove_with_reference, r"audit_bundle@science .* was recorded by entry \d+ of the ledger and is not there"),
    (remove_model, rf"proxy_models .* was recorded by entry \d+ of the ledger and is not there: .*{BOTH}"),
    (remove_references, r"the reference of optimal_mixture@general is gone"),
    (point_to_another_partition, r"refs/mixed_corpus/general names no artefact but '\.\./science/"),
    (lay_another_partition_in_place, r"mixed_corpus/general/.* is in no entry of the ledger"),
    (point_to_another_valid_artefact, r"the reference of tokenizer names .*, and the last entry of the ledger about"),
    (
        renew_by_hand,
        r"the reference of generations@taxonomy names 2, and the last entry of the ledger about it nothing",
    ),
    (edit_entry, r"entry 4\d of the ledger does not follow the one before it: .*; every answer rests on it"),
    (cut_entry, r"entry 41 of the ledger calls itself 43: lines were cut, added or reordered"),
    (cut_end, r"names entry \d+:[0-9a-f]{64} of the ledger, which is not in it: the ledger was rewritten or cut"),
    (reorder_entries, r"entry 41 of the ledger calls itself 51: lines were cut, added or reordered"),
    (insert_entry, r"entry 42 of the ledger calls itself 41: lines were cut, added or reordered"),
    (rewrite_ledger, r"names entry .* of the ledger, which is not in it: the ledger was rewritten"),
    (remove_ledger, r"names entry .* of the ledger, which is not in it: the ledger was rewritten or cut"),
    (fill_last_line, r"the last line of the ledger ends after 23 bytes: its writer was killed"),
    (delete_event, r"Dagster's history has no event of optimal_mixture@general, which the ledger says is current"),
    (invent_event, r"an event of optimal_mixture@general in Dagster's history has the version 0{32}, which the ledger"),
    (edit_event, r"an event of domains in Dagster's history has the version 0{32}, which the ledger never recorded"),
    (remove_history, r"Dagster's history is gone, and runs of it made \d+ artefacts by the ledger"),
    (edit_export, r"general-hf/data/train.*\.parquet is not the file that was exported .*answered for general rests"),
    (edit_bundle, r"audit-general/report\.md is not the file that was exported"),
    (edit_lineage, r"audit-general rests on domains \(0{32}\), which is in no entry of the ledger"),
    (remove_exported, r"audit-general/documents\.parquet was exported .* and is gone"),
    (add_exported, r"train-99999\.parquet lies among what was exported"),
    (change_raw_file, rf"raw/second\.jsonl is not the file that was read .*; {BOTH}"),
    (remove_raw_file, r"raw/third\.jsonl is gone; it was read with sha256"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("tamper", "said"), TAMPERINGS, ids=lambda value: getattr(value, "__name__", ""))
def test_tampering_is_named(tamper: Tamper, said: str, insider: Insider, project: Path) -> None:
    tamper(insider)
    found = verify(project).differences
    assert any(re.search(said, sentence) for sentence in found), found


@pytest.mark.parametrize("tamper", [edit_summary, change_licence, change_weight, plant_and_name])
def test_what_was_changed_is_not_taken_as_an_input_again(tamper: Tamper, insider: Insider, project: Path) -> None:
    """Else the next run would make a truth of it."""
    tamper(insider)
    with pytest.raises(CorruptArtifact, match=r"of the ledger.*; run `climb verify`, which says what it touches"):
        make_plan(open_project(project))


def test_who_rewrites_lake_ledger_and_history_is_found_by_a_head_or_by_replay(insider: Insider, project: Path) -> None:
    head = open_project(project).store.ledger().head
    change_weight(insider)
    insider.record_what_lies_there()
    shutil.rmtree(insider.lake / "dagster_home")
    shutil.rmtree(insider.lake / "export")
    assert verify(project).differences == ()  # nothing that is left says otherwise
    (told,) = verify(project, head=head).differences
    assert told.startswith(f"the ledger is not the one whose head was {head}")
    again = verify(project, replay=True).differences
    assert any(
        "optimal_mixture@general does not come out again from its inputs: weights.parquet" in text for text in again
    )

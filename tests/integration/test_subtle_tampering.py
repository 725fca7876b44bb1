"""Subtler ways to change a lake: entries that an insider adds to the ledger, exported folders, links, pipes, names.

Each case has a copy of the lake of `test_tampering`. What is content as it was recorded, and a link to it, is noted.
"""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from climb_assets.audit.differences.reconciliation import read_ledger
from climb_assets.errors import CorruptArtifact, CorruptLedger
from climb_assets.graph.planner import make_plan
from climb_assets.store.artifacts import MANIFEST, sha256_file
from climb_assets.store.ledger.recording import accept_as_it_lies
from dagster_project.instance import open_instance
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user
from tests.integration.insider import Insider
from tests.integration.tampered_lake import BOTH, open_project, verify

Tamper = Callable[[Insider], object]
TIME = "2026-01-01T00:00:00Z"


@pytest.fixture
def project(exported_project: Path) -> Path:
    """Return a project that a test may change."""
    return exported_project


def file_of(insider: Insider, asset: str) -> Path:
    """Return the first file of a current artefact."""
    folder = insider.artefact(asset)
    return folder / min(insider.manifest(folder)["files"])


def repair_sums(folder: Path, name: str, before: str) -> None:
    """Let a folder's list of checksums say of a file what it is now."""
    sums = (folder / "SHA256SUMS").read_text()
    (folder / "SHA256SUMS").unlink()
    (folder / "SHA256SUMS").write_text(sums.replace(before, sha256_file(folder / name)))


def edit_exported(insider: Insider, place: str, name: str, data: bytes) -> Path:
    """Change a file of an exported folder, with the checksums beside it; return the folder."""
    folder = insider.lake / "export" / place
    before = sha256_file(folder / name)
    insider.write(folder / name, data)
    repair_sums(folder, name, before)
    return folder


def add_entry(insider: Insider, record: dict[str, Any]) -> None:
    """Add an entry to the ledger, by which its chain goes on."""
    insider.rewrite_ledger([*insider.entries(), record])


def record_export_anew(insider: Insider, folder: Path) -> None:
    """Let the ledger say that a folder was exported as it is now."""
    place = folder.relative_to(insider.lake).as_posix()
    last = next(entry for entry in reversed(insider.entries()) if entry.get("place") == place)
    files = {path.relative_to(folder).as_posix(): sha256_file(path) for path in folder.rglob("*") if path.is_file()}
    add_entry(insider, last | {"files": files})


def record_manifest_anew(insider: Insider, folder: Path) -> None:
    """Let the ledger say that an artefact was made as it lies there now."""
    manifest, run = insider.manifest(folder), sha256_file(folder / "run.json")
    named = {key: manifest[key] for key in ("asset", "partition", "fingerprint", "data_version")}
    add_entry(insider, {"kind": "made", "time": TIME, **named, "manifest": sha256_file(folder / MANIFEST), "run": run})


def edit_events(insider: Insider) -> None:
    path = insider.lake / "export" / "audit-general" / "openlineage.ndjson"
    edit_exported(insider, "audit-general", path.name, path.read_bytes().replace(b"CLIMB", b"OTHER"))


def edit_report(insider: Insider) -> None:
    edit_exported(insider, "audit-general", "report.html", b"<p>All is well</p>")


def edit_card(insider: Insider) -> None:
    edit_exported(insider, "general-hf", "README.md", b"---\nlicense: mit\n---\n")


def exchange_a_row(insider: Insider) -> Path:
    folder = insider.lake / "export" / "general-hf"
    path = min((folder / "data").iterdir())
    data = insider.table(path, lambda rows: rows[0].update(licence="MIT"))
    return edit_exported(insider, "general-hf", path.relative_to(folder).as_posix(), data)


def exchange_a_row_and_record_it(insider: Insider) -> None:
    record_export_anew(insider, exchange_a_row(insider))


def edit_answer_of_bundle_and_record_it(insider: Insider) -> None:
    record_export_anew(insider, edit_exported(insider, "audit-general", "report.md", b"# All is well\n"))


def replace_entry(insider: Insider) -> None:
    """With all entries after it written anew."""
    records = insider.entries()
    made = next(one for one in records if one["kind"] == "made" and one["asset"] == "optimal_mixture")
    made["source"] = {"commit": "f" * 40, "dirty": False}
    insider.rewrite_ledger(records)


def restate_summary(insider: Insider) -> None:
    """Its data are the same, so that Dagster's event fits it."""
    folder = insider.artefact("domains")
    insider.change(folder, {}, lambda manifest: manifest["summary"].update(domains=99))
    record_manifest_anew(insider, folder)


def restate_scores(insider: Insider) -> None:
    """Nothing that was made names scores: the next run would find them."""
    first, second = insider.searched("proxy_scores")[:2]
    insider.take_files(first, second)
    record_manifest_anew(insider, first)


def exchange_scores(insider: Insider) -> None:
    first, second = insider.searched("proxy_scores")[:2]
    files = [{name: (one / name).read_bytes() for name in insider.manifest(one)["files"]} for one in (first, second)]
    insider.change(first, files[1])
    insider.change(second, files[0])


def begin_again(insider: Insider) -> None:
    """As if all had been there before anything was recorded."""
    add_entry(insider, {"kind": "begun", "time": "2099-01-01T00:00:00Z", "found": 1})


def swap_references(insider: Insider) -> None:
    general, science = (insider.reference("mixed_corpus", name) for name in ("general", "science"))
    first, second = general.read_bytes(), science.read_bytes()
    insider.write(general, second)
    insider.write(science, first)


def empty_reference_of_a_shard(insider: Insider) -> None:
    insider.write(insider.reference("raw_shards", "first.jsonl"), b"")


def swap_partitions(insider: Insider) -> None:
    swap_references(insider)
    general, science = (insider.lake / "artifacts" / "mixed_corpus" / name for name in ("general", "science"))
    general.rename(aside := general.with_name("aside"))
    science.rename(general)
    aside.rename(science)


def add_loose_file(insider: Insider) -> None:
    (insider.lake / "artifacts" / "notes.parquet").write_text("x")


def add_folder_without_manifest(insider: Insider) -> None:
    folder = insider.artefact("domains")
    shutil.copytree(folder, copy := folder.with_name("f" * 32))
    (copy / MANIFEST).unlink()


def add_second_ledger(insider: Insider) -> None:
    shutil.copy(insider.ledger, insider.ledger.with_suffix(".jsonl.old"))


def add_reference_of_nobody(insider: Insider) -> None:
    (insider.lake / "refs" / "secret").mkdir()
    (insider.lake / "refs" / "secret" / "_").write_text("0" * 32)


def take_another_ledger(insider: Insider) -> None:
    """Of a lake in which the same raw files were only looked at."""
    insider.rewrite_ledger([entry for entry in insider.entries() if entry.get("asset") in (None, "raw_shards")])


def invent_event_of_tomorrow(insider: Insider) -> None:
    tags = {"dagster/data_version": "0" * 32, "dagster/data_version_is_user_provided": "true"}
    with open_instance(insider.lake) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("domains", tags=tags))
    insider.ask_history(
        "UPDATE event_logs SET timestamp = ?, event = replace(event, ?, ?) WHERE id = (SELECT max(id) FROM event_logs)",
        *("2099-01-01 00:00:00", '"timestamp": ', '"timestamp": 2'),
    )


def change_case_of_file(insider: Insider) -> None:
    folder = insider.artefact("domains")
    (folder / "domains.parquet").rename(folder / "Domains.parquet")


def change_case_of_partition(insider: Insider) -> None:
    folder = insider.lake / "artifacts" / "mixed_corpus" / "general"
    folder.rename(folder.with_name("General"))


def change_through_hard_link(insider: Insider) -> None:
    """Times and size are kept too."""
    path = file_of(insider, "cluster_model")
    insider.write(path, path.read_bytes())  # else the lake that others copy would change
    os.link(path, link := insider.lake.parent / "elsewhere")
    stat = link.stat()
    with link.open("r+b") as stream:
        stream.seek(stat.st_size // 2)
        stream.write(b"\0\0\0\0")
    os.utime(link, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def put_sparse_file(insider: Insider) -> None:
    """Hashing it would take days."""
    path = file_of(insider, "near_duplicates")
    path.unlink()
    with path.open("wb") as stream:
        stream.truncate(2**43)


def put_link_to_itself(insider: Insider) -> None:
    (insider.artefact("cluster_statistics") / "loop").symlink_to("loop")


def put_link_to_nowhere(insider: Insider) -> None:
    path = file_of(insider, "domain_supply")
    path.unlink()
    path.symlink_to("nowhere")


def put_pipe(insider: Insider, path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def put_pipe_for_file(insider: Insider) -> None:
    put_pipe(insider, file_of(insider, "training_tokens"))


def put_pipe_for_manifest(insider: Insider) -> None:
    put_pipe(insider, insider.artefact("audit_bundle", "science") / MANIFEST)


def put_pipe_for_reference(insider: Insider) -> None:
    put_pipe(insider, insider.reference("target_comparison", "science"))


def put_pipe_for_exported(insider: Insider) -> None:
    put_pipe(insider, min((insider.lake / "export" / "general-hf" / "data").iterdir()))


def put_folder_for_reference(insider: Insider) -> None:
    insider.reference("taxonomy_drift").unlink()
    insider.reference("taxonomy_drift").mkdir()


AGAIN = r"was exported so: it was changed and recorded anew; .*; what was answered for general rests on it"
STRANGER = "is neither an artefact nor part of the ledger, and lies among them"
OTHERWISE = rf"was recorded by entry \d+ of the ledger with another manifest than by entry \d+, .*; {BOTH}"
LAKES: dict[str, list[tuple[Tamper, str]]] = {  # what is changed in each, and what is said of it
    "exports": [
        (edit_events, r"audit-general/openlineage\.ndjson is not the file that was exported"),
        (edit_report, r"audit-general/report\.html is not the file that was exported"),
        (edit_card, r"general-hf/README\.md is not the file that was exported .*answered for general rests on it"),
        (exchange_a_row, r"general-hf/data/train.*\.parquet is not the file that was exported"),
    ],
    "added entries": [
        (exchange_a_row_and_record_it, rf"general-hf lacks part-00000\.parquet as mixed_corpus@general .*{AGAIN}"),
        (edit_answer_of_bundle_and_record_it, rf"audit-general lacks report\.md as audit_bundle@general .*{AGAIN}"),
        (restate_summary, f"^domains .*{OTHERWISE}"),
        (restate_scores, f"^proxy_scores .*{OTHERWISE}"),
        (begin_again, r"entry \d+ of the ledger begins another one: no run of climb has written it; every answer"),
    ],
    "a written chain": [
        (replace_entry, r"names entry \d+:[0-9a-f]{64} of the ledger, which is not in it: the ledger was rewritten"),
    ],
    "another ledger": [(take_another_ledger, r"names entry \d+:[0-9a-f]{64} of the ledger, which is not in it")],
    "references": [
        (swap_references, r"the reference of mixed_corpus@science names .*, and the last entry of the led"),
        (empty_reference_of_a_shard, r"refs/raw_shards/first\.jsonl names no artefact but ''"),
    ],
    "names": [
        (swap_partitions, r"mixed_corpus/science/.*/manifest\.json is of mixed_corpus, general, and lies elsewhere"),
        (add_loose_file, rf"artifacts/notes\.parquet {STRANGER}"),
        (add_folder_without_manifest, rf"domains/_/f{{32}} {STRANGER}"),
        (add_second_ledger, rf"ledger/entries\.jsonl\.old {STRANGER}"),
        (add_reference_of_nobody, r"the reference of secret names 0{32}, and the last entry of the ledger about it no"),
        (change_case_of_file, rf"Domains\.parquet is not named by its manifest \(domains\); {BOTH}"),
        (
            exchange_scores,
            rf"proxy_scores/_/.* has another manifest than the one that entry \d+ of .*{BOTH}",
        ),
        (invent_event_of_tomorrow, r"an event of domains in Dagster's history has the version 0{32}"),
    ],
    "another case": [(change_case_of_partition, r"mixed_corpus/General/.* is in no entry of the ledger")],
    "no files": [
        (change_through_hard_link, rf"cluster_model/.* is not what its manifest promises; .*; {BOTH}"),
        (put_sparse_file, rf"near_duplicates/.* has {2**43} bytes, its manifest says \d+; {BOTH}"),
        (put_link_to_itself, r"cluster_statistics/.*/loop is not named by its manifest"),
        (put_link_to_nowhere, rf"domain_supply/.* has \d bytes, its manifest says \d+; {BOTH}"),
        (put_pipe_for_file, rf"training_tokens/.* has 0 bytes, its manifest says \d+; {BOTH}"),
        (
            put_pipe_for_manifest,
            r"audit_bundle/science/.*manifest\.json is no regular file, .* for science rests",
        ),
        (put_pipe_for_reference, r"refs/target_comparison/science is no regular file, and no run of climb has put it"),
        (put_pipe_for_exported, r"train.*\.parquet was exported \(entry \d+ of the ledger\) and is gone"),
        (put_folder_for_reference, r"refs/taxonomy_drift/_ is no regular file"),
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAKES)
def test_each_change_is_named(name: str, insider: Insider, project: Path) -> None:
    for tamper, _ in LAKES[name]:
        tamper(insider)
    found = verify(project).differences
    for tamper, said in LAKES[name]:
        assert any(re.search(said, sentence) for sentence in found), (tamper.__name__, found)


@pytest.mark.parametrize("tamper", [begin_again, swap_references, put_pipe_for_manifest, put_pipe_for_reference])
def test_what_was_changed_is_not_taken_as_an_input_again(tamper: Tamper, insider: Insider, project: Path) -> None:
    tamper(insider)
    with pytest.raises((CorruptArtifact, CorruptLedger)):
        make_plan(open_project(project))


def test_a_lake_that_went_back_to_an_earlier_state_is_found_by_a_head(
    exported_once: Path, insider: Insider, project: Path
) -> None:
    """Lake, ledger and history of before fit each other: only who kept a later head knows."""
    open_project(project).store.swap("generations", "taxonomy", None, "2")
    head = open_project(project).store.ledger().head
    for name in ("refs", "ledger"):
        shutil.rmtree(insider.lake / name)
        shutil.copytree(exported_once / "data_lake" / name, insider.lake / name)
    assert verify(project).differences == ()
    (told,) = verify(project, head=head).differences
    assert told.startswith(f"the ledger is not the one whose head was {head}: at that entry it has ")


def test_what_somebody_accepted_is_noted_for_ever_with_who_and_why(insider: Insider, project: Path) -> None:
    restate_scores(insider)
    store = open_project(project).store
    (done,) = accept_as_it_lies(store, ("proxy_scores", None), "evaluated again by hand", "somebody")
    assert done.startswith("accepted: proxy_scores ")
    outcome = verify(project)
    assert outcome.differences == ()
    (note,) = outcome.notes
    assert re.fullmatch(
        r"proxy_scores counts as it lies there, or is missing, because somebody answered for it at .* \(entry \d+\): "
        "evaluated again by hand",
        note,
    )


def test_the_last_entry_edited_is_found_by_a_head(insider: Insider, project: Path) -> None:
    """No later entry has its hash."""
    head = read_ledger(open_project(project).store).ledger.head
    records = insider.entries()
    records[-1]["time"] = TIME
    insider.rewrite_ledger(records)
    assert verify(project).differences == ()
    assert "at that entry it has another hash" in verify(project, head=head).differences[0]


def test_links_are_noted(insider: Insider, project: Path) -> None:
    folder = insider.artefact("domains")
    shutil.move(folder / "domains.parquet", project / "elsewhere.parquet")
    (folder / "domains.parquet").symlink_to(project / "elsewhere.parquet")
    shutil.move(tokenizer := insider.artefact("tokenizer"), project / "elsewhere")
    tokenizer.symlink_to(project / "elsewhere")
    outcome = verify(project)
    assert outcome.differences == ()
    assert re.fullmatch(r"Links lie among the artefacts \(2, .*\); what they lead to was compared\.", outcome.notes[0])


def test_what_may_not_be_read_is_named(insider: Insider, project: Path) -> None:
    path = insider.artefact("domains") / "domains.parquet"
    insider.write(path, path.read_bytes())
    path.chmod(0)
    shutil.rmtree(insider.lake / "dagster_home")  # which an ordinary user could not write

    def verify_as_ordinary() -> None:
        found = verify(project).differences
        assert any(f"{path} may not be read by this user, so it was not compared; {BOTH}" in text for text in found)

    as_ordinary_user(verify_as_ordinary)

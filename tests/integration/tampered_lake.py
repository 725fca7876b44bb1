"""The lake that tests of `climb verify` change: exported in two ways, opened and verified as the commands do."""

import shutil
from pathlib import Path

from climb_assets.audit.bundle_export import export_bundle
from climb_assets.audit.differences.exported import record_export
from climb_assets.audit.verification import Verification, verify_lake
from climb_assets.config_file import load_config
from climb_assets.export.data_set import read_data_set
from climb_assets.export.export import export_data_set
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.ledger.chain import Head
from dagster_project.ledger_history import history_of

BOTH = "what was answered for general, science rests on it"


def open_project(project: Path) -> Materializer:
    """Return the materializer of a project."""
    return Materializer(load_config(project / "climb.yaml"))


def verify(project: Path, *, replay: bool = False, head: Head | None = None) -> Verification:
    """Verify a lake as the command does."""
    climb = open_project(project)
    return verify_lake(climb, published=head, again=replay, history=history_of(climb, []))


def export_twice(project: Path) -> None:
    """Give a finished project an export, an audit bundle and a second tokenizer."""
    climb = open_project(project)
    lake, store = climb.config.lake, climb.store
    corpus, bundle = climb.get("mixed_corpus", "general"), climb.get("audit_bundle", "general")
    export_data_set(read_data_set(climb, "general"), "huggingface", lake / "export" / "general-hf")
    record_export(store, lake / "export" / "general-hf", lake, "huggingface", corpus)
    record_export(store, export_bundle(bundle, lake / "export" / "audit-general"), lake, "audit", bundle)
    tokenizer = climb.get("tokenizer")

    def write(draft: Draft) -> None:
        shutil.copy(tokenizer.file("tokenizer.json"), draft.path)

    store.put(Order("tokenizer", None, {}, {"another": True}, dict(tokenizer.manifest["code"])), write)

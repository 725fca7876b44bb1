"""The lake's own records, edited: each is read as it was, made again, or told in one sentence."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from numpy.random import Generator

from climb_assets.store.artifacts import MANIFEST, RUN_FACTS, Artifact, Draft, Order
from climb_assets.store.local import LocalStore
from climb_assets.store.store import Store
from tests.fuzz.hostile import chance, damage, hostile_json, hostile_value, pick

ORDER = Order("domains", None, {"corpus": "1"}, {"seed": 1}, {"code": "2"}, {"device": "cpu"})
REFERENCE = "refs/domains/_"
EDITED = (MANIFEST, MANIFEST, RUN_FACTS, "one.txt")


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Make an artefact, edit a file or the reference of it, read and verify it, and make it again."""
    lake = folder / f"{random.integers(2**62)}"  # a process refuses a lake whose ledger went while it ran
    store = LocalStore(lake)
    made, _ = store.put(ORDER, _write)
    store.swap("domains", None, None, made.fingerprint)
    edited = lake / REFERENCE if chance(random, 0.2) else made.path / pick(random, EDITED)
    edited.write_bytes(_edit(random, edited.read_bytes()))
    try:
        _require_unchanged(store.unguarded() if chance(random, 0.5) else store, made)  # the ledger knows of no edit
    finally:
        again, _ = store.put(ORDER, _write)
        assert again.fingerprint == made.fingerprint and again.file("one.txt", again=True).read_text() == "one"
    return Counter(accepted=1)


def _write(draft: Draft) -> None:
    (draft.path / "one.txt").write_text("one")
    draft.summary["rows"] = 1


def _edit(random: Generator, data: bytes) -> bytes:
    """Return other bytes; of JSON perhaps with a key less, and an odd value."""
    if data[:1] != b"{" or chance(random, 0.5):
        return damage(random, data)
    tree: dict[str, Any] = json.loads(data)
    tree[pick(random, sorted(tree))] = hostile_value(random)
    if chance(random, 0.3):
        del tree[pick(random, sorted(tree))]
    return hostile_json(random, tree)


def _require_unchanged(store: Store, made: Artifact) -> None:
    """Read what planning, pages and verification read; if none of them complains, it must be what was made."""
    store.all_of("domains")
    artifact = store.current("domains")
    if artifact is None:
        return
    artifact.answers(ORDER)
    artifact.is_complete()
    dict(artifact.run)
    artifact.folder()
    artifact.file("one.txt", again=True)
    artifact.verify_manifest()
    assert artifact.manifest == made.manifest or "checksum" not in artifact.manifest

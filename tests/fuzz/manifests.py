"""The lake's own records, edited: each is read, made again, or told in one sentence."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from numpy.random import Generator

from climb_assets.store.artifacts import MANIFEST, RUN_FACTS, Draft, Order
from climb_assets.store.local import LocalStore
from tests.fuzz.hostile import chance, damage, hostile_value, pick

ORDER = Order("domains", None, {"corpus": "1"}, {"seed": 1}, {"code": "2"}, {"device": "cpu"})


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Make an artefact, damage one of its files or its reference, and read, verify and make it again."""
    store = LocalStore(folder)
    made, _ = store.put(ORDER, _write)
    store.swap("domains", None, None, made.fingerprint)
    edited = pick(
        random,
        (
            made.path / MANIFEST,
            made.path / MANIFEST,
            made.path / RUN_FACTS,
            folder / "refs/domains/_",
            made.path / "one.txt",
        ),
    )
    before = edited.read_bytes()
    edited.write_bytes(_edit(random, before))
    try:
        _read(store, edited.read_bytes() != before)
    finally:
        again, _ = store.put(ORDER, _write)
        again.verify()
        assert again.fingerprint == made.fingerprint and again.file("one.txt").read_text() == "one"
    return Counter(accepted=1)


def _write(draft: Draft) -> None:
    (draft.path / "one.txt").write_text("one")
    draft.summary["rows"] = 1


def _edit(random: Generator, data: bytes) -> bytes:
    """Return other bytes; of JSON perhaps with an odd value in it."""
    if data[:1] != b"{" or chance(random, 0.5):
        return damage(random, data)
    tree: dict[str, Any] = json.loads(data)
    tree[pick(random, sorted(tree))] = hostile_value(random)
    try:
        return json.dumps(tree, default=repr).encode("utf-8", "surrogatepass")
    except ValueError:  # an integer of 5,000 digits
        return b"[" * 900


def _read(store: LocalStore, changed: bool) -> None:
    """Read what planning and verification read; an edit of what counts must show."""
    artifact = store.current("domains")
    store.all_of("domains")
    if artifact is None:
        return
    artifact.answers(ORDER), artifact.is_complete(), dict(artifact.run), dict(artifact.environment), artifact.summary
    artifact.verify()

"""What a proof proves: every document that is there, every one that is not, and nothing once a byte is another."""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from climb_assets.audit import check_proof
from climb_assets.audit.documents import DOCUMENTS_TABLE, ROOT, SCHEMA, describe_root, row_bytes
from climb_assets.audit.merkle import RUN, hash_leaf, hash_run, hash_runs, path_within, root_of
from climb_assets.audit.proof import prove
from climb_assets.errors import ArgumentError, CorruptArtifact
from climb_assets.tables import read_table, write_rows

IDS = st.text("0123456789abcdef", min_size=1, max_size=3)


def row_of(identity: str) -> dict[str, object]:
    number = len(identity)
    texts = {"sha256": hashlib.sha256(identity.encode()).hexdigest(), "shard": "ä.jsonl", "file": "ä.jsonl"}
    labels = {"id": identity, "source": None, "licence": 'CC "0"', "domain_name": "a b"}
    numbers = {"record": number, "domain": 1, "weight": 0.1, "copies": 2, "tokens": 7}
    return {name: (texts | labels | numbers)[name] for name in SCHEMA.names}


def write_bundle(folder: Path, ids: set[str]) -> str:
    """Write the two files that a proof is made from, and return the root."""
    write_rows(folder / DOCUMENTS_TABLE, [row_of(identity) for identity in sorted(ids)], SCHEMA)
    root = describe_root(folder / DOCUMENTS_TABLE)
    (folder / ROOT).write_text(json.dumps(root))
    return str(root["root"])


def recursive_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + recursive_hash(leaves[:split]) + recursive_hash(leaves[split:])).digest()


@given(rows=st.lists(st.binary(max_size=3), max_size=40), size=st.sampled_from([1, 2, 4, 8, 64]))
def test_the_hash_is_that_of_rfc_6962_however_rows_are_cut_into_runs(rows: list[bytes], size: int) -> None:
    leaves = [hashlib.sha256(b"\x00" + row).digest() for row in rows]
    assert hash_run(hash_runs(rows, size)) == recursive_hash(leaves)
    runs = hash_runs(rows, size)
    for place, row in enumerate(rows):
        run = [hash_leaf(one) for one in rows[place // size * size :][:size]]
        path = path_within(run, place % size) + path_within(runs, place // size)
        leaf = {"place": place, "row": row.decode("latin-1"), "path": [node.hex() for node in path]}
        if row.isascii():
            assert check_proof.root_of(len(rows), **leaf) == root_of(runs, len(rows))


@given(ids=st.sets(IDS, max_size=40), asked=IDS)
@settings(max_examples=60)
def test_every_document_is_proved_to_be_there_or_not(ids: set[str], asked: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_bundle(Path(folder), ids)
        for document in [*ids, asked, "", "g"]:
            proof = prove(Path(folder), document)
            assert proof.root == root and proof.there == (document in ids)
            assert check_proof.check(proof.text, root, document) == (document in ids)


@given(ids=st.sets(IDS, min_size=1, max_size=20), asked=IDS, data=st.data())
@settings(max_examples=100)
def test_a_proof_with_another_byte_proves_nothing(ids: set[str], asked: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_bundle(Path(folder), ids)
        text = prove(Path(folder), asked).text.encode()
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(byte != text[place])
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        check_proof.check((text[:place] + bytes([byte]) + text[place + 1 :]).decode(), root, asked)
    letter = data.draw(st.integers(0, len(root) - 1))
    other = root[:letter] + ("0" if root[letter] != "0" else "1") + root[letter + 1 :]
    with pytest.raises(ValueError, match="does not lead to this root"):
        check_proof.check(text.decode(), other, asked)


@given(ids=st.sets(IDS, max_size=9), asked=IDS, data=st.data())
@settings(max_examples=100)
def test_no_choice_of_true_rows_proves_what_is_not_so(ids: set[str], asked: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_bundle(Path(folder), ids)
        there = [json.loads(prove(Path(folder), one).text)["leaves"][0] for one in sorted(ids)]
    leaves = data.draw(st.lists(st.sampled_from(there), max_size=4)) if there else []
    proof = {"document": asked, "leaves": leaves, "rows": len(ids)}
    text = json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    try:
        assert check_proof.check(text, root, asked) == (asked in ids)
    except ValueError:
        assert asked not in {json.loads(leaf["row"])["id"] for leaf in leaves}


def test_rows_that_do_not_stand_side_by_side_prove_no_absence(tmp_path: Path) -> None:
    root = write_bundle(tmp_path, set("abcdefg"))

    def leaf(document: str, place: float | None = None) -> dict[str, object]:
        told = json.loads(prove(tmp_path, document).text)["leaves"][0]
        return told if place is None else told | {"place": place}

    for document, leaves in (
        ("c", [leaf("b"), leaf("d")]),
        ("c", [leaf("b")]),
        ("c", [leaf("b", 1), leaf("d", 2)]),
        ("c", [leaf("b", 1.5), leaf("d", 2.5)]),
        ("b", [leaf("c")]),
        ("f", [leaf("e")]),
        ("h", []),
        ("b", [leaf("c", 0)]),
        ("b", [leaf("c", -1), leaf("d", 0)]),
    ):
        proof = {"document": document, "leaves": leaves, "rows": 7}
        text = json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        with pytest.raises(ValueError):
            check_proof.check(text, root, document)


def test_a_large_table_has_the_same_root_and_reads_one_run_of_it(tmp_path: Path) -> None:
    ids = {f"{number:05x}" for number in range(0, 3 * RUN * 2, 2)}
    root = write_bundle(tmp_path, ids)
    for document in ("00000", f"{RUN * 2:05x}", f"{RUN * 2 - 1:05x}", f"{RUN * 6 - 2:05x}", "fffff"):
        assert prove(tmp_path, document).there == (document in ids)
        assert prove(tmp_path, document).root == root


def test_the_script_checks_alone(tmp_path: Path) -> None:
    root = write_bundle(tmp_path, {"a", "c"})
    script = (Path(check_proof.__file__), "-I", "-S", str(tmp_path / "check_proof.py"))
    (tmp_path / "check_proof.py").write_bytes(script[0].read_bytes())
    for document, said, code in (("a", "a is in the data set", 0), ("b", "b is NOT in the data set", 0)):
        proof = tmp_path / "proof.json"
        proof.write_text(prove(tmp_path, document).text, encoding="utf-8")
        command = [sys.executable, *script[1:], str(proof), root, document]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == code and done.stdout.startswith(said)
        done = subprocess.run([*command[:-1], "x"], capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 1 and done.stderr.startswith("NOT PROVED: it is of another document")


def test_a_table_that_was_changed_proves_nothing(tmp_path: Path) -> None:
    write_bundle(tmp_path, {"a", "c"})
    rows = read_table(tmp_path / DOCUMENTS_TABLE).to_pylist()
    rows[0]["licence"] = "CC0"
    write_rows(tmp_path / DOCUMENTS_TABLE, rows, SCHEMA)
    with pytest.raises(CorruptArtifact, match=r"is not the table that its root was made from \(a row was changed\)"):
        prove(tmp_path, "a")
    write_rows(tmp_path / DOCUMENTS_TABLE, rows[:1], SCHEMA)
    with pytest.raises(CorruptArtifact, match="it has another number of rows"):
        prove(tmp_path, "a")
    (tmp_path / DOCUMENTS_TABLE).write_bytes((tmp_path / DOCUMENTS_TABLE).read_bytes()[:-9])
    with pytest.raises(CorruptArtifact):
        prove(tmp_path, "a")
    (tmp_path / DOCUMENTS_TABLE).unlink()
    with pytest.raises(CorruptArtifact):
        prove(tmp_path, "a")
    with pytest.raises(ArgumentError, match="name the folder that `climb audit` wrote"):
        prove(tmp_path / "nowhere", "a")


def test_a_root_that_was_changed_proves_nothing(tmp_path: Path) -> None:
    write_bundle(tmp_path, {"a", "c"})
    told = json.loads((tmp_path / ROOT).read_text())
    for other in ({"root": "0" * 64}, {"rows": 3}, {"runs": ["0" * 64]}, {"runs": []}, {"run": 1}, {"run": 0}):
        (tmp_path / ROOT).write_text(json.dumps(told | other))
        with pytest.raises(CorruptArtifact, match="is not the table that its root was made from"):
            prove(tmp_path, "a")


def test_what_is_hashed_of_a_row_is_its_json(tmp_path: Path) -> None:
    row = pa.Table.from_pylist([row_of("a")], schema=SCHEMA).to_pylist()[0]
    assert json.loads(row_bytes(row)) == row
    assert row_bytes(row).startswith(b'{"copies":2,"domain":1,') and "ä.jsonl".encode() in row_bytes(row)

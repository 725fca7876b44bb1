"""Check that a document is, or is not, in a data set: python check_proof.py PROOF.json ROOT DOCUMENT_ID

ROOT is the hash that was published with the data set. Nothing but Python's standard library is needed, and the lines
are few so that they can be read. They are those of `climb audit prove` turned round (docs/audit.md).
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def root_above(leaf: dict[str, Any], rows: int) -> str:
    place, width, path = leaf["place"], rows, [bytes.fromhex(node) for node in leaf["path"]]
    need(type(place) is int and 0 <= place < rows, "it names a row that the data set does not have")
    need([node.hex() for node in path] == leaf["path"], "its hashes are not written as they should be")
    tree = sha256(b"\x00", leaf["row"].encode())
    while width > 1:
        if place % 2:
            tree = sha256(b"\x01", path.pop(0), tree)
        elif place + 1 < width:
            tree = sha256(b"\x01", tree, path.pop(0))
        place, width = place // 2, (width + 1) // 2
    need(not path, "it has more hashes than there are between a row and the root")
    return sha256(b"\x02", rows.to_bytes(8, "big"), tree).hex()


def check(text: str, root: str, document: str) -> bool:
    """Return whether the document is in the data set; ValueError where the proof shows neither."""
    proof = json.loads(text)
    rows, leaves = proof["rows"], proof["leaves"]
    written = json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    need(written == text and type(rows) is int, "it is not written as a proof is")
    need(proof["document"] == document, "it is of another document")
    need(all(root_above(leaf, rows) == root for leaf in leaves), "a row does not lead to this root")
    ids, places = [json.loads(leaf["row"])["id"] for leaf in leaves], [leaf["place"] for leaf in leaves]
    if ids == [document]:
        return True
    between = len(ids) == 2 and places[0] + 1 == places[1] and ids[0] < document < ids[1]
    before, behind = len(ids) == 1 and places[0] == 0, len(ids) == 1 and places[0] == rows - 1
    empty = not leaves and rows == 0 and sha256(b"\x02", bytes(8), sha256()).hex() == root
    outside = (before and document < ids[0]) or (behind and ids[0] < document) or empty
    need(between or outside, "its rows do not enclose the place where the document would be")
    return False


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    path, published, identity = sys.argv[1:]
    try:
        there = check(Path(path).read_bytes().decode(), published, identity)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        sys.exit(f"NOT PROVED: {error}")
    print(f"{identity} is {'' if there else 'NOT '}in the data set with root {published}")

"""Check that a document is, or is not, in a data set: python check_proof.py PROOF.json ROOT DOCUMENT_ID

ROOT is the hash that was published with the data set. Nothing but Python's standard library is needed, and the lines
are few so that they can be read: `climb audit prove`, turned round (docs/audit.md).
"""

import hashlib
import json
import sys
from pathlib import Path


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


# The root to which a row leads from its place, by the hashes beside its way up; none where they are not just enough.
def root_of(rows: int, place: int, row: str, path: list[str]) -> str:
    tree, width, place = sha256(b"\x00", row.encode()), rows, range(rows).index(place)
    beside = [bytes.fromhex(node) for node in path if node == bytes.fromhex(node).hex()]
    while width > 1:
        if (place ^ 1) < width:  # else nothing stands beside it, and it goes up as it is
            tree = sha256(b"\x01", beside.pop(0), tree) if place % 2 else sha256(b"\x01", tree, beside.pop(0))
        place, width = place // 2, (width + 1) // 2
    return sha256(b"\x02", rows.to_bytes(8, "big"), tree).hex() if not beside else "none"


# Whether the document is in the data set; an error where the proof shows neither.
def check(text: str, root: str, document: str) -> bool:
    proof = json.loads(text)
    asked = json.dumps({**proof, "document": document}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if f"{asked}\n" != text:
        raise ValueError("it is of another document, or it is not written as a proof is")
    roots = {root_of(proof["rows"], **leaf) for leaf in proof["leaves"]} or {sha256(b"\x02", bytes(8), sha256()).hex()}
    ids = {leaf["place"]: json.loads(leaf["row"])["id"] for leaf in proof["leaves"]}
    before = max((place for place in ids if ids[place] < document), default=-1)
    behind = min((place for place in ids if ids[place] > document), default=proof["rows"])
    if roots != {root} or (document not in ids.values() and before + 1 != behind):
        raise ValueError("a row does not lead to this root, or none stands beside the place of the document")
    return document in ids.values()


if __name__ == "__main__":
    sys.excepthook = lambda kind, error, trace: print(f"NOT PROVED: {error}\n\n{__doc__}", file=sys.stderr)
    there = check(Path(sys.argv[1]).read_bytes().decode(), *sys.argv[2:])
    print(f"{sys.argv[3]} is {'' if there else 'NOT '}in the data set with root {sys.argv[2]}")

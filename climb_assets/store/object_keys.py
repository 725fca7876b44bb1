"""What objects of a store are called: the keys below its address.

What belongs here: keys, and telling whose an object is by its key. Who puts and reads them is
`climb_assets.store.objects`.
"""

import re
from collections.abc import Mapping
from typing import Any

from climb_assets.store.artifacts import MANIFEST, RUN_FACTS, UNPARTITIONED, checksum_of, sha256_text

ARTIFACTS, REFERENCES, LEASES, IN_USE = "artifacts", "refs", "leases", "in_use"  # folders at the top
COLLECTING = f"{LEASES}/collecting"  # the right to remove garbage
FILE = re.compile(r"[0-9a-f]{64}/.+")
RUN = re.compile(r"run-[0-9a-f]{32}\.json")


def partition_folder(asset: str, partition: str | None) -> str:
    """Return the folder of the artefacts of a partition."""
    return f"{ARTIFACTS}/{asset}/{partition or UNPARTITIONED}"


def folder_of(asset: str, partition: str | None, fingerprint: str) -> str:
    """Return the folder of an artefact."""
    return f"{partition_folder(asset, partition)}/{fingerprint}"


def file_key(name: str, record: Mapping[str, Any]) -> str:
    """Return the key of a file in the folder of its artefact: below its hash, so another's bytes have another place."""
    return f"{record['sha256']}/{name}"


def run_key(manifest: Mapping[str, Any]) -> str:
    """Return the key of what a run cost: one for each manifest, of which equal makers' are the same."""
    return f"run-{manifest.get('checksum') or checksum_of(manifest)}.json"


def names_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of each file of an artefact, its manifest's and its run's too, by the key in its folder."""
    files = {file_key(name, record): name for name, record in manifest["files"].items()}
    return files | {MANIFEST: MANIFEST, run_key(manifest): RUN_FACTS}


def is_file(key: str) -> bool:
    """Return whether a key in the folder of an artefact is one that some writer of it gives."""
    return FILE.fullmatch(key) is not None or RUN.fullmatch(key) is not None


def reference_key(asset: str, partition: str | None) -> str:
    """Return the key of a reference."""
    return f"{REFERENCES}/{asset}/{partition or UNPARTITIONED}"


def lease_key(name: str) -> str:
    """Return the key of the right of a name."""
    return f"{LEASES}/{sha256_text(name)[:32]}"

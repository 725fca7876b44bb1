"""The records that entries of a ledger are made of.

What belongs here: what is written down of each thing that a store does. The chain is `climb_assets.store.ledger.chain`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.garbage import Key
from climb_assets.store.ledger.chain import POINTED, WITHDRAWN, Place

MOST_NAMES = 64  # inputs or files that a record names; of more it has their number and a hash, as the manifest has them


def now() -> str:
    """Return the time as entries have it: UTC, in seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def holding(kind: str, key: Key, manifest: Mapping[str, Any], digest: str, run: str | None) -> dict[str, Any]:
    """Return the record that an artefact has a manifest.

    Parameters
    ----------
    digest, run
        SHA-256 of the manifest's bytes, and of those of its run facts where there are any.
    """
    asset, partition, fingerprint = key
    files = {name: file.get("sha256") for name, file in manifest["files"].items()}
    return {
        "kind": kind,
        "time": now(),
        "asset": asset,
        "partition": partition,
        "fingerprint": fingerprint,
        "manifest": digest,
        "data_version": manifest["data_version"],
        "code_version": manifest.get("code_version"),
        "inputs": _named_or_counted(manifest["inputs"]),
        "files": _named_or_counted(files),
        "run": run,
    }


def _named_or_counted(named: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is named, or its number and hash: the manifest has the names, and its hash is in the entry."""
    if len(named) <= MOST_NAMES:
        return dict(named)
    return {"count": len(named), "sha256": sha256_text(canonical_json(dict(named)))}


def about(kind: str, key: tuple[str, str | None, str | None], **others: Any) -> dict[str, Any]:
    """Return a record of another kind about an artefact."""
    asset, partition, fingerprint = key
    return {"kind": kind, "time": now(), "asset": asset, "partition": partition, "fingerprint": fingerprint, **others}


def pointing(place: Place, to: str | None, before: str | None, **others: Any) -> dict[str, Any]:
    """Return the record that a reference is moved."""
    return about(POINTED, (*place, to), before_it=before, **others)


def withdrawn(key: tuple[str, str | None, str | None], entry: int) -> dict[str, Any]:
    """Return the record that what the entry of this number tells of did not happen: another writer was first."""
    return about(WITHDRAWN, key, entry=entry)

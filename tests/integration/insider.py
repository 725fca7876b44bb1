"""Somebody who may write into a lake and knows how it is built: changes it, and repairs each checksum that shows it."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from climb_assets.store.artifacts import MANIFEST, UNPARTITIONED, Order, checksum_of, data_version_of
from climb_assets.store.ledger.chain import Head, write_line

Files = Mapping[str, bytes]


class Insider:
    """Changes a lake. Files are replaced and never written into, so that copies by hard links stay apart."""

    def __init__(self, lake: Path) -> None:
        self.lake = lake

    def write(self, path: Path, data: bytes) -> None:
        """Put a file in the place of another."""
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def reference(self, asset: str, partition: str | None = None) -> Path:
        """Return the file of a reference."""
        return self.lake / "refs" / asset / (partition or UNPARTITIONED)

    def artefact(self, asset: str, partition: str | None = None) -> Path:
        """Return the folder of the current artefact."""
        folder = self.lake / "artifacts" / asset / (partition or UNPARTITIONED)
        return folder / self.reference(asset, partition).read_text()

    def first_current(self, asset: str) -> Path:
        """Return the folder of the current artefact of an asset's first partition."""
        reference = min((self.lake / "refs" / asset).iterdir())
        return self.lake / "artifacts" / asset / reference.name / reference.read_text()

    def stored(self, asset: str) -> list[Path]:
        """Return the folders of all artefacts of an asset, sorted."""
        return sorted(path.parent for path in (self.lake / "artifacts" / asset).glob(f"*/*/{MANIFEST}"))

    def searched(self, asset: str) -> list[Path]:
        """Return the folders of the first iteration's models, or of their scores, sorted: all answers rest on them.

        Which artefacts of a store come first by name differs by machine, and on some of them no answer rests.
        """
        models = pq.read_table(self.artefact("proxy_results", "iteration-01") / "models.parquet").to_pylist()
        if asset == "proxy_models":
            return sorted(self.lake / "artifacts" / asset / UNPARTITIONED / model["fingerprint"] for model in models)
        versions = {model["data_version"] for model in models}
        return [one for one in self.stored(asset) if self.manifest(one)["inputs"]["proxy_model"] in versions]

    def compared_only(self) -> list[Path]:
        """Return the folders of scores that `proxy_fidelity` rests on and nothing else does, sorted."""
        tables = (self.lake / "artifacts").glob("*/*/*/models.parquet")
        versions = {table: set(pq.read_table(table)["data_version"].to_pylist()) for table in tables}
        compared = versions.pop(self.artefact("proxy_fidelity") / "models.parquet")
        alone = compared.difference(*versions.values())
        return [one for one in self.stored("proxy_scores") if self.manifest(one)["inputs"]["proxy_model"] in alone]

    def manifest(self, folder: Path) -> dict[str, Any]:
        """Return the manifest of an artefact."""
        return json.loads((folder / MANIFEST).read_bytes())

    def change(
        self, folder: Path, files: Files, edit: Callable[[dict[str, Any]], None] = lambda manifest: None
    ) -> Path:
        """Change files and manifest of an artefact, repair its checksums and all that names it; return its folder."""
        manifest = self.manifest(folder)
        before = manifest["data_version"]
        for name, data in files.items():
            self.write(folder / name, data)
            manifest["files"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        edit(manifest)
        manifest["data_version"] = data_version_of(manifest["files"])
        moved = self._seal(folder, manifest)
        name = moved.parent.parent.name
        name += "" if moved.parent.name == UNPARTITIONED else f"@{moved.parent.name}"
        if manifest["data_version"] != before:
            self._repair_consumers(name, before, manifest["data_version"])
        return moved

    def take_files(self, folder: Path, other: Path) -> None:
        """Put the files of another artefact in the place of those of one."""
        self.change(folder, {name: (other / name).read_bytes() for name in self.manifest(folder)["files"]})

    def _seal(self, folder: Path, manifest: dict[str, Any]) -> Path:
        """Write a manifest with the checksum and the fingerprint that it should have."""
        recorded = {name: manifest[name] for name in ("asset", "partition", "inputs", "config", "code")}
        counted = manifest.get("environment") or {}
        manifest["fingerprint"] = Order(**recorded, environment=counted, counted=frozenset(counted)).fingerprint
        manifest["checksum"] = checksum_of(manifest)
        self.write(folder / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
        if manifest["fingerprint"] == folder.name:
            return folder
        reference = self.reference(folder.parent.parent.name, folder.parent.name)
        moved = folder.with_name(manifest["fingerprint"])
        folder.rename(moved)
        if reference.exists() and reference.read_text() == folder.name:
            self.write(reference, moved.name.encode())
        return moved

    def _repair_consumers(self, name: str, before: str, after: str) -> None:
        """Let whatever was made from a version have been made from another."""
        for path in sorted(self.lake.glob(f"artifacts/*/*/*/{MANIFEST}")):
            manifest = self.manifest(path.parent)
            if manifest["inputs"].get(name) == before:
                manifest["inputs"][name] = after
                self._seal(path.parent, manifest)

    def table(self, path: Path, edit: Callable[[list[dict[str, Any]]], None]) -> bytes:
        """Return the bytes of a table whose rows were edited."""
        table = pq.read_table(path)
        rows = table.to_pylist()
        edit(rows)
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), sink, write_page_checksum=True)
        return sink.getvalue().to_pybytes()

    def plant(self, folder: Path) -> Path:
        """Put a whole artefact down that no run has made: a copy, of other settings; return its folder."""
        copy = folder.with_name("planted")
        shutil.copytree(folder, copy)
        manifest = self.manifest(copy)
        manifest["config"] = {**manifest["config"], "planted": True}
        return self._seal(copy, manifest)

    @property
    def ledger(self) -> Path:
        """The file of the ledger."""
        return self.lake / "ledger" / "entries.jsonl"

    def entries(self) -> list[dict[str, Any]]:
        """Return the records of the ledger."""
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]

    def rewrite_ledger(self, records: list[dict[str, Any]]) -> None:
        """Write a ledger anew, with a chain that holds."""
        head, lines = Head(), []
        for record in records:
            line, head = write_line(record, head)
            lines.append(line)
        self.write(self.ledger, b"".join(lines))

    def record_what_lies_there(self) -> None:
        """Let the ledger say of each artefact, and of each reference, what lies there now."""
        records = []
        for record in self.entries():
            if record["kind"] in ("made", "pointed"):
                continue
            records.append(record)
        for path in sorted(self.lake.glob(f"artifacts/*/*/*/{MANIFEST}")):
            manifest, data = self.manifest(path.parent), path.read_bytes()
            run = hashlib.sha256((path.parent / "run.json").read_bytes()).hexdigest()
            named = {name: manifest[name] for name in ("asset", "partition", "fingerprint", "data_version")}
            records.append({"kind": "made", **named, "manifest": hashlib.sha256(data).hexdigest(), "run": run})
        for path in sorted((self.lake / "refs").glob("*/*")):
            partition = None if path.name == UNPARTITIONED else path.name
            place = {"asset": path.parent.name, "partition": partition, "fingerprint": path.read_text()}
            records.append({"kind": "pointed", **place, "before_it": None})
        self.rewrite_ledger(records)

    def ask_history(self, statement: str, *values: Any) -> None:
        """Change the database in which Dagster keeps the events of assets."""
        database = sqlite3.connect(self.lake / "dagster_home" / "history" / "runs" / "index.db")
        with database:
            database.execute(statement, values)
        database.close()

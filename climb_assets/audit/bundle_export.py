"""An audit bundle handed out: what the lake holds of it, and when, where and with what each thing in it was made.

What belongs here: the folder that a person names. The bundle of the lake is a function of what it rests on; run facts
differ between equal runs, so they are read when a bundle is handed out, and so is what is made from them.
"""

import itertools
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from climb_assets.audit import check_proof
from climb_assets.audit.bundle import CROISSANT, MIXTURES, PARAMETERS, PROXIES, RAW_FILES, read_json, write_json
from climb_assets.audit.described_lineage import LINEAGE, DescribedLineage, name_of_node, nodes_of
from climb_assets.audit.documents import DOCUMENTS_TABLE, ROOT
from climb_assets.audit.lineage import trace
from climb_assets.audit.open_lineage import tell_events
from climb_assets.audit.provenance import describe_provenance
from climb_assets.audit.report.writer import FILE as REPORT
from climb_assets.audit.report.writer import write_report
from climb_assets.environment import is_installed
from climb_assets.errors import ArgumentError, ConfigError, CorruptArtifact
from climb_assets.export.folder import CHECKSUMS, IDENTITY, write_checksums
from climb_assets.store.artifacts import Artifact, canonical_json
from climb_assets.store.files import atomic_folder
from climb_assets.store.ledger.chain import Head
from climb_assets.store.locks import write_alone
from climb_assets.store.store import Store
from climb_assets.tables import read_table

LEDGER = "ledger.jsonl"
RUN_FACTS, ENVIRONMENT = "run_facts.json", "environment.json"
PROVENANCE, EVENTS, SCRIPT, CONTENTS = "prov.json", "openlineage.ndjson", "check_proof.py", "README.md"
LIBRARIES = ("prov", "openlineage-python")

DESCRIPTIONS = {  # what a file of a bundle is, in the order in which one reads them
    REPORT: "the answer, how sure it is and what is not known, as a page that fetches nothing",
    "report.md": "what was chosen and how sure it is",
    DOCUMENTS_TABLE: "every document: source, licence, SHA-256 of its text, raw file, domain, weight, copies",
    ROOT: "the root over these rows, which `climb audit prove` proves with",
    SCRIPT: "checks such a proof; it needs Python alone",
    RAW_FILES: "path, bytes and SHA-256 of each raw file",
    "selection.json": "the mixture and the evidence for it",
    "weights.parquet": "the weight of each domain",
    MIXTURES: "every mixture that was measured, with its iteration and its losses",
    PROXIES: "every model that was trained, for what, on which of these mixtures",
    "comparison.parquet": "target models on the mixture and on the baselines",
    PARAMETERS: "the settings by which each artefact and model was made",
    LINEAGE: "every artefact and model: what it was made from, by which code, and the SHA-256 of its files",
    PROVENANCE: "the same as W3C PROV (PROV-JSON), with who, when and where",
    EVENTS: "the same as events of OpenLineage, one a line",
    LEDGER: "the ledger of the lake until then, an entry a line; each has the SHA-256 of the line before it",
    ENVIRONMENT: "the versions of Python and packages, and the processors, that they were made with",
    RUN_FACTS: "seconds, host, end and environment of each making",
    CROISSANT: "the data set in Croissant 1.1",
    "eu_ai_act_53_1_d.md": "the public summary of the EU AI Act, Article 53(1)(d), with its blanks",
    "california_ab_2013.md": "the documentation of California's AB 2013, with its blanks",
    "disclosures.json": "both, for machines",
}


def require_libraries() -> None:
    """Check that there is what a bundle is handed out with.

    Raises
    ------
    ConfigError
        A library is missing.
    """
    if missing := [name for name in LIBRARIES if not is_installed(name)]:
        raise ConfigError(f"an audit bundle is written with {' and '.join(missing)}: pip install 'climb[audit]'")


def export_bundle(bundle: Artifact, folder: Path, owners: Sequence[str] = ()) -> Path:
    """Write a bundle of the lake into a folder, its checksums verified and its own written last; return the folder.

    It appears whole; a bundle that was there gives way at the last moment before.

    Parameters
    ----------
    owners
        Who answers for the assets, as ``dagster.owners`` names them.

    Raises
    ------
    ConfigError
        A library is missing.
    ArgumentError
        The folder holds something that is no bundle, or is being written.
    """
    require_libraries()
    with write_alone(folder) as place:
        _replace(bundle, place, owners)
    return folder


def _replace(bundle: Artifact, place: Path, owners: Sequence[str]) -> None:
    """Write a bundle in the place of one that lies there."""
    is_bundle = (place / CHECKSUMS).is_file() and (place / LINEAGE).is_file() and not (place / IDENTITY).exists()
    if place.exists() and (not place.is_dir() or (any(place.iterdir()) and not is_bundle)):
        raise ArgumentError(f"{place} is not an audit bundle; move it away")
    with atomic_folder(place) as unfinished:
        _write_bundle(bundle, unfinished, owners)
        if place.exists():
            shutil.rmtree(place)


def _write_bundle(bundle: Artifact, folder: Path, owners: Sequence[str]) -> None:
    for name in bundle.manifest["files"]:
        shutil.copyfile(bundle.file(name), folder / name)
    lineage = read_json(folder / LINEAGE)
    facts = _read_run_facts(bundle, lineage)
    described = DescribedLineage(lineage, read_json(folder / PARAMETERS), facts, version("climb"))
    used_by = [(row["used_by"], row["fingerprint"]) for row in read_table(folder / PROXIES).to_pylist()]
    write_json(folder / RUN_FACTS, facts)
    write_json(folder / ENVIRONMENT, _list_environments(facts))
    provenance = describe_provenance(described, read_json(folder / RAW_FILES), used_by, owners)
    (folder / PROVENANCE).write_text(provenance, encoding="utf-8")
    (folder / EVENTS).write_text("".join(f"{event}\n" for event in tell_events(described)), encoding="utf-8")
    shutil.copyfile(Path(check_proof.__file__), folder / SCRIPT)
    write_report(str(bundle.partition), trace(bundle.store, [bundle]), folder / REPORT)
    head = _write_ledger(bundle.store, folder / LEDGER)
    (folder / CONTENTS).write_text(_describe_contents(bundle, folder, facts, head), encoding="utf-8")
    write_checksums(folder)


def _read_run_facts(bundle: Artifact, lineage: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the run facts of all that a bundle rests on, by name; none of what the lake no longer holds."""
    found = {}
    for node in nodes_of(lineage):
        artifact = bundle.store.find(node["asset"], node["partition"], node["fingerprint"])
        found[name_of_node(node)] = {} if artifact is None else dict(artifact.run)
    return found


def _list_environments(facts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each environment that something was made in, and what was; the one of most things first."""
    made: dict[str, list[str]] = {}
    for name, told in facts.items():
        made.setdefault(canonical_json(told.get("environment", {})), []).append(name)
    ordered = sorted(made.items(), key=lambda entry: (-len(entry[1]), entry[0]))
    return [{"environment": json.loads(environment), "made": sorted(names)} for environment, names in ordered]


def _write_ledger(store: Store, path: Path) -> Head:
    """Write the entries of a ledger until now, and return its head: the number of lines and the hash of the last."""
    head = store.ledger().head
    with path.open("wb") as stream:
        for line in itertools.islice(store.keeper.lines(), head.sequence):
            stream.write(line + b"\n")
    return head


def _describe_contents(bundle: Artifact, folder: Path, facts: Mapping[str, Mapping[str, Any]], head: Head) -> str:
    untimed = sum("ended" not in told for told in facts.values())
    lines = [
        f"# Audit bundle of {bundle.partition}",
        "",
        f"Data version of the bundle in the lake: {bundle.data_version}. Root over its documents: "
        f"{bundle.summary['documents_root']}.",
        "",
        f"Head of the ledger when it was handed out: {head} (`climb verify --head` compares the lake with it; the hash "
        f"is the SHA-256 of line {head.sequence} of {LEDGER}).",
        "",
        f"`sha256sum --check {CHECKSUMS}` checks the files; docs/audit.md of climb is the way through them.",
        "",
        f"Of {len(facts)} makings {untimed} have no event in {EVENTS} and no times in {PROVENANCE}: when they ended "
        "was not recorded.",
        "",
        "| file | what it is |",
        "|---|---|",
        *(f"| {name} | {told} |" for name, told in DESCRIPTIONS.items() if (folder / name).exists()),
    ]
    return "\n".join(lines) + "\n"


def exported_bundles(folder: Path) -> dict[Path, list[tuple[str, str | None, str]]]:
    """Return the bundles in a folder, and of each the asset, partition and fingerprint of all that its lineage names.

    Raises
    ------
    CorruptArtifact
        The lineage of one cannot be read.
    """
    named = {}
    for sums in sorted(folder.glob(f"*/{CHECKSUMS}")):
        if (sums.parent / IDENTITY).exists():  # an exported data set, which names nothing in the lake
            continue
        path = sums.parent / LINEAGE
        try:
            nodes: Iterable[Mapping[str, Any]] = nodes_of(read_json(path))
            named[sums.parent] = [(str(node["asset"]), node["partition"], str(node["fingerprint"])) for node in nodes]
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            raise CorruptArtifact(f"{path} does not tell what this audit bundle rests on; move it away") from None
    return named

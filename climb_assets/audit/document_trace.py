"""One document traced: from the data set back to its raw file, and to all that set the weight of its domain.

What belongs here: reading that off the folder of an audit bundle, which needs no lake, and reading the text again from
the raw file. How it is shown belongs to the command line.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path, PurePosixPath
from typing import Any

from climb_assets.audit.bundle import MIXTURES, PARAMETERS, PROXIES, RAW_FILES, read_json
from climb_assets.audit.bundle_export import LEDGER
from climb_assets.audit.described_lineage import LINEAGE
from climb_assets.audit.documents import DOCUMENTS_TABLE, ROOT
from climb_assets.config import RESERVED, Corpus
from climb_assets.corpus.digest_cache import hash_file
from climb_assets.corpus.documents import make_document
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.corpus.readers import read_records
from climb_assets.corpus.records import Record
from climb_assets.errors import ArgumentError, CorpusError
from climb_assets.graph.assets import SPEC
from climb_assets.store.artifacts import sha256_text
from climb_assets.store.ledger.chain import MADE
from climb_assets.tables import read_rows, read_table


@dataclass(frozen=True)
class TracedProxy:
    """A model behind a weight.

    Parameters
    ----------
    used_by
        The artefact that rests on it: of an iteration of the search, or of the confirmation.
    iteration
        In which its mixture was first measured; None if the search has not measured it.
    key, repeat
        Its mixture, and which of the models on it this is.
    weight
        Of the document's domain in that mixture, where the search has measured it.
    losses
        Of that mixture by task, in bits per byte, where the search has measured it.
    """

    used_by: str
    iteration: int | None
    key: str
    repeat: int
    fingerprint: str
    weight: float | None
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Making:
    """How one artefact on the way was made.

    Parameters
    ----------
    source
        What it was made from the source of: version, commit, and whether files differed from it; empty where the
        bundle has no ledger or that does not say.
    """

    artefact: str
    fingerprint: str
    data_version: str
    code_version: str
    parameters: Mapping[str, Any]
    source: Mapping[str, Any]


@dataclass(frozen=True)
class DocumentTrace:
    """What is known of one document of a data set.

    Parameters
    ----------
    document
        Its row of ``documents.parquet``.
    raw_file
        Path, bytes and SHA-256.
    answer
        The mixture: its key, the iteration that has measured it (None: it was predicted), where it comes from, the
        tasks that it was chosen by, and what the confirmation says.
    proxies
        The models of the search, then those that confirmed the answer itself.
    makings
        From the raw file to the data set, in the order in which one needs the other.
    root
        The root over all documents.
    """

    objective: str
    document: Mapping[str, Any]
    raw_file: Mapping[str, Any]
    answer: Mapping[str, Any]
    proxies: tuple[TracedProxy, ...]
    makings: tuple[Making, ...]
    root: str

    def as_json(self) -> dict[str, Any]:
        """Return the form that `climb audit trace --json` prints."""
        return asdict(self)


def trace_document(bundle: Path, document: str) -> DocumentTrace | None:
    """Trace a document through an audit bundle; None where the data set does not hold it.

    Raises
    ------
    ArgumentError
        The folder is no audit bundle, or one of an earlier version.
    """
    try:
        rows = read_rows(bundle / DOCUMENTS_TABLE, "id", document).to_pylist()
        selection, lineage = read_json(bundle / "selection.json"), read_json(bundle / LINEAGE)
        parameters, root = read_json(bundle / PARAMETERS), read_json(bundle / ROOT)["root"]
        raw = {file["path"]: file for file in read_json(bundle / RAW_FILES)}
        if not rows:
            return None
        name, evidence = f"mixed_corpus@{selection['objective']}", selection["evidence"]
        proxies = tuple(_list_proxies(bundle, rows[0]["domain"], selection))
        measured = [proxy.iteration for proxy in proxies if proxy.key == selection["key"]]
        answer = {
            "key": selection["key"],
            "iteration": next(iter(measured), None),
            "origin": selection["origin"],
            "tasks": parameters[f"optimal_mixture@{selection['objective']}"]["objective"],
            "confirmed": None if evidence is None else evidence["conclusion"],
            "moved_onto_limits_by": selection["adapted_by"],
        }
        return DocumentTrace(
            objective=selection["objective"],
            document=rows[0],
            raw_file=raw[rows[0]["file"]],
            answer=answer,
            proxies=proxies,
            makings=tuple(_list_makings(lineage, parameters, _read_sources(bundle), name, rows[0]["shard"])),
            root=root,
        )
    except (OSError, LookupError, ValueError, TypeError):
        raise ArgumentError(f"{bundle} is no audit bundle of this version; write it anew with `climb audit`") from None


def _list_proxies(bundle: Path, domain: int, selection: Mapping[str, Any]) -> Iterator[TracedProxy]:
    """Yield the models of the search by iteration, then those of the confirmation that were trained on the answer."""
    measured = {row["key"]: row for row in read_table(bundle / MIXTURES).to_pylist()}
    rows, confirmation = read_table(bundle / PROXIES).to_pylist(), f"confirmation_results@{selection['objective']}"
    searched = [row for row in rows if row["used_by"].startswith("proxy_results@")]
    confirmed = [row for row in rows if row["used_by"] == confirmation and row["key"] == selection["key"]]
    for row in searched + confirmed:
        mixture = measured.get(row["key"], {})
        yield TracedProxy(
            used_by=row["used_by"],
            iteration=mixture.get("iteration"),
            key=row["key"],
            repeat=row["repeat"],
            fingerprint=row["fingerprint"],
            weight=mixture["weights"][domain] if mixture else None,
            losses={task: loss for task, loss in mixture.items() if task not in RESERVED},
        )


def _read_sources(bundle: Path) -> dict[str, Mapping[str, Any]]:
    """Return what the ledger of a bundle says of the source that each artefact was made from, by fingerprint."""
    if not (bundle / LEDGER).exists():  # the bundle as it lies in the lake
        return {}
    entries = (json.loads(line) for line in (bundle / LEDGER).read_text(encoding="utf-8").splitlines())
    return {entry["fingerprint"]: entry.get("source", {}) for entry in entries if entry["kind"] == MADE}


def _list_makings(
    lineage: Mapping[str, Any],
    parameters: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, Any]],
    data_set: str,
    shard: str,
) -> Iterator[Making]:
    """Yield what lies between the raw file and the data set, without what is of other shards, inputs first."""
    nodes = {name: node for name, node in lineage["nodes"].items() if not _is_of_another(node, shard)}
    inputs: dict[str, list[str]] = {name: [] for name in nodes}
    for before, after in lineage["edges"]:
        if before in nodes and after in nodes:
            inputs[after].append(before)
    behind: dict[str, list[str]] = {}
    waiting = [data_set]
    while waiting:
        if (name := waiting.pop()) not in behind:
            behind[name] = inputs[name]
            waiting += inputs[name]
    for name in TopologicalSorter(dict(sorted(behind.items()))).static_order():
        node = nodes[name]
        made, code = node["fingerprint"], node["code_version"]
        yield Making(name, made, node["data_version"], code, parameters[name], sources.get(made, {}))


def _is_of_another(node: Mapping[str, Any], shard: str) -> bool:
    spec = SPEC.get(node["asset"])
    return spec is not None and spec.dimension == "shard" and node["partition"] != shard


def read_text(trace: DocumentTrace, raw: RawPlace, corpus: Corpus) -> str:
    """Return the text of a document, read again from its raw file as it was read then.

    Parameters
    ----------
    corpus
        Today's settings; those that the shard was read by take their place.

    Raises
    ------
    CorpusError
        The raw file is gone or is not the one that was read, or no longer says this text.
    """
    row, record = trace.document, trace.raw_file
    where = raw.where(record["path"])
    localise = raw.files(row["shard"]).get(record["path"])
    if localise is None:
        raise CorpusError(f"{where} is gone; it was read with sha256 {record['sha256']}")
    made = next(making for making in trace.makings if making.artefact == f"corpus_shards@{row['shard']}")
    settings = corpus.model_copy(update=dict(made.parameters["corpus"]))
    with localise(record["sha256"]) as path:
        if hash_file(path).sha256 != record["sha256"]:
            raise CorpusError(f"{where} is not the file that was read (sha256 {record['sha256']})")
        for item in read_records(path, settings, PurePosixPath(record["path"]).name):
            if isinstance(item, Record) and item.row == row["record"]:
                text = make_document(item, record["path"], settings).text
                if sha256_text(text) == row["sha256"]:
                    return text
    raise CorpusError(f"record {row['record']} of {where} does not say the text with sha256 {row['sha256']}")

"""What lineage knows of a data set that laws ask about: sources, licences, sizes, and what was done to the text.

What belongs here: counting. What a law asks, and what nobody knows, is `disclosures`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.executor.database import open_database
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.token_index import EVALUATION_SPLITS

LEFT_OUT = {  # what the final splits name instead of train
    "near_duplicate": "near-duplicates of training documents left out, where asked for",
    "contaminated": "documents that hold items of benchmark tasks left out",
    "licence": "documents whose licence the policy does not permit left out",
}
MOST_LISTED = 100  # sources, and licences, that are listed by name; documents.parquet has all

_BY_SOURCE = """
SELECT source, licence, count(*) AS documents, sum(copies)::BIGINT AS rows, sum(copies * tokens)::BIGINT AS tokens
FROM read_parquet($documents, hive_partitioning = false)
GROUP BY ALL ORDER BY tokens DESC, source NULLS LAST, licence NULLS LAST
"""


@dataclass(frozen=True)
class LineageFacts:
    """What is known of a data set.

    Parameters
    ----------
    documents, rows, tokens
        Documents, each once; rows of the data set, with copies; tokens of all rows.
    root
        The root over its documents.
    sources
        For each source and licence as raw records name them: documents, rows, tokens; those with most tokens first.
    domains
        Of each domain: name, weight, tokens, epochs.
    raw_files, raw_bytes
        Of the raw files.
    steps
        What was done to the text, in order: what the step is, and how much of what it left out.
    measured_by
        The tasks of the objective, with their weights.
    tokenizer
        What counted the tokens.
    """

    objective: str
    data_version: str
    root: str
    documents: int
    rows: int
    tokens: int
    sources: tuple[dict[str, Any], ...]
    domains: tuple[dict[str, Any], ...]
    raw_files: int
    raw_bytes: int
    steps: tuple[tuple[str, str], ...]
    measured_by: Mapping[str, float]
    tokenizer: str

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences that its documents name, sorted; those that name none have none."""
        return tuple(sorted({row["licence"] for row in self.sources if row["licence"] is not None}))


def gather_facts(objective: str, artefacts: Mapping[str, Artifact], documents: Path, root: str) -> LineageFacts:
    """Return what is known of the data set of an objective.

    Parameters
    ----------
    artefacts
        Everything it rests on, by name.
    documents, root
        What `climb_assets.audit.documents` wrote.
    """
    corpus, mixture = artefacts[f"mixed_corpus@{objective}"], artefacts[f"optimal_mixture@{objective}"]
    with open_database(documents.parent) as connection:
        found = connection.sql(_BY_SOURCE, params={"documents": str(documents)})
        sources = tuple(dict(zip(found.columns, row, strict=True)) for row in found.fetchall())
    raw = [made.summary for made in artefacts.values() if made.asset == "raw_shards"]
    settings = artefacts["tokenizer"].manifest["config"]["tokenizer"]
    domains = read_table(corpus.file("realised.parquet"), ["name", "wanted", "tokens", "epochs"]).to_pylist()
    return LineageFacts(
        objective=objective,
        data_version=corpus.data_version,
        root=root,
        documents=sum(row["documents"] for row in sources),
        rows=sum(row["rows"] for row in sources),
        tokens=sum(row["tokens"] for row in sources),
        sources=sources,
        domains=tuple({"name": row.pop("name"), "weight": row.pop("wanted"), **row} for row in domains),
        raw_files=sum(summary["files"] for summary in raw),
        raw_bytes=sum(summary["bytes"] for summary in raw),
        steps=_describe_steps(artefacts, corpus),
        measured_by=mixture.manifest["config"]["objective"],
        tokenizer=settings["name"] or f"byte-level BPE of {settings['vocabulary']} trained on this corpus",
    )


def _describe_steps(artefacts: Mapping[str, Artifact], corpus: Artifact) -> tuple[tuple[str, str], ...]:
    """Return what was done between the raw files and the data set, in order."""
    shards = [made for made in artefacts.values() if made.asset == "corpus_shards"]

    def total(name: str) -> int:
        return sum(made.summary[name] for made in shards)

    least = shards[0].manifest["config"]["corpus"]["min_characters"]
    splits, pruned = artefacts["corpus_manifest"].summary["splits"], artefacts["domains"].summary
    by_split, cap = splits["by_split"], corpus.manifest["config"]["mixture"]["max_epochs"]
    held_out = sum(by_split.get(split, 0) for split in EVALUATION_SPLITS)
    left_out = {why: count for why, count in by_split.items() if why not in (*EVALUATION_SPLITS, "train")}
    return (
        ("records read and their text normalised", f"{total('read'):,} read, {total('quarantined'):,} not readable"),
        (f"texts shorter than {least} characters left out", f"{total('filtered_short'):,} documents"),
        (
            "texts that are there already left out",
            f"{total('filtered_duplicate'):,} within a shard, {artefacts['corpus_manifest'].summary['duplicates']:,} "
            "in another",
        ),
        *((LEFT_OUT.get(why, f"left out: {why}"), f"{count:,} documents") for why, count in left_out.items()),
        ("documents held out to measure on", f"{held_out:,} documents"),
        (
            "clusters of low quality left out of all domains",
            f"{pruned['clusters_pruned']:,} clusters, {pruned['pruned_documents']:,} documents when they were formed",
        ),
        (
            f"documents sampled by the weights of the mixture, none more than {cap:g} times",
            f"{corpus.summary['documents']:,} rows",
        ),
        ("rows shuffled by a hash of document and copy", "none left out"),
    )

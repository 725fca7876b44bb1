"""The documents of searches: which of them one trained on, and where they lie in another.

What belongs here: from the spans of training tokens to the share of each earlier domain that lies in each of today's.
What models say of these is `climb_assets.training.carried`.
"""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from climb_assets.executor.database import open_database
from climb_assets.graph.materializer import Materializer
from climb_assets.simplex.transfer import Transfer
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table


def read_documents(climb: Materializer, snapshot: Artifact, folder: Path) -> pa.Table:
    """Return the documents that a search trains on: id, domain and tokens, from its spans and the shards they lie in.

    Parameters
    ----------
    folder
        Where what does not fit into memory may be put down.

    Raises
    ------
    MissingArtifact
        A shard of it is gone.
    """
    spans = np.load(snapshot.file("spans.npy"), allow_pickle=False)
    columns = dict(zip(("domain", "ordinal", "start", "tokens"), spans.T, strict=True))
    found = []
    with open_database(folder) as database:
        database.register("span", pa.table({name: pa.array(column) for name, column in columns.items()}))
        for ordinal, entry in enumerate(json.loads(snapshot.file("shards.json").read_text(encoding="utf-8"))):
            shard = climb.version_named("tokenized_shards", entry["shard"], entry["tokens_version"])
            found.append(
                database.sql(
                    """
                    SELECT d.id, s.domain, s.tokens
                    FROM span s JOIN read_parquet($documents, hive_partitioning = false) d
                    ON s.ordinal = $ordinal AND s.start = d.start AND s.tokens = d.tokens WHERE d.tokens > 0
                    """,
                    params={"ordinal": ordinal, "documents": str(shard.file("documents.parquet"))},
                ).to_arrow_table()
            )
    return pa.concat_tables(found)


def read_clusters(climb: Materializer, today: Artifact) -> pa.Table:
    """Return the cluster of each document of the shards of a search: id and cluster.

    Of a document that has changed since there is none, and of one that lies in several shards there is one: joined to
    documents it says where their text lies, and more than one would count that text more than once.
    """
    shards = {entry["shard"] for entry in json.loads(today.file("shards.json").read_text(encoding="utf-8"))}
    listed = [shard for shard in climb.listing().shards if shard in shards]
    tables = [
        read_table(climb.get("cluster_assignments", shard).file("assignments.parquet"), ["id", "cluster"])
        for shard in listed
    ]
    every = pa.concat_tables(tables)
    return every.group_by("id", use_threads=False).aggregate([("cluster", "first")]).rename_columns(["id", "cluster"])


def share_held_out(before: pa.Table, evaluation: pa.Table) -> float:
    """Return the share of the documents held out for the search today that an earlier one trained on."""
    import pyarrow.compute as pc

    held_out = evaluation.filter(pc.equal(evaluation["split"], "search_eval"))["id"]
    return float(pc.mean(pc.is_in(held_out, before["id"])).as_py() or 0.0) if len(held_out) else 0.0


def count_transfer(before: pa.Table, now: pa.Table, earlier: int, domains: int, folder: Path) -> Transfer:
    """Return where the text of earlier domains lies today, by the documents of two searches.

    It is counted by parts finer than domains: the clusters of today, or their cells, within a domain.

    Parameters
    ----------
    before, now
        Their documents: id, domain and tokens; of those of today the cluster too, null where it is not known.
    earlier, domains
        How many domains there were and are.
    folder
        Where what does not fit into memory may be put down.
    """
    with open_database(folder) as database:
        database.register("earlier", before)
        database.register("today", now)
        moved = database.execute(
            """
            SELECT b.domain AS earlier, n.domain, n.cluster, sum(b.tokens)::DOUBLE AS tokens
            FROM earlier b LEFT JOIN today n USING (id) GROUP BY ALL
            """
        ).fetchall()
        there = database.execute(
            "SELECT domain, cluster, sum(tokens)::DOUBLE AS tokens FROM today GROUP BY ALL"
        ).fetchall()
    parts = sorted({(domain, -1 if cluster is None else cluster) for domain, cluster, _ in there})
    place_of = {part: place for place, part in enumerate(parts)}
    total, shares = np.zeros(earlier), np.zeros((earlier, domains))
    spread, held = np.zeros((earlier, len(parts))), np.zeros((domains, len(parts)))
    for old, domain, cluster, tokens in moved:
        total[old] += tokens
        if domain is not None:
            shares[old, domain] += tokens
            spread[old, place_of[domain, -1 if cluster is None else cluster]] += tokens
    for domain, cluster, tokens in there:
        held[domain, place_of[domain, -1 if cluster is None else cluster]] += tokens
    return Transfer(shares / total[:, None], spread / total[:, None], held / held.sum(axis=1, keepdims=True))

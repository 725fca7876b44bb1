"""Documents for a report: a fair sample of them with a place on a map, some beginnings of each domain, and licences.

What belongs here: reading shards one after another. A document's id is a hash of it, so those with the least ids are a
fair sample, and the same ones each time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climb_assets.errors import ComputeError
from climb_assets.executor.database import open_database
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table

SAMPLE = 2000  # documents on the map; it is half of the page, and six seconds of one core
BEGINNINGS = 3  # of documents, for each domain
CHARACTERS = 240  # of a beginning
AXES = 50  # principal axes that neighbours are looked for in
NEIGHBOURS = 30.0  # t-SNE's perplexity
LEAST = 40  # documents for whose neighbours it is worth while; fewer lie on their two principal axes

_TRAIN = """
CREATE OR REPLACE TEMP TABLE train AS
SELECT d.id, a.place, c.domain, d.source, d.licence, d.text[:$characters] AS begins, t.tokens
FROM read_parquet($documents, hive_partitioning = false) d
JOIN (SELECT id, cluster, file_row_number AS place
      FROM read_parquet($assignments, hive_partitioning = false, file_row_number = true)) a ON a.id = d.id
JOIN read_parquet($tokens, hive_partitioning = false) t ON t.id = d.id
JOIN domain_of c ON c.cluster = a.cluster
LEFT JOIN read_parquet($splits, hive_partitioning = false) o ON o.shard = $shard AND o.id = d.id
WHERE coalesce(o.split, d.split) = 'train'
"""
_LICENCES = "SELECT domain, licence, sum(tokens)::BIGINT AS tokens FROM train GROUP BY ALL ORDER BY ALL"
_LEAST = """
SELECT *, row_number() OVER (ORDER BY id) AS rank, row_number() OVER (PARTITION BY domain ORDER BY id) AS own
FROM train QUALIFY rank <= $sample OR own <= $beginnings ORDER BY id
"""


@dataclass(frozen=True)
class Place:
    """One document on the map: where, of which domain (None: pruned), from what, and how it begins."""

    x: float
    y: float
    domain: int | None
    source: str
    begins: str


@dataclass(frozen=True)
class Documents:
    """What a report shows of documents.

    Parameters
    ----------
    places
        The sample on the map.
    beginnings
        Of each domain the source and the beginning of a few documents.
    licences
        Of each domain the tokens under each licence, most first; "" where documents name none.
    of
        From how many documents the sample is.
    """

    places: list[Place]
    beginnings: Mapping[int, list[tuple[str, str]]]
    licences: Mapping[int, list[tuple[str, int]]]
    of: int


def read_documents(made: Mapping[str, Artifact], folder: Path) -> Documents:
    """Read the sample, the beginnings and the licences; see `Documents`.

    Parameters
    ----------
    made
        Artefacts by name, with those of all shards.
    folder
        Where what does not fit into memory may be put down.
    """
    shards = sorted(str(one.partition) for name, one in made.items() if name.startswith("cluster_assignments@"))
    domains = read_table(made["domains"].file("clusters.parquet"), ["cluster", "domain"])
    splits = str(made["corpus_manifest"].file("splits.parquet"))
    licences: dict[int, dict[str, int]] = {}
    rows: list[dict[str, Any]] = []
    count = 0
    with open_database(folder) as connection:
        connection.register("domain_of", domains)
        for shard in shards:
            paths = {
                "documents": str(made[f"corpus_shards@{shard}"].file("documents.parquet")),
                "assignments": str(made[f"cluster_assignments@{shard}"].file("assignments.parquet")),
                "tokens": str(made[f"tokenized_shards@{shard}"].file("documents.parquet")),
            }
            more = {"splits": splits, "shard": shard, "characters": CHARACTERS}
            connection.execute(_TRAIN, paths | more)
            for domain, licence, tokens in connection.execute(_LICENCES).fetchall():
                if domain is not None:
                    held = licences.setdefault(domain, {})
                    held[licence or ""] = held.get(licence or "", 0) + int(tokens)
            count += int(connection.execute("SELECT count(*) FROM train").fetchall()[0][0])
            least = connection.sql(_LEAST, params={"sample": SAMPLE, "beginnings": BEGINNINGS}).to_arrow_table()
            rows += [row | {"shard": shard} for row in least.to_pylist()]
    rows.sort(key=lambda row: (row["id"], row["shard"]))
    if not rows:
        raise ComputeError("no document may be trained on, so there is nothing to report")
    sample = rows_of_sample(rows)
    places = _lay_out(_vectors(made, sample))
    return Documents(
        places=[
            Place(x, y, row["domain"], row["source"] or "", row["begins"])
            for (x, y), row in zip(places.tolist(), sample, strict=True)
        ],
        beginnings=_beginnings(rows),
        licences={
            domain: sorted(held.items(), key=lambda entry: (-entry[1], entry[0])) for domain, held in licences.items()
        },
        of=count,
    )


def rows_of_sample(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of the rows, sorted by id, that are among the `SAMPLE` least of all documents."""
    return [row for row in rows if row["rank"] <= SAMPLE][:SAMPLE]


def _beginnings(rows: list[dict[str, Any]]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    for row in rows:
        if row["domain"] is not None and len(told := found.setdefault(row["domain"], [])) < BEGINNINGS:
            told.append((row["source"] or "", row["begins"]))
    return found


def _vectors(made: Mapping[str, Artifact], rows: list[dict[str, Any]]) -> NDArray[np.float32]:
    """Return the embeddings (n, dimension) of some rows."""
    mapped = {
        shard: np.load(made[f"embeddings@{shard}"].file("vectors.npy"), mmap_mode="r")
        for shard in sorted({row["shard"] for row in rows})
    }
    return np.stack([mapped[row["shard"]][row["place"]] for row in rows]).astype(np.float32)


def _lay_out(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return places (n, 2) between 0 and 1, near documents near, by t-SNE on one thread: the same each time."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        if len(vectors) < LEAST:
            centred = vectors - vectors.mean(axis=0)
            _, _, axes = np.linalg.svd(centred, full_matrices=False)
            places = np.zeros((len(vectors), 2))
            found = centred @ axes[:2].T
            places[:, : found.shape[1]] = found
        else:
            reduced = PCA(min(AXES, *vectors.shape), svd_solver="full").fit_transform(vectors.astype(np.float64))
            perplexity = min(NEIGHBOURS, (len(vectors) - 1) / 3)
            places = TSNE(2, init="pca", random_state=0, perplexity=perplexity, n_jobs=1).fit_transform(reduced)
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places - low) / np.maximum(high - low, 1e-9), np.float64)

"""The documents that a data set may be drawn from, and the sample of them that meets a plan.

What belongs here: which documents those are and which of them are taken. How many tokens each domain gives is
`climb_assets.mixture.realisation`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.domain_documents import read_domain_documents
from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.side_by_side import ROWS
from climb_assets.errors import ComputeError
from climb_assets.executor.database import insert_table, open_database
from climb_assets.tables import gather, write_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLE = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("copies", pa.int64(), nullable=False),
    ]
)

_POOL = "CREATE TABLE pool (shard INTEGER, id UUID, domain INTEGER, tokens BIGINT)"

_WITHHOLD = """
DELETE FROM pool WHERE id IN (
    WITH held AS (SELECT id FROM read_parquet($evaluation, hive_partitioning = false))
    SELECT id::UUID FROM held
    UNION
    SELECT id::UUID FROM read_parquet($families, hive_partitioning = false) WHERE family IN (
        SELECT family FROM read_parquet($families, hive_partitioning = false) JOIN held USING (id)
    )
)
"""

# A domain is taken whole as often as the plan allows; the rest of the plan is filled with documents in hash order
# as long as they fit, so the plan is never exceeded and missed by less than one document.
# Hashes are compared as 128 bits, whose order is that of their digits. Names and digits are made of rows that are in
# order already, which stay in it, so that no more than these is sorted.
_SAMPLE = """
WITH ordered AS (
    SELECT shard, id, domain, tokens,
           sum(tokens) OVER (PARTITION BY domain) AS held,
           sum(tokens) OVER (
               PARTITION BY domain ORDER BY md5($seed || ':' || replace(id::VARCHAR, '-', ''))::UUID, id
               ROWS UNBOUNDED PRECEDING
           ) AS reached
    FROM pool
), chosen AS (
    SELECT shard, id, domain, tokens,
           (planned // held + CASE WHEN reached <= planned % held THEN 1 ELSE 0 END)::BIGINT AS copies
    FROM ordered JOIN plan USING (domain)
    WHERE copies > 0
    ORDER BY domain, id
)
SELECT $shards[shard + 1] AS shard, replace(id::VARCHAR, '-', '') AS id, domain, tokens, copies FROM chosen
"""


@dataclass(frozen=True)
class Withheld:
    """What no data set may hold: documents on which the search is measured, and their families of today.

    A document's split may change when its family grows, and the search goes on being measured on what it began with.

    Parameters
    ----------
    evaluation
        ``evaluation.parquet`` of `training_tokens`.
    families
        ``families.parquet`` of `corpus_manifest`.
    """

    evaluation: Path
    families: Path


@dataclass(frozen=True)
class Pool:
    """The documents that may be taken, in a database that `open_pool` fills.

    Parameters
    ----------
    shards
        Names of all shards.
    supply
        Tokens of each domain (K,).
    withheld
        Documents that are in training today and were left out, since the search is measured on them or their like.
    """

    connection: "DuckDBPyConnection"
    shards: Sequence[str]
    supply: npt.NDArray[np.int64]
    withheld: int

    def sample(self, planned: npt.NDArray[np.int64], seed: int, path: Path) -> npt.NDArray[np.int64]:
        """Choose the documents that meet a plan; write them as a table and return the tokens of each domain (K,).

        A domain's tokens are at most the plan and short of it by less than one document. Who is taken follows from
        hashes of documents, so while the pool hardly changes the sample hardly does.

        Parameters
        ----------
        planned
            Tokens of each domain (K,).
        seed
            Names the order in which documents fill a partial epoch.

        Raises
        ------
        ComputeError
            A domain with planned tokens has no document, or the sample exceeds the plan, which would be a defect.
        """
        for domain in np.flatnonzero((planned > 0) & (self.supply == 0)).tolist():
            raise ComputeError(f"domain {domain} of the mixture has no training document; make the domains again")
        self.connection.execute(
            "CREATE OR REPLACE TABLE plan AS SELECT unnest($domains)::INTEGER AS domain, unnest($planned) AS planned",
            {"domains": list(range(len(planned))), "planned": planned.tolist()},
        )
        chosen = np.zeros(len(planned), dtype=np.int64)

        def rows() -> Iterator[pa.RecordBatch]:
            values = {"seed": str(seed), "shards": self.shards}
            for batch in self.connection.sql(_SAMPLE, params=values).to_arrow_reader(ROWS):
                np.add.at(chosen, batch["domain"], np.multiply(batch["tokens"], batch["copies"]))
                yield batch.cast(SAMPLE)

        write_table(path, rows(), SAMPLE)
        if (chosen > planned).any():
            raise ComputeError(f"the sample exceeds the plan of domain {int(np.argmax(chosen > planned))}; report this")
        return chosen


def load_sample(connection: "DuckDBPyConnection", path: Path) -> None:
    """Make the table `sample` of what `Pool.sample` wrote, by shard: whoever asks for one shard reads only its rows."""
    connection.execute(
        "CREATE TABLE sample AS SELECT * FROM read_parquet($path, hive_partitioning = false) ORDER BY shard",
        {"path": str(path)},
    )


@contextmanager
def open_pool(
    shards: Sequence[ShardTables], clusters: Path, splits: Path, withheld: Withheld, domains: int, folder: Path
) -> Iterator[Pool]:
    """Gather the training documents of every domain, apart from what is withheld. The order of shards does not matter.

    Parameters
    ----------
    shards
        Tables of every shard.
    clusters
        The table from clusters to domains.
    splits
        ``splits.parquet`` of `corpus_manifest`.
    domains
        Number of domains (K).
    folder
        Where what does not fit into memory may be put down.

    Raises
    ------
    CorruptArtifact
        The tables of a shard are not of the same documents.
    """
    with open_database(folder) as connection:
        _collect(connection, shards, clusters, splits)
        files = {"evaluation": str(withheld.evaluation), "families": str(withheld.families)}
        [(left_out,)] = connection.execute(_WITHHOLD, files).fetchall()
        counted = connection.execute("SELECT domain, sum(tokens)::BIGINT FROM pool GROUP BY domain").fetchall()
        supply = np.zeros(domains, dtype=np.int64)
        for domain, tokens in counted:
            supply[domain] = tokens
        yield Pool(connection, [shard.shard for shard in shards], supply, left_out)


def _collect(connection: "DuckDBPyConnection", shards: Sequence[ShardTables], clusters: Path, splits: Path) -> None:
    """Fill the table of the documents that are in training, have tokens, and whose cluster was kept."""
    connection.execute(_POOL)
    for rows in gather(read_domain_documents(shards, splits, clusters, of_tokens=["tokens"]), ROWS):
        train = pc.and_(pc.equal(rows["split"], "train"), pc.is_valid(rows["domain"]))
        taken = rows.filter(pc.and_(train, pc.greater(rows["tokens"], 0)))
        insert_table(connection, "pool", taken.select(["shard", "id", "domain", "tokens"]))

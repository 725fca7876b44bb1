"""From weights to tokens: how much of each domain a budget can hold, and which documents that is.

What belongs here: the plan under the epoch cap, and the sample of documents that meets it. Their text is written by
`climb_assets.mixture.corpus_writer`.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets.clusters.shards import ShardTables
from climb_assets.errors import ComputeError
from climb_assets.simplex.apportionment import apportion
from climb_assets.simplex.mixtures import FloatArray, check_simplex, normalise
from climb_assets.tables import ROW_GROUP, write_table


@dataclass(frozen=True)
class Realisation:
    """What a mixture becomes with the tokens that there are.

    Parameters
    ----------
    tokens
        Planned tokens of each domain (K,), whole numbers.
    epochs
        How often each domain's tokens are passed over (K,).
    weights
        The shares that result (K,).
    distance
        L1 distance from the wanted weights, 0 to 2.
    capped
        Which domains are at the cap (K,).
    budget, shortfall
        Wanted tokens in all, and how many of them the caps made impossible.
    """

    tokens: npt.NDArray[np.int64]
    epochs: FloatArray
    weights: FloatArray
    distance: float
    capped: npt.NDArray[np.bool_]
    budget: int
    shortfall: int


def realise(weights: npt.ArrayLike, supply: npt.ArrayLike, budget: int, max_epochs: float) -> Realisation:
    """Return the plan for a token budget under a cap on repetition (Olmix' p_j <= k N_j / R, docs/sources.md).

    What a capped domain cannot give goes to the others in proportion to their weights, until the budget is met
    or every domain of the mixture is at its cap; then the budget is reduced by `shortfall`.

    Parameters
    ----------
    weights
        The mixture (K,).
    supply
        Tokens that each domain holds (K,).
    budget
        Tokens wanted in all.
    max_epochs
        The most that a domain is repeated.

    Raises
    ------
    ComputeError
        The mixture is none, or its domains hold no tokens.
    """
    available = np.asarray(supply, dtype=np.int64)
    wanted = check_simplex(weights, len(available))
    cap = np.floor(max_epochs * available) * (wanted > 0)
    total = int(min(budget, cap.sum()))
    if total < 1:
        raise ComputeError("the domains of this mixture hold no tokens; choose another mixture")
    full = np.zeros(len(wanted), dtype=np.bool_)
    share = np.zeros(len(wanted))
    while not full[wanted > 0].all():  # each round fills a domain or is the last
        below = np.where(full, 0.0, wanted)
        share = (total - cap[full].sum()) * normalise(below)
        over = (below > 0) & (share >= cap)
        if not over.any():
            break
        full |= over
    tokens = apportion(np.where(full, cap, share), total)
    realised = normalise(tokens)
    epochs = np.divide(tokens, available, out=np.zeros(len(tokens)), where=available > 0)
    return Realisation(tokens, epochs, realised, float(np.abs(realised - wanted).sum()), full, budget, budget - total)


@dataclass(frozen=True)
class Written:
    """How far the tokens that are in a data set are from what was wanted.

    Parameters
    ----------
    distance_to_weights
        L1 distance of their shares from the mixture, 0 to 2.
    shortfall
        Tokens that are missing from the budget: what the caps forbid, and what no whole document fits into.
    """

    distance_to_weights: float
    shortfall: int


def measure(weights: FloatArray, tokens: npt.NDArray[np.int64], budget: int) -> Written:
    """Return how far the tokens of a data set are from a mixture.

    Parameters
    ----------
    weights
        The mixture (K,).
    tokens
        Tokens of each domain (K,) that `sample_documents` chose.
    budget
        Tokens wanted in all.

    Raises
    ------
    ComputeError
        There is no token.
    """
    if not tokens.sum():
        raise ComputeError(
            "no document is short enough for its domain's part of mixture.tokens, so the data set would be empty; "
            "raise mixture.tokens"
        )
    return Written(float(np.abs(normalise(tokens) - weights).sum()), int(budget - tokens.sum()))


SAMPLE = pa.schema(
    [
        pa.field("shard", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("copies", pa.int64(), nullable=False),
    ]
)

_COLLECT = """
INSERT INTO pool
SELECT $shard, document.id, cluster.domain, counted.tokens
FROM read_parquet($documents, hive_partitioning = false) AS document
JOIN read_parquet($tokens, hive_partitioning = false) AS counted USING (id)
JOIN read_parquet($assignments, hive_partitioning = false) AS assigned USING (id)
JOIN read_parquet($clusters, hive_partitioning = false) AS cluster USING (cluster)
LEFT JOIN read_parquet($splits, hive_partitioning = false) AS override
    ON override.shard = $shard AND override.id = document.id
WHERE coalesce(override.split, document.split) = 'train' AND cluster.domain IS NOT NULL AND counted.tokens > 0
"""

# A domain is taken whole as often as the plan allows; the rest of the plan is filled with documents in hash order
# as long as they fit, so the plan is never exceeded and missed by less than one document.
_SAMPLE = """
WITH ordered AS (
    SELECT shard, id, domain, tokens,
           sum(tokens) OVER (PARTITION BY domain) AS held,
           sum(tokens) OVER (PARTITION BY domain ORDER BY md5($seed || ':' || id), id ROWS UNBOUNDED PRECEDING)
               AS reached
    FROM pool
)
SELECT shard, id, domain, tokens,
       (planned // held + CASE WHEN reached <= planned % held THEN 1 ELSE 0 END)::BIGINT AS copies
FROM ordered JOIN plan USING (domain)
WHERE copies > 0
ORDER BY domain, id
"""


def sample_documents(
    shards: Sequence[ShardTables],
    clusters: Path,
    splits: Path,
    planned: npt.NDArray[np.int64],
    seed: int,
    out: Path,
) -> npt.NDArray[np.int64]:
    """Choose the documents that meet a plan; write ``sample.parquet`` into the folder and return the tokens (K,).

    Only training documents of a kept cluster are chosen from. A domain's
    realised tokens are at most the plan and short of it by less than one document. The order of shards does not matter.

    Parameters
    ----------
    shards
        Tables of every shard.
    clusters
        The table from clusters to domains.
    splits
        ``splits.parquet`` of `corpus_manifest`.
    planned
        Tokens of each domain (K,).
    seed
        Names the order in which documents fill a partial epoch.

    Raises
    ------
    ComputeError
        A domain with planned tokens has no document, or the sample exceeds the plan, which would be a defect.
    """
    import duckdb

    with closing(duckdb.connect(config={"temp_directory": str(out / ".duckdb")})) as connection:
        connection.execute("CREATE TABLE pool (shard VARCHAR, id VARCHAR, domain INTEGER, tokens BIGINT)")
        for shard in shards:
            paths = {"documents": shard.documents, "tokens": shard.tokens, "assignments": shard.assignments}
            paths |= {"clusters": clusters, "splits": splits}
            connection.execute(_COLLECT, {"shard": shard.shard, **{name: str(path) for name, path in paths.items()}})
        connection.execute(
            "CREATE TABLE plan AS SELECT unnest($domains)::INTEGER AS domain, unnest($planned)::BIGINT AS planned",
            {"domains": list(range(len(planned))), "planned": planned.tolist()},
        )
        empty = connection.execute(
            "SELECT domain FROM plan WHERE planned > 0 AND domain NOT IN (SELECT domain FROM pool) ORDER BY domain"
        ).fetchall()
        if empty:
            raise ComputeError(f"domain {empty[0][0]} of the mixture has no training document; make the domains again")
        chosen = np.zeros(len(planned), dtype=np.int64)

        def rows() -> Iterator[pa.RecordBatch]:
            for batch in connection.sql(_SAMPLE, params={"seed": str(seed)}).to_arrow_reader(ROW_GROUP):
                np.add.at(chosen, batch["domain"], np.multiply(batch["tokens"], batch["copies"]))
                yield batch.cast(SAMPLE)

        write_table(out / "sample.parquet", rows(), SAMPLE)
    if (chosen > planned).any():
        raise ComputeError(f"the sample exceeds the plan of domain {int(np.argmax(chosen > planned))}; report this")
    return chosen

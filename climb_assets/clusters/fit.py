"""The sample of the corpus that the domains were fitted on, as files: what later corpora are compared with.

What belongs here: writing and reading it. What a sample is made of is `moments`, what is compared is `drift`.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets.clusters.moments import BINS, FARTHEST, Sample
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.tables import read_table, write_table

FIT, FIT_SHARDS, FIT_FACTS = "fit.parquet", "fit_shards.parquet", "fit.json"
PLAIN = tuple(  # a number a place
    field.name for field in fields(Sample) if field.name not in ("embedding", "far_bin", "shards")
)


def write_fit(fit: Sample, out: Path) -> None:
    """Write ``fit.parquet``, ``fit_shards.parquet`` and ``fit.json``: what later corpora are compared with.

    The first has a row a domain and one, with no domain, of all; ``embedding`` is a mean of unit vectors.
    """
    columns: dict[str, Any] = {"domain": pa.array([*range(len(fit.documents) - 1), None], pa.int32())}
    columns |= {name: getattr(fit, name) for name in PLAIN}
    columns["embedding"] = pa.array(fit.embedding.tolist(), pa.list_(pa.float64()))
    write_table(out / FIT, pa.table(columns))
    names, versions = zip(*fit.shards, strict=True)
    documents = pa.array([counts.tolist() for counts in fit.shards.values()], pa.list_(pa.int64()))
    write_table(out / FIT_SHARDS, pa.table({"shard": names, "version": versions, "documents": documents}))
    facts = {"far_bin": fit.far_bin, "p99_distance": fit.far_bin * FARTHEST / BINS}
    write_atomically(out / FIT_FACTS, canonical_json(facts).encode())


def read_fit(table: Path, shards: Path, far_bin: int) -> Sample:
    """Return what `write_fit` wrote, given its two tables and the bin."""
    rows = read_table(table)
    by_shard = {
        (row["shard"], row["version"]): np.array(row["documents"], np.int64) for row in read_table(shards).to_pylist()
    }
    plain = {name: rows[name].to_numpy() for name in PLAIN}
    embedding = np.array(rows["embedding"].to_pylist(), np.float64)
    return Sample(**plain, embedding=embedding, far_bin=far_bin, shards=by_shard)

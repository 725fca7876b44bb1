"""What the domains hold today: documents, tokens, quality and sources of each, under the taxonomy that is kept.

What belongs here: adding up clusters. Which cluster is part of which domain, and what domains are called, is decided in
`domains` and stays when the corpus changes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.statistics import COUNTS, SOURCES, add_up, mean_scores, top_sources
from climb_assets.errors import ComputeError
from climb_assets.tables import read_table, write_table


def write_supply(domains: Path, clusters: Path, tally: Path, out: Path) -> dict[str, Any]:
    """Write ``supply.parquet``: one row a domain, with what it is called and what it holds.

    A domain's prior is its share of the tokens of all domains. One that has lost all its documents has no tokens, a
    prior of 0 and no mean scores.

    Parameters
    ----------
    domains, clusters
        ``domains.parquet`` and ``clusters.parquet`` of the domains.
    tally
        ``tally.parquet`` of the cluster statistics.

    Returns
    -------
    Facts: domains, documents, tokens, and the numbers of the domains that are empty.

    Raises
    ------
    ComputeError
        No domain holds a document.
    """
    named, held = read_table(domains), read_table(tally)
    domain_of = read_table(clusters)["domain"].fill_null(-1).to_numpy()
    group = domain_of[held["cluster"].to_numpy()]
    sources = top_sources(held, group.tolist())
    sums = add_up(held.append_column("domain", pa.array(group)).filter(pa.array(group >= 0)), ["domain"])
    if not sums.num_rows:
        raise ComputeError("no domain has training text any more; put it back, or run `climb renew taxonomy`")
    numbers = named["domain"].to_pylist()
    counted = pa.table({name: sums[name] for name in COUNTS} | mean_scores(sums))
    counted = counted.take(pc.index_in(named["domain"], sums["domain"].combine_chunks()))
    counts = {name: counted[name].fill_null(0) for name in COUNTS}
    tokens = counts["tokens"].to_numpy()
    columns: dict[str, Any] = {name: named[name] for name in named.column_names} | counts
    columns |= {"prior": tokens / tokens.sum()}
    columns |= {name: counted[name] for name in counted.column_names if name not in COUNTS}
    columns["sources"] = pa.array([sources.get(number, []) for number in numbers], SOURCES)
    write_table(out / "supply.parquet", pa.table(columns))
    empty = [number for number, count in zip(numbers, tokens.tolist(), strict=True) if not count]
    documents = int(np.sum(counts["documents"].to_numpy()))
    return {"domains": len(numbers), "documents": documents, "tokens": int(tokens.sum()), "empty": empty}

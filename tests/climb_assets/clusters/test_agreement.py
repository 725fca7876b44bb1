"""Agreement with sources: scikit-learn's numbers, from counts alone."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.clusters.agreement import measure_agreement

DOMAIN_OF = np.array([0, 1, 1, -1])


def tally(pairs: list[tuple[int, str]]) -> pa.Table:
    """Count documents given as (cluster, source)."""
    table = pa.table({"cluster": [c for c, _ in pairs], "source": pa.array([s for _, s in pairs], pa.string())})
    return (
        table.group_by(["cluster", "source"])
        .aggregate([([], "count_all")])
        .rename_columns(["cluster", "source", "documents"])
    )


@settings(deadline=None)  # the first call imports scikit-learn
@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("xyz")), min_size=1, max_size=40))
def test_counts_give_what_scikit_learn_gives_on_documents(pairs: list[tuple[int, str]]) -> None:
    from sklearn.metrics import normalized_mutual_info_score

    measured = measure_agreement(tally(pairs), DOMAIN_OF)
    clusters, sources = zip(*pairs, strict=True)
    if len(set(sources)) < 2:
        assert measured == {}
        return
    assert measured["cluster_nmi"] == pytest.approx(normalized_mutual_info_score(sources, clusters), abs=1e-5)
    kept = [(DOMAIN_OF[cluster], source) for cluster, source in pairs if DOMAIN_OF[cluster] >= 0]
    largest = sum(max(kept.count((domain, source)) for source in "xyz") for domain in (0, 1))
    assert measured["purity"] == (pytest.approx(largest / len(kept), abs=1e-5) if kept else None)

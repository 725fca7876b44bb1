"""The sample meets the plan, holds no document that may not be trained on, and stays as it is where the pool does."""

import numpy as np
import pytest

from climb_assets.errors import ComputeError
from climb_assets.mixture.pool import open_pool
from climb_assets.tables import read_table


def sample_of(corpus, planned, tmp_path, shards=None, seed=1, withheld=()):
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    files = (corpus.clusters, corpus.splits, corpus.withheld(*withheld))
    with open_pool(shards or corpus.shards, *files, len(planned), out) as pool:
        chosen = pool.sample(np.array(planned), seed, out / "sample.parquet")
    return chosen, read_table(out / "sample.parquet").to_pylist(), (out / "sample.parquet").read_bytes()


def test_the_sample_is_within_one_document_of_the_plan(corpus, tmp_path):
    supply = corpus.supply
    planned = [supply[0] // 3, 2 * supply[1] + supply[1] // 2, supply[2]]
    chosen, rows, _ = sample_of(corpus, planned, tmp_path)
    longest = max(tokens for _, tokens, _ in corpus.known.values())
    assert (chosen <= planned).all()
    assert (np.array(planned) - chosen < longest).all()
    assert chosen.tolist() == [sum(r["tokens"] * r["copies"] for r in rows if r["domain"] == d) for d in range(3)]
    assert {r["copies"] for r in rows if r["domain"] == 0} == {1}
    assert {r["copies"] for r in rows if r["domain"] == 1} == {2, 3}
    assert {r["copies"] for r in rows if r["domain"] == 2} == {1}


def test_only_training_documents_that_are_no_duplicates_are_sampled(corpus, tmp_path):
    _, rows, _ = sample_of(corpus, 2 * corpus.supply, tmp_path)
    usable = {key: domain for key, (domain, _, usable) in corpus.known.items() if usable}
    assert {(row["shard"], row["id"]): row["domain"] for row in rows} == usable
    assert ("beta", corpus.repeated) not in usable


def test_neither_the_order_of_shards_nor_another_run_changes_the_sample(corpus, tmp_path):
    planned = corpus.supply // 2
    first = sample_of(corpus, planned, tmp_path)[2]
    assert sample_of(corpus, planned, tmp_path, corpus.shards[::-1])[2] == first
    assert sample_of(corpus, planned, tmp_path, seed=2)[2] != first


def test_a_domain_that_lost_its_documents_is_named(corpus, tmp_path):
    with pytest.raises(ComputeError, match="domain 3"):
        sample_of(corpus, [10, 10, 10, 10], tmp_path)


def test_what_the_search_is_measured_on_is_withheld_with_its_family_of_today(corpus, tmp_path):
    _, rows, _ = sample_of(corpus, 2 * corpus.supply, tmp_path)
    held, alike, other = (row["id"] for row in rows[:3])
    _, fewer, _ = sample_of(corpus, corpus.supply // 2 * 3, tmp_path, withheld=([held], [(held, alike)]))
    assert {row["id"] for row in fewer} == {row["id"] for row in rows} - {held, alike}
    assert other in {row["id"] for row in fewer}


def test_documents_that_come_put_others_out_only_to_make_room(corpus, tmp_path):
    """With the same plan, what one shard alone gives is either there beside another or has given way to it."""
    planned = corpus.supply // 5
    _, alone, _ = sample_of(corpus, planned, tmp_path, corpus.shards[:1])
    _, both, _ = sample_of(corpus, planned, tmp_path)
    before, after = ({row["id"] for row in rows} for rows in (alone, both))
    came = {row["id"] for row in both if row["shard"] == "beta"}
    assert after - before <= came and before - after and after & before

"""Domains: what is pruned and why, what is merged, what the files say."""

import itertools
import json
import re
from pathlib import Path

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster

from climb_assets.clusters.balancing import ward_tree
from climb_assets.clusters.cells import read_bands
from climb_assets.clusters.domains import DomainInputs, form_domains, write_domains
from climb_assets.clusters.kmeans import assign_shard
from climb_assets.clusters.shards import ScoredShard
from climb_assets.clusters.statistics import compute_statistics
from climb_assets.clusters.supply import write_supply
from climb_assets.config import Clusters
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.tables import read_table, write_table

LENIENT = {"quality": 1.5, "advertisement": 3.0}


def statistics(tokens: list[int], quality: list[float]) -> pa.Table:
    """Return the statistics of clusters 0, 1, 2, ..."""
    rows = {"cluster": range(len(tokens)), "documents": [1] * len(tokens), "tokens": tokens, "mean_quality": quality}
    return pa.table(rows)


def points(*places: float) -> np.ndarray:
    """Return centroids on a line."""
    return np.array([[place, 0.0] for place in places], np.float32)


def test_poor_and_empty_clusters_are_pruned_with_the_reason() -> None:
    settings = Clusters(prune={"quality": 3.0})
    formed = form_domains(statistics([5, 6, 7], [4.0, 2.9, 3.0]), points(0, 10, 20, 30), settings)
    assert formed.pruned_by == [None, "quality", None, "empty"]
    assert formed.domain_of.tolist() == [1, -1, 0, -1]


def test_near_clusters_merge_and_far_ones_do_not() -> None:
    settings = Clusters(prune={}, merge_distance=1.5)
    formed = form_domains(statistics([1, 2, 9, 9], [5.0] * 4), points(0, 1, 10, 11), settings)
    assert formed.domain_of.tolist() == [1, 1, 0, 0]


def test_a_number_of_domains_can_be_asked_for() -> None:
    settings = Clusters(prune={}, merge_distance=None, domains=3)
    formed = form_domains(statistics([4, 3, 2, 1], [5.0] * 4), points(0, 0.1, 5, 9), settings)
    assert formed.domains == 3
    assert formed.domain_of[0] == formed.domain_of[1] == 0


def test_domains_within_bounds_can_be_asked_for() -> None:
    balance = {"domains": 2, "largest_share": 0.6}
    settings = Clusters(prune={"quality": 3.0}, merge_distance=None, balance=balance)
    table = statistics([25, 25, 40, 1, 900], [5.0, 5.0, 5.0, 5.0, 1.0])
    formed = form_domains(table, points(0, 0.1, 1, 99, 50), settings, needed=20)
    assert formed.domains == 2 and formed.pruned_by[4] == "quality"
    assert formed.domain_of[0] == formed.domain_of[1] != formed.domain_of[2]


def test_bounds_that_cannot_be_kept_are_refused_and_what_is_advised_works() -> None:
    table, places = statistics([50, 5, 5], [5.0] * 3), points(0, 1, 9)

    def ask(**balance: float) -> Clusters:
        return Clusters(prune={}, merge_distance=None, balance={"domains": 3, **balance})

    with pytest.raises(ComputeError, match=r"one cluster alone holds 0\.833 of the tokens") as caught:
        form_domains(table, places, ask(largest_share=0.4), needed=3)
    largest, smallest = map(float, re.findall(r"_share to (\d[.\d]*)", str(caught.value)))
    assert form_domains(table, places, ask(largest_share=largest, smallest_share=smallest)).domains == 3


@given(tokens=st.lists(st.integers(1, 50), min_size=2, max_size=12))
def test_domains_are_numbered_by_supply(tokens: list[int]) -> None:
    settings = Clusters(prune={}, merge_distance=0.5)
    formed = form_domains(statistics(tokens, [5.0] * len(tokens)), points(*range(len(tokens))), settings)
    order = np.argsort(formed.domain_of)
    assert [tokens[i] for i in order] == sorted(tokens, reverse=True)
    assert all(a < b for a, b in itertools.pairwise(order) if tokens[a] == tokens[b])


def test_when_all_are_pruned_the_strictest_threshold_is_named() -> None:
    settings = Clusters(prune={"quality": 3.0})
    with pytest.raises(ComputeError, match=r"lower clusters.prune.quality, now 3.0: the best cluster's mean is 2.50"):
        form_domains(statistics([5, 5], [2.0, 2.5]), points(0, 9), settings)


def test_a_single_domain_is_refused_with_a_distance_that_parts_it() -> None:
    table, places = statistics([5, 5, 5], [5.0] * 3), points(0.0, 0.1, 1.0)
    with pytest.raises(
        ComputeError, match=r"a mixture needs two; set clusters\.merge_distance to .* or less"
    ) as caught:
        form_domains(table, places, Clusters(prune={}, merge_distance=9.0))
    (advised,) = re.findall(r"merge_distance to (\S+) or less", str(caught.value))
    assert form_domains(table, places, Clusters(prune={}, merge_distance=float(advised))).domains > 1


def test_what_was_pruned_parts_them_if_it_differs() -> None:
    table = statistics([5, 5], [5.0, 1.0])
    with pytest.raises(ComputeError, match=r"lower the thresholds in clusters\.prune"):
        form_domains(table, points(0.0, 9.0), Clusters(prune={"quality": 3.0}))
    assert form_domains(table, points(0.0, 9.0), Clusters(prune={"quality": 1.0})).domains == 2


@pytest.mark.parametrize("places", [(0.0,), (0.0, 0.0), (0.0, 1e-4, 2e-4)])
def test_documents_that_embed_alike_are_not_said_to_need_more_clusters(places: tuple[float, ...]) -> None:
    with pytest.raises(ComputeError, match="embed alike, so no other number of clusters parts them"):
        form_domains(statistics([5] * len(places), [5.0] * len(places)), points(*places, 50.0), Clusters(prune={}))


def test_a_threshold_for_an_unknown_dimension_is_refused() -> None:
    with pytest.raises(ConfigError, match="'beauty', which is not scored; known: quality"):
        form_domains(statistics([5, 5], [5.0, 5.0]), points(0, 9), Clusters(prune={"beauty": 1.0}))


QUALITY = {"dimension": "quality", "thresholds": [2.0, 4.0]}


def test_a_domain_is_a_topic_within_a_band() -> None:
    settings = Clusters(prune={}, merge_distance=1.5, cells=QUALITY)
    table = statistics([1, 2, 30, 4, 50, 60, 7, 8, 9], [1.0, 3.0, 4.5] * 3)  # three clusters of three cells
    formed = form_domains(table, points(0, 1, 10), settings)
    low, middle, high = 0, 1, 2
    assert formed.domain_of.tolist() == [5, 1, 0, 5, 1, 0, 4, 3, 2]  # 5, 52, 90 and 7, 8, 9 tokens
    assert formed.topic.tolist() == [0, 0, 1, 1, 1, 0]
    assert formed.band.tolist() == [high, middle, high, middle, low, low]


def test_the_number_of_domains_is_counted_before_they_are_parted() -> None:
    settings = Clusters(prune={}, merge_distance=None, domains=2, cells=QUALITY)
    formed = form_domains(statistics([1] * 9, [5.0] * 9), points(0, 0.1, 5), settings)
    assert formed.domains == 6 and set(formed.topic.tolist()) == {0, 1}


def test_the_poor_part_of_a_cluster_is_pruned_and_the_good_part_stays() -> None:
    settings = Clusters(prune={"quality": 3.0}, cells=QUALITY)
    table = statistics([5, 5, 5, 5, 5, 5], [1.0, 3.5, 5.0, 1.5, 2.5, 5.0])
    formed = form_domains(table, points(0, 10), settings)
    assert formed.pruned_by == ["quality", None, None, "quality", "quality", None]
    assert (formed.domain_of >= 0).tolist() == [False, True, True, False, False, True]


def test_two_bands_of_one_topic_are_enough_for_a_mixture() -> None:
    settings = Clusters(prune={}, merge_distance=9.0, cells=QUALITY)
    assert form_domains(statistics([5, 6, 7], [1.0, 3.0, 5.0]), points(0), settings).domains == 3


def test_a_single_domain_of_cells_is_refused_with_what_parts_it() -> None:
    poor = statistics([5, 5, 5], [1.0, 1.5, 5.0])
    with pytest.raises(
        ComputeError, match=r"the 1 cells that are kept form one .*lower the thresholds in clusters\.prune"
    ):
        form_domains(poor, points(0), Clusters(prune={"quality": 3.0}, cells=QUALITY))
    assert form_domains(poor, points(0), Clusters(prune={"quality": 1.0}, cells=QUALITY)).domains == 3
    cells = pa.table({"cluster": [2, 5], "documents": [1, 1], "tokens": [5, 5], "mean_quality": [5.0, 5.0]})
    with pytest.raises(ComputeError, match=r"the 2 cells .*set clusters\.merge_distance to 0\.9 or less"):
        form_domains(cells, points(0, 1), Clusters(prune={}, merge_distance=9.0, cells=QUALITY))


@given(
    places=st.lists(st.integers(0, 20), min_size=2, max_size=8),
    tokens=st.lists(st.integers(0, 9), min_size=24, max_size=24),
    distance=st.sampled_from([0.5, 3.0, 99.0]),
)
def test_what_is_merged_is_of_one_band_and_as_without_cells(
    places: list[int], tokens: list[int], distance: float
) -> None:
    held = [cell for cell in range(3 * len(places)) if tokens[cell]]
    hypothesis.assume(len({cell % 3 for cell in held}) > 1)
    columns = {"cluster": held, "documents": [1] * len(held), "tokens": [tokens[cell] for cell in held]}
    formed = form_domains(
        pa.table(columns | {"mean_quality": [5.0] * len(held)}),
        points(*places),
        Clusters(prune={}, merge_distance=distance, cells=QUALITY),
    )
    assert [cell for cell, domain in enumerate(formed.domain_of) if domain >= 0] == held
    assert all(formed.band[formed.domain_of[cell]] == cell % 3 for cell in held)
    clusters = sorted({cell // 3 for cell in held})
    whole = np.zeros(1, np.int64)
    if len(clusters) > 1:
        whole = fcluster(ward_tree(points(*[places[cluster] for cluster in clusters])), distance, "distance")
    topic_of = dict(zip(clusters, whole.tolist(), strict=True))
    pairs = {(formed.topic[formed.domain_of[cell]], topic_of[cell // 3]) for cell in held}
    assert len(pairs) == len({mine for mine, _ in pairs}) == len({theirs for _, theirs in pairs})
    assert len({(topic_of[cell // 3], cell % 3) for cell in held}) == formed.domains


@pytest.fixture
def written(corpus, tmp_path: Path) -> Path:
    """The files of the domains of the small corpus; the group with quality 1 is pruned."""
    compute_statistics(corpus.tables, corpus.splits, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    inputs = DomainInputs(tmp_path / "clusters.parquet", corpus.centroids, corpus.tables, corpus.splits)
    write_domains(inputs, Clusters(prune=LENIENT, merge_distance=1.0), out)
    return out


def test_clusters_say_where_they_went(written: Path) -> None:
    assert read_table(written / "clusters.parquet").to_pydict() == {
        "cluster": [0, 1, 2, 3],
        "domain": [None, 1, 0, None],
        "pruned_by": ["quality", None, None, "empty"],
    }


def test_domains_say_what_they_hold(written: Path) -> None:
    write_supply(written / "domains.parquet", written / "clusters.parquet", written.parent / "tally.parquet", written)
    rows = read_table(written / "supply.parquet").to_pylist()
    assert [row["domain"] for row in rows] == [0, 1]
    assert set(rows[0]["terms"]) == {"bread", "flour", "butter", "oven"}
    assert set(rows[1]["name"].split()) <= {"proof", "theorem", "lemma", "axiom"}
    assert sum(row["prior"] for row in rows) == pytest.approx(1)
    assert [row["tokens"] for row in rows] == [5 * rows[0]["documents"], 4 * rows[1]["documents"]]
    assert rows[0]["sources"] == [{"source": "kitchen", "documents": rows[0]["documents"]}]
    assert rows[0]["mean_quality"] == pytest.approx(3)


def test_a_domains_centroid_is_its_clusters(written: Path, corpus) -> None:
    np.testing.assert_allclose(np.load(written / "centroids.npy"), corpus.centroids[[2, 1]])


def test_groups_that_are_the_sources_agree_fully(written: Path) -> None:
    agreement = json.loads((written / "agreement.json").read_text())
    assert agreement["nmi"] == agreement["purity"] == agreement["cluster_nmi"] == 1.0
    assert (agreement["documents"], agreement["sources"]) == (119, 3)


def test_a_shard_without_documents_changes_nothing(corpus, written: Path, tmp_path: Path) -> None:
    paths = []
    for name in ("documents", "tokens", "assignments", "scores"):
        paths.append(tmp_path / f"no-{name}.parquet")
        write_table(paths[-1], read_table(getattr(corpus.tables[0], name)).slice(0, 0))
    tables = [ScoredShard("none", *paths), *corpus.tables]
    out = tmp_path / "again"
    out.mkdir()
    compute_statistics(tables, corpus.splits, out)
    inputs = DomainInputs(out / "clusters.parquet", corpus.centroids, tables, corpus.splits)
    write_domains(inputs, Clusters(prune=LENIENT, merge_distance=1.0), out)
    assert (out / "domains.parquet").read_bytes() == (written / "domains.parquet").read_bytes()


@pytest.fixture
def parted(corpus, tmp_path: Path) -> Path:
    """The files of the same domains, parted: of each group every second document is good, and the last is unknown."""
    settings = Clusters(prune={"advertisement": 3.0}, merge_distance=1.0, cells=QUALITY | {"thresholds": [2.0]})
    for shard, tables in zip(corpus.vectors, corpus.tables, strict=True):
        scored = read_table(tables.scores)
        quality = [1.0 + row // 3 % 2 for row in range(scored.num_rows - 1)] + [None]
        write_table(tables.scores, scored.set_column(1, "quality", pa.array(quality, pa.float32())))
        bands = read_bands(shard.documents, tables.scores, settings.cells)
        assign_shard(shard.documents, shard.vectors, corpus.centroids, shard.documents.parent, bands)
    compute_statistics(corpus.tables, corpus.splits, tmp_path)
    out = tmp_path / "parted"
    out.mkdir()
    inputs = DomainInputs(tmp_path / "clusters.parquet", corpus.centroids, corpus.tables, corpus.splits)
    facts = write_domains(inputs, settings, out)
    assert (facts["domains"], facts["bands"], facts["clusters_kept"], facts["clusters_empty"]) == (6, 2, 6, 2)
    write_supply(out / "domains.parquet", out / "clusters.parquet", tmp_path / "tally.parquet", out)
    return out


def test_parted_domains_say_of_which_topic_and_band_they_are(parted: Path, corpus) -> None:
    rows = read_table(parted / "supply.parquet").to_pylist()
    assert [row["domain"] for row in rows] == list(range(6)) and sum(row["prior"] for row in rows) == pytest.approx(1)
    by_topic: dict[int, list[dict]] = {}
    for row in rows:
        by_topic.setdefault(row["topic"], []).append(row)
        assert (row["score_from"], row["score_below"]) == ((None, 2.0) if row["band"] == 0 else (2.0, None))
        assert row["mean_quality"] == pytest.approx(1.0 + row["band"])
    assert sorted(by_topic) == [0, 1, 2]
    for of_topic in by_topic.values():
        names = {row["band"]: row["name"] for row in of_topic}
        assert names[0].removesuffix(" (quality below 2)") == names[1].removesuffix(" (quality 2 or more)")
        assert len({row["sources"][0]["source"] for row in of_topic}) == 1
    assert len({row["name"].partition(" (")[0] for row in rows}) == 3
    assert not any("," in row["name"] for row in rows)


def test_cells_say_where_they_went(parted: Path, corpus) -> None:
    clusters = read_table(parted / "clusters.parquet")
    assert clusters["cluster"].to_pylist() == list(range(8)) and clusters["band"].to_pylist() == [0, 1] * 4
    assert clusters["pruned_by"].to_pylist() == [None] * 6 + ["empty"] * 2
    bands = read_table(parted / "domains.parquet")["band"].to_pylist()
    assert [bands[domain] for domain in clusters["domain"].to_pylist()[:6]] == [0, 1] * 3
    centroids = np.load(parted / "centroids.npy")
    for cell, domain in enumerate(clusters["domain"].to_pylist()[:6]):
        np.testing.assert_allclose(centroids[domain], corpus.centroids[cell // 2])


def test_without_cells_nothing_is_said_of_bands(written: Path) -> None:
    assert read_table(written / "domains.parquet").column_names == ["domain", "name", "terms", "clusters"]
    assert read_table(written / "clusters.parquet").column_names == ["cluster", "domain", "pruned_by"]

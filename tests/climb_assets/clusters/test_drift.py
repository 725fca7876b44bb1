"""Drift: what is measured, and that chance goes beyond the thresholds as rarely as is said."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from climb_assets.clusters.drift import (
    DISTANCE,
    FAR_SHARE,
    LEVEL,
    MEASURES,
    NEAR_DUPLICATES,
    SHIFT,
    TOKEN_SHARE,
    compare,
    read_drift,
    write_drift,
)
from climb_assets.clusters.fit import FIT, FIT_FACTS, FIT_SHARDS, read_fit, write_fit
from climb_assets.clusters.moments import FAR, GROUPS, Moments, Sample, sum_up
from climb_assets.clusters.shards import EmbeddedShard
from climb_assets.errors import CorruptArtifact
from climb_assets.tables import read_table, write_table

DOMAINS, DIMENSION = 3, 12
NAMES = ["waters", "maths", "kitchen"]


@dataclass(frozen=True)
class Documents:
    """What is known of documents, an entry each."""

    domain: NDArray[np.int64]
    group: NDArray[np.int64]
    tokens: NDArray[np.int64]
    distance: NDArray[np.float64]
    near_duplicate: NDArray[np.bool_]
    vectors: NDArray[np.float64]

    def take(self, which: NDArray[np.int64]) -> "Documents":
        """Return some of them, or some several times."""
        return Documents(*(getattr(self, field.name)[which] for field in fields(self)))

    def sample(self, shard: str = "one", far_bin: int | None = None) -> Sample:
        """Return them as a corpus of one shard."""
        counts = np.bincount(self.domain, minlength=DOMAINS)
        values = (getattr(self, field.name) for field in fields(self))
        return Sample.of(Moments.of(DOMAINS, *values), {(shard, "v"): np.append(counts, counts.sum())}, far_bin)


def draw(random: np.random.Generator, count: int, shares: tuple[float, ...] = (0.5, 0.3, 0.2)) -> Documents:
    """Draw documents of three domains: some long, few near-duplicates, embeddings that vary more in some directions."""
    domain = random.choice(DOMAINS, count, p=shares)
    deviation = 0.5 / np.arange(1, DIMENSION + 1)
    vectors = np.eye(DIMENSION)[domain] + random.normal(size=(count, DIMENSION)) * deviation
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    distance = np.linalg.norm(vectors - 0.8 * np.eye(DIMENSION)[domain], axis=1)
    tokens = np.maximum(random.lognormal(4 + domain, 0.7), 1).astype(np.int64)
    near = random.random(count) < 0.05 * (1 + domain)
    return Documents(domain, random.integers(0, GROUPS, count), tokens, distance, near, vectors)


def join(*parts: Documents) -> Documents:
    """Return documents together."""
    return Documents(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Documents)))


def together(fit: Documents, came: Documents) -> tuple[Sample, Sample]:
    """Return the fit, and the corpus that has further documents in a shard of their own."""
    first, far_bin = fit.sample(), fit.sample().far_bin
    grown = join(fit, came).sample(far_bin=far_bin)
    shards = first.shards | came.sample("two", far_bin).shards
    return first, Sample(**{field.name: getattr(grown, field.name) for field in fields(Sample)} | {"shards": shards})


def alarms(pairs: Iterator[tuple[Sample, Sample]]) -> dict[str, tuple[float, float]]:
    """Return how often each measure is beyond its threshold: of all documents, and of any domain."""
    found: dict[str, list[tuple[bool, bool]]] = {measure: [] for measure in MEASURES}
    for seed, (fit, today) in enumerate(pairs):
        for measure, measured in compare(fit, today, seed % 5).items():
            found[measure].append((bool(measured.beyond[-1]), bool(measured.beyond[:-1].any())))
    return {measure: tuple(np.mean(rows, axis=0)) for measure, rows in found.items()}


def test_what_is_measured() -> None:
    random = np.random.default_rng(0)
    before, after = draw(random, 500), draw(random, 400, (0.2, 0.2, 0.6))
    fit = before.sample()
    measured = compare(fit, after.sample("two", fit.far_bin), 0)
    assert measured.keys() == MEASURES.keys()
    shares = [np.bincount(part.domain, part.tokens) / part.tokens.sum() for part in (before, after)]
    np.testing.assert_allclose(measured[TOKEN_SHARE].difference[:-1], shares[1] - shares[0])
    np.testing.assert_allclose(measured[TOKEN_SHARE].today[-1], np.abs(shares[1] - shares[0]).sum() / 2)
    limit = np.quantile(before.distance, FAR)
    for domain in (*range(DOMAINS), None):
        place = DOMAINS if domain is None else domain
        parts = [
            part if domain is None else part.take(np.flatnonzero(part.domain == domain)) for part in (before, after)
        ]
        for measure, values in (
            (DISTANCE, [part.distance.mean() for part in parts]),
            (NEAR_DUPLICATES, [part.near_duplicate.mean() for part in parts]),
        ):
            found = measured[measure]
            np.testing.assert_allclose([found.fit[place], found.today[place]], values)
        far = [(part.distance > limit).mean() for part in parts]
        np.testing.assert_allclose([measured[FAR_SHARE].fit[place], measured[FAR_SHARE].today[place]], far, atol=0.01)
        means = [part.vectors.mean(axis=0) for part in parts]
        np.testing.assert_allclose(measured[SHIFT].today[place], np.linalg.norm(means[1] - means[0]))


def test_the_same_corpus_has_no_drift_and_no_noise() -> None:
    sample = draw(np.random.default_rng(1), 300).sample()
    for measured in compare(sample, sample, 0).values():
        assert not measured.difference.any() and not measured.threshold.any() and not measured.beyond.any()


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1))
def test_sums_do_not_depend_on_how_documents_are_parted(seed: int) -> None:
    random = np.random.default_rng(seed)
    documents = draw(random, int(random.integers(2, 200)))
    cut = int(random.integers(0, len(documents.domain) + 1))
    parts = [documents.take(np.arange(cut)), documents.take(np.arange(cut, len(documents.domain)))]
    whole, first, second = (
        Moments.of(DOMAINS, *(getattr(part, field.name) for field in fields(part))) for part in (documents, *parts)
    )
    first += second
    for field in fields(Moments):
        np.testing.assert_allclose(getattr(first, field.name), getattr(whole, field.name), rtol=1e-9, atol=1e-9)


def test_vectors_of_many_dimensions_are_added_up_at_length_1() -> None:
    random = np.random.default_rng(3)
    vectors, domain, group = random.normal(size=(1000, 70)), random.integers(0, 3, 1000), random.integers(0, 4, 1000)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    none = np.zeros(1000, np.int64)
    found = Moments.of(DOMAINS, domain, group, none, none.astype(float), none.astype(bool), vectors).vectors
    for place in np.ndindex(3, 4):
        expected = unit[(domain == place[0]) & (group == place[1])].sum(axis=0)
        np.testing.assert_allclose(found[place], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_noise_is_that_of_a_bootstrap_over_documents() -> None:
    """Each threshold is the quantile of differences of corpora that are really drawn, document by document."""
    random = np.random.default_rng(2)
    documents = draw(random, 800)
    fit, count = documents.sample(), len(documents.domain)
    drawn: dict[str, list[NDArray[np.float64]]] = {measure: [] for measure in MEASURES}
    for _ in range(800):
        weights = [np.repeat(np.arange(count), random.poisson(1, count)) for _ in range(2)]
        pair = [documents.take(which).sample(str(number), fit.far_bin) for number, which in enumerate(weights)]
        for measure, measured in compare(*pair, 0).items():
            drawn[measure].append(np.abs(measured.difference))
    expected = compare(fit, documents.sample("another", fit.far_bin), 0)
    for measure, differences in drawn.items():
        table = np.array(differences)
        levels = np.append(np.full(DOMAINS, LEVEL / DOMAINS), LEVEL)
        quantiles = np.array([np.quantile(table[:, place], 1 - level) for place, level in enumerate(levels)])
        seen = quantiles > 0  # the others are of domains without a far document
        assert seen.all() or measure == FAR_SHARE
        np.testing.assert_allclose(expected[measure].threshold[seen], quantiles[seen], rtol=0.2, err_msg=measure)


@pytest.mark.slow
def test_corpora_of_one_distribution_are_beyond_in_about_one_of_a_hundred() -> None:
    """Drawn anew, and grown by a tenth: documents in common are no noise."""
    random = np.random.default_rng(3)

    def anew() -> Iterator[tuple[Sample, Sample]]:
        for _ in range(400):
            fit = draw(random, 600).sample()
            yield fit, draw(random, 500).sample("two", fit.far_bin)

    def grown() -> Iterator[tuple[Sample, Sample]]:
        for _ in range(400):
            yield together(draw(random, 600), draw(random, 60))

    for found in (alarms(anew()), alarms(grown())):
        for measure, (of_all, of_any_domain) in found.items():
            assert of_all <= 3 * LEVEL and of_any_domain <= 5 * LEVEL, measure  # few documents are not quite normal


def test_a_new_source_is_beyond() -> None:
    """A tenth of the corpus is new and of another kind: it lies apart, and most of it in one domain."""
    random = np.random.default_rng(4)
    came = draw(random, 60, (0.05, 0.05, 0.9))
    apart = came.vectors - 5 * np.eye(DIMENSION)[came.domain]
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    distance = np.linalg.norm(apart - 0.8 * np.eye(DIMENSION)[came.domain], axis=1)
    other = Documents(came.domain, came.group, came.tokens, distance, came.near_duplicate, apart)
    fit, today = together(draw(random, 600), other)
    measured = compare(fit, today, 0)
    assert all(measured[measure].beyond[-1] for measure in (TOKEN_SHARE, DISTANCE, FAR_SHARE, SHIFT))
    assert measured[TOKEN_SHARE].beyond[2] and measured[SHIFT].beyond[2]
    assert not measured[NEAR_DUPLICATES].beyond.any()


def test_a_domain_that_lost_its_text_has_no_means(tmp_path: Path) -> None:
    documents = draw(np.random.default_rng(5), 300)
    fit = documents.sample()
    left = documents.take(np.flatnonzero(documents.domain != 2)).sample("two", fit.far_bin)
    facts = write_drift(fit, left, NAMES, 0, tmp_path)
    assert np.isfinite(list(facts.values())).all()
    rows = {measure: read_drift(tmp_path / "drift.parquet", measure) for measure in MEASURES}
    assert rows[TOKEN_SHARE][2]["today"] == 0 and rows[TOKEN_SHARE][2]["beyond"]
    for measure in (DISTANCE, FAR_SHARE, SHIFT, NEAR_DUPLICATES):
        assert rows[measure][2]["today"] is None and not rows[measure][2]["beyond"]
    assert [row["name"] for row in rows[SHIFT]] == [*NAMES, None]


def embedded(corpus) -> list[EmbeddedShard]:
    """Return the shards of the small corpus with their vectors."""
    return [
        EmbeddedShard(table.shard, table.documents, table.tokens, table.assignments, vectors.vectors, "v")
        for table, vectors in zip(corpus.tables, corpus.vectors, strict=True)
    ]


def test_only_train_documents_of_clusters_that_are_kept_count(corpus, tmp_path: Path) -> None:
    write_table(tmp_path / "map.parquet", pa.table({"cluster": range(4), "domain": pa.array([1, 0, None, None])}))
    ids = read_table(corpus.tables[0].documents)["id"].to_pylist()
    write_table(tmp_path / "pairs.parquet", pa.table({"id": [ids[0], ids[1]], "other": [ids[3], "f" * 32]}))
    sample = sum_up(embedded(corpus), tmp_path / "map.parquet", corpus.splits, tmp_path / "pairs.parquet")
    kept: list[int] = []
    for table in corpus.tables:
        rows = read_table(table.documents, ["id", "split"]).to_pylist()
        trained = [row["id"] for row in rows if row["split"] == "train"]
        trained = trained[1:] if table.shard == "b" else trained  # its first document is a duplicate
        kept += [corpus.group_of[name] for name in trained if corpus.group_of[name] < 2]
    assert sample.documents.tolist() == [kept.count(1), kept.count(0), len(kept)]
    assert sample.tokens.tolist() == [4 * kept.count(1), 3 * kept.count(0), 4 * kept.count(1) + 3 * kept.count(0)]
    assert sample.near_duplicates.tolist() == [1, 2, 3]

    write_fit(sample, tmp_path)
    read = read_fit(tmp_path / FIT, tmp_path / FIT_SHARDS, sample.far_bin)
    for field in fields(Sample):
        if field.name != "shards":
            np.testing.assert_array_equal(getattr(read, field.name), getattr(sample, field.name), err_msg=field.name)
    assert read.common(sample).tolist() == sample.documents.tolist()
    assert (tmp_path / FIT_FACTS).is_file()


def test_tables_of_other_documents_are_refused(corpus, tmp_path: Path) -> None:
    write_table(tmp_path / "map.parquet", pa.table({"cluster": range(4), "domain": [0, 1, 1, 1]}))
    write_table(
        tmp_path / "pairs.parquet", pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})
    )
    first, second = embedded(corpus)
    mixed = EmbeddedShard(first.shard, first.documents, second.tokens, first.assignments, first.vectors, "v")
    with pytest.raises(CorruptArtifact, match="shard a are not of the same documents"):
        sum_up([mixed], tmp_path / "map.parquet", corpus.splits, tmp_path / "pairs.parquet")

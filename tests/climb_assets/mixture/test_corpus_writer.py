"""The corpus holds the sampled text, shuffled, with its origin on every row."""

from itertools import pairwise

import numpy as np
import pyarrow.compute as pc
import pytest

from climb_assets import numbered_names
from climb_assets.errors import ComputeError
from climb_assets.mixture.corpus_writer import part_names, write_mixed_corpus, write_realised
from climb_assets.mixture.pool import open_pool
from climb_assets.mixture.realisation import realise
from climb_assets.simplex.mixtures import normalise
from climb_assets.tables import read_table, write_table

NAMES = ["law", "music", "code"]


def sample(corpus, plan, out):
    with open_pool(corpus.shards, corpus.clusters, corpus.splits, corpus.withheld(), 3, out) as pool:
        return pool.sample(plan.tokens, 5, out / "sample.parquet")


@pytest.fixture
def written(corpus, tmp_path):
    out = tmp_path / "mixed"
    out.mkdir()
    wanted = normalise([3, 2, 1])
    plan = realise(wanted, corpus.supply, int(corpus.supply.sum()), 2.0)
    tokens = sample(corpus, plan, out)
    rows = write_mixed_corpus(out / "sample.parquet", corpus.shards, NAMES, out, 100, 5)
    write_realised(out / "realised.parquet", NAMES, wanted, plan, tokens)
    return corpus, out, plan, tokens, rows


def rows_of(out):
    return [row for part in sorted(out.glob("part-*.parquet")) for row in read_table(part).to_pylist()]


def test_a_document_that_is_not_to_be_found_is_an_error_and_not_a_loss(corpus, tmp_path):
    plan = realise(normalise([3, 2, 1]), corpus.supply, int(corpus.supply.sum()), 2.0)
    sample(corpus, plan, tmp_path)
    shard = sorted(corpus.shards, key=lambda shard: shard.shard)[0]
    write_table(shard.documents, read_table(shard.documents).slice(5))
    with pytest.raises(ComputeError, match=r"asks for \d+ rows and \d+ were written"):
        write_mixed_corpus(tmp_path / "sample.parquet", corpus.shards, NAMES, tmp_path, 100, 5)


def test_every_sampled_copy_is_there_once(written):
    _, out, _, _, count = written
    rows = rows_of(out)
    expected = {
        (row["shard"], row["id"], copy)
        for row in read_table(out / "sample.parquet").to_pylist()
        for copy in range(row["copies"])
    }
    assert len(rows) == count == len(expected)
    assert {(row["shard"], row["id"], row["epoch"]) for row in rows} == expected
    for row in rows:
        assert row["text"].startswith(row["shard"]) or row["id"] == written[0].repeated
        assert row["source"] == row["shard"].upper()
        assert row["domain_name"] == NAMES[row["domain"]]


def test_rows_are_shuffled_across_shards_and_domains(written):
    rows = rows_of(written[1])
    changes = sum(one["shard"] != other["shard"] for one, other in pairwise(rows))
    assert changes > len(rows) / 4
    assert len({row["domain"] for row in rows[:30]}) == 3


def test_files_have_about_the_asked_number_of_rows(written):
    parts = sorted(written[1].glob("part-*.parquet"))
    assert [part.name for part in parts] == [f"part-{number:05d}.parquet" for number in range(len(parts))]
    sizes = [read_table(part).num_rows for part in parts]
    assert len(sizes) == 2 ** int(np.ceil(np.log2(sum(sizes) / 100)))
    assert min(sizes) > 20 and max(sizes) <= 130


def test_more_files_have_longer_numbers_so_that_their_names_keep_the_order(written, tmp_path, monkeypatch):
    """Whoever reads the folder takes the files by name, as DuckDB and loaders of data do."""
    corpus, out, *_ = written
    monkeypatch.setattr(numbered_names, "LEAST_DIGITS", 1)  # instead of 100,001 files
    many = tmp_path / "many"
    many.mkdir()
    write_mixed_corpus(out / "sample.parquet", corpus.shards, NAMES, many, 30, 5)
    names = sorted(part.name for part in many.glob("part-*.parquet"))
    assert len(names) > 10 and names[0] == "part-00.parquet" and part_names(reversed(names)) == names
    assert rows_of(many) == rows_of(out)


def test_files_of_earlier_versions_keep_their_order_though_their_numbers_differ_in_length():
    files = ["realised.parquet", "part-100000.parquet", "part-99999.parquet", "part-10001.parquet"]
    assert part_names(files) == ["part-10001.parquet", "part-99999.parquet", "part-100000.parquet"]


def test_a_document_that_stays_stays_where_it_was(written, tmp_path):
    """One document less: its rows are gone, and the others are in the same files in the same order."""
    corpus, out, *_ = written
    table, fewer = read_table(out / "sample.parquet"), tmp_path / "fewer"
    fewer.mkdir()
    gone = table["id"][17].as_py()
    write_table(fewer / "sample.parquet", table.filter(pc.not_equal(table["id"], gone)))
    write_mixed_corpus(fewer / "sample.parquet", corpus.shards, NAMES, fewer, 100, 5)
    for part in sorted(out.glob("part-*.parquet")):
        kept = [row for row in read_table(part).to_pylist() if row["id"] != gone]
        assert read_table(fewer / part.name).to_pylist() == kept


def test_the_same_sample_gives_the_same_bytes_whatever_the_shards_order(written, tmp_path):
    corpus, out, *_ = written
    again = tmp_path / "again"
    again.mkdir()
    write_mixed_corpus(out / "sample.parquet", corpus.shards[::-1], NAMES, again, 100, 5)
    for part in out.glob("part-*.parquet"):
        assert (again / part.name).read_bytes() == part.read_bytes()
    other = tmp_path / "other"
    other.mkdir()
    write_mixed_corpus(out / "sample.parquet", corpus.shards, NAMES, other, 100, 6)
    assert (other / "part-00000.parquet").read_bytes() != (out / "part-00000.parquet").read_bytes()


def test_nothing_but_the_data_files_is_left(written):
    assert all(path.suffix == ".parquet" for path in written[1].iterdir())


def test_the_realised_table_says_what_is_in_the_corpus(written):
    corpus, out, plan, tokens, _ = written
    rows = read_table(out / "realised.parquet").to_pylist()
    assert [row["name"] for row in rows] == NAMES
    assert [row["tokens"] for row in rows] == tokens.tolist()
    assert [row["planned"] for row in rows] == plan.tokens.tolist()
    assert sum(row["weight"] for row in rows) == pytest.approx(1)
    for row, supply in zip(rows, corpus.supply, strict=True):
        assert row["epochs"] == pytest.approx(row["tokens"] / supply)
    counted = [sum(corpus.known[r["shard"], r["id"]][1] for r in rows_of(out) if r["domain"] == d) for d in range(3)]
    assert counted == tokens.tolist()

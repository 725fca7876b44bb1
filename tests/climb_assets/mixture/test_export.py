"""Each form holds the corpus, and appears whole or not at all."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from climb_assets.errors import ComputeError
from climb_assets.mixture.corpus_writer import write_mixed_corpus, write_realised
from climb_assets.mixture.export import export_mixture
from climb_assets.mixture.pool import open_pool
from climb_assets.mixture.realisation import realise
from climb_assets.simplex.mixtures import normalise
from climb_assets.tables import read_table, write_table

NAMES = ["law | courts", "music", "code"]


@pytest.fixture
def mixed(corpus, tmp_path):
    out = tmp_path / "mixed"
    out.mkdir()
    wanted = normalise([3, 2, 1])
    plan = realise(wanted, corpus.supply, 2 * int(corpus.supply.sum()), 3.0)
    with open_pool(corpus.shards, corpus.clusters, corpus.splits, corpus.withheld(), 3, out) as pool:
        tokens = pool.sample(plan.tokens, 5, out / "sample.parquet")
    write_mixed_corpus(out / "sample.parquet", corpus.shards, NAMES, out, 200, 5)
    write_realised(out / "realised.parquet", NAMES, wanted, plan, tokens)
    return out


def export(mixed, form, out, title):
    export_mixture(sorted(mixed.glob("part-*.parquet")), mixed / "realised.parquet", form, out, title)
    return out


def texts_of(folder, pattern):
    return [text for path in sorted(folder.glob(pattern)) for text in read_table(path)["text"].to_pylist()]


def test_hugging_face_gets_the_rows_and_a_card(mixed, tmp_path):
    out = export(mixed, "hf", tmp_path / "hf", "my mixture")
    assert texts_of(out / "data", "train-*.parquet") == texts_of(mixed, "part-*.parquet")
    header, body = (out / "README.md").read_text().split("---\n")[1:]
    card = yaml.safe_load(header)
    assert card["pretty_name"] == "my mixture"
    (files,) = card["configs"][0]["data_files"]
    assert {path.parent.name + "/" + path.name for path in out.glob(files["path"])} == {
        f"data/{path.name}" for path in (out / "data").iterdir()
    }
    for row in read_table(mixed / "realised.parquet").to_pylist():
        assert f"| {row['tokens']} |" in body
    assert "| CC0 |" in body
    assert "| not stated |" in body


def test_the_folder_of_the_process_can_be_written(mixed, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    export(mixed, "hf", Path(), "my mixture")
    assert (tmp_path / "here" / "README.md").is_file()


def test_labels_of_the_corpus_are_text_in_the_card_and_cut(mixed, tmp_path):
    part = sorted(mixed.glob("part-*.parquet"))[0]
    table = read_table(part)
    hostile = [f"<script>{'x' * 200_000}|\n\x1b[2J\u202e", *(f"licence {number}" for number in range(200))]
    labels = pa.array([hostile[row % len(hostile)] for row in range(table.num_rows)])
    write_table(part, table.set_column(table.column_names.index("licence"), "licence", labels))
    out = export(mixed, "hf", tmp_path / "hf", "my mixture")
    card = (out / "README.md").read_text(encoding="utf-8")
    assert len(card) < 10_000 and "others |" in card
    assert "<script>" not in card.replace(r"\<", "") and "\x1b" not in card and "\u202e" not in card
    counted = card.partition("| licence | rows |")[2]
    assert sum(int(rows) for rows in re.findall(r"\| (\d+) \|$", counted, re.MULTILINE)) == len(
        texts_of(mixed, "part-*.parquet")
    )


def test_nanochat_gets_text_only_and_validation_that_is_not_trained_on(mixed, tmp_path):
    out = export(mixed, "nanochat", tmp_path / "nanochat", "my mixture")
    shards = sorted(out.glob("*.parquet"))
    assert [path.name for path in shards] == [f"shard_{number:05d}.parquet" for number in range(len(shards))]
    assert read_table(shards[0]).column_names == ["text"]
    training = [text for path in shards[:-1] for text in read_table(path)["text"].to_pylist()]
    validation = read_table(shards[-1])["text"].to_pylist()
    assert validation and training
    assert not set(validation) & set(training)
    assert len(set(validation)) == len(validation)
    assert set(validation) | set(training) == set(texts_of(mixed, "part-*.parquet"))


@pytest.mark.parametrize("form", ["hf", "nanochat", "megatron"])
def test_every_row_is_counted_in_the_card_and_in_what_is_returned(mixed, tmp_path, form):
    parts, out = sorted(mixed.glob("part-*.parquet")), tmp_path / "out"
    exported = export_mixture(parts, mixed / "realised.parquet", form, out, "my mixture", ["It is stale."])
    ids = [name for path in parts for name in read_table(path)["id"].to_pylist()]
    assert exported.training + exported.validation + exported.left_out == len(ids)
    assert (exported.left_out > 0) == (form == "nanochat")  # this corpus repeats every document
    rows = sum(read_table(path).num_rows for path in out.rglob("*.parquet"))
    assert form == "megatron" or rows == exported.training + exported.validation
    card = (out / "README.md").read_text(encoding="utf-8")
    assert exported.in_words() in card and "It is stale." in card
    assert f"{exported.left_out:,} further copies" in card or form != "nanochat"


def test_megatron_gets_a_file_for_each_domain_and_a_blend(mixed, tmp_path):
    out = export(mixed, "megatron", tmp_path / "megatron", "my mixture")
    words = (out / "blend.txt").read_text().split()
    weights, prefixes = [float(word) for word in words[::2]], words[1::2]
    assert sum(weights) == pytest.approx(1, abs=1e-6)
    texts = []
    for prefix in prefixes:
        lines = (out / f"{prefix.removesuffix('_text_document')}.jsonl").read_text().splitlines()
        texts += [json.loads(line)["text"] for line in lines]
    assert sorted(texts) == sorted(texts_of(mixed, "part-*.parquet"))


@pytest.mark.parametrize("form", ["hf", "nanochat", "megatron"])
def test_exporting_twice_gives_the_same_bytes(mixed, tmp_path, form):
    one, two = (export(mixed, form, tmp_path / name, "my mixture") for name in ("one", "two"))
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert all((one / path).read_bytes() == (two / path).read_bytes() for path in files)


def test_a_folder_that_holds_something_is_left_alone(mixed, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(ComputeError, match="not an empty folder"):
        export(mixed, "hf", out, "my mixture")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_an_export_that_fails_leaves_nothing(mixed, tmp_path):
    (mixed / "part-00001.parquet").write_bytes(b"damaged")
    with pytest.raises(Exception, match=r"(?i)parquet"):
        export(mixed, "megatron", tmp_path / "out" / "megatron", "my mixture")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_form_is_refused(mixed, tmp_path):
    with pytest.raises(ComputeError, match="hf, nanochat, megatron"):
        export(mixed, "tfds", tmp_path / "out", "my mixture")

"""Files are labelled as the lake labels their documents, and every record is accounted for."""

import json
from collections import Counter
from pathlib import Path

import pytest

from climb_assets.clusters.classify import ROWS, Account, classify_files, write_labels
from climb_assets.clusters.taxonomy import Taxonomy
from climb_assets.config_file import load_config
from climb_assets.errors import ArgumentError, CorpusError
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import read_table
from tests.climb_assets.clusters.lakes import RAW


@pytest.fixture(scope="module")
def climb(lake: Path) -> Materializer:
    return Materializer(load_config(lake / "climb.yaml"))


@pytest.fixture(scope="module", params=["of the lake", "exported"])
def taxonomy(request: pytest.FixtureRequest, climb: Materializer, exported: Path) -> Taxonomy:
    return Taxonomy.of_lake(climb) if request.param == "of the lake" else Taxonomy.load(exported)


def test_labels_are_those_of_the_lake(climb: Materializer, lake: Path, taxonomy: Taxonomy, tmp_path: Path) -> None:
    account = Account()
    files = [lake / "data_lake" / "raw" / name for name in RAW]
    write_labels(classify_files(taxonomy, files, account), tmp_path / "labels.parquet")
    rows = read_table(tmp_path / "labels.parquet").to_pylist()
    clusters = read_table(climb.get("domains").file("clusters.parquet")).to_pylist()
    names = read_table(climb.get("domains").file("domains.parquet"))["name"].to_pylist()
    read = 0
    for shard, path in zip(RAW, files, strict=True):
        table = read_table(climb.get("cluster_assignments", shard).file("assignments.parquet"))
        assigned = {row["id"]: (row["cluster"], row["distance"]) for row in table.to_pylist()}
        found = {row["id"]: (row["cluster"], row["distance"]) for row in rows if row["file"] == str(path)}
        assert {name: found[name] for name in assigned} == assigned
        assert len(found) > len(assigned)  # the short ones too
        summary = climb.get("corpus_shards", shard).summary
        read += summary["read"] - summary["quarantined"]
    assert len(rows) == read == account.labelled
    for row in rows:
        of_cluster = clusters[row["cluster"]]
        assert (row["domain"], row["pruned_by"]) == (of_cluster["domain"], of_cluster["pruned_by"])
        assert row["name"] == (None if row["domain"] is None else names[row["domain"]])
        assert row["margin"] >= 0
    assert {row["pruned_by"] for row in rows} == {None, "educational_value"}


def test_every_record_is_accounted_for(lake: Path, taxonomy: Taxonomy) -> None:
    account = Account()
    path = lake / "data_lake" / "raw" / "first.jsonl"
    rows = [row for batch in classify_files(taxonomy, [path], account) for row in batch.to_pylist()]
    assert [row["record"] for row in rows] == [number for number in range(1, 202) if number != 51]
    assert account.quarantined == {str(path): Counter({("bad_json", False): 1, ("no_text", False): 1})}
    assert account.domains == Counter(row["domain"] for row in rows if row["domain"] is not None)
    told = account.as_json(taxonomy)
    assert told["labelled"] == 200 == sum(row["records"] for row in told["domains"] + told["pruned"])
    assert sum(row["share"] for row in told["domains"] + told["pruned"]) == pytest.approx(1)


def test_a_file_that_breaks_off_is_told_and_what_stands_before_is_labelled(
    lake: Path, taxonomy: Taxonomy, tmp_path: Path
) -> None:
    whole = (lake / "data_lake" / "raw" / "third.jsonl.zst").read_bytes()
    (tmp_path / "cut.jsonl.zst").write_bytes(whole[:-40])
    (tmp_path / "letter.doc").write_text("a letter")
    account = Account()
    list(classify_files(taxonomy, [tmp_path / "cut.jsonl.zst", tmp_path / "letter.doc"], account))
    quarantined = {Path(row["file"]).name: row for row in account.as_json(taxonomy)["quarantined"]}
    assert quarantined["cut.jsonl.zst"]["rest_of_file"] and quarantined["letter.doc"]["reason"] == "unknown_kind"


def test_links_are_followed_and_what_is_not_there_is_one_sentence(
    lake: Path, taxonomy: Taxonomy, tmp_path: Path
) -> None:
    (tmp_path / "linked.jsonl").symlink_to(lake / "data_lake" / "raw" / "first.jsonl")
    account = Account()
    list(classify_files(taxonomy, [tmp_path / "linked.jsonl"], account))
    assert account.labelled == 200
    with pytest.raises(CorpusError, match=r"gone\.jsonl cannot be read"):
        list(classify_files(taxonomy, [tmp_path / "gone.jsonl"], account))


def test_text_may_stand_in_another_column(taxonomy: Taxonomy, tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text(json.dumps({"body": "river lake water"}) + "\n")
    account = Account()
    list(classify_files(taxonomy.reading(text_column="body"), [tmp_path / "other.jsonl"], account))
    assert account.labelled == 1


def test_both_outputs_hold_the_same_rows(lake: Path, taxonomy: Taxonomy, tmp_path: Path) -> None:
    files = [lake / "data_lake" / "raw" / "second.parquet"]
    for name in ("labels.parquet", "labels.jsonl"):
        write_labels(classify_files(taxonomy, files, Account()), tmp_path / "deep" / name)
    table = read_table(tmp_path / "deep" / "labels.parquet")
    lines = (tmp_path / "deep" / "labels.jsonl").read_text().splitlines()
    assert table.schema == ROWS and [json.loads(line) for line in lines] == table.to_pylist()


def test_an_output_appears_whole_or_not_at_all(taxonomy: Taxonomy, lake: Path, tmp_path: Path) -> None:
    files = [lake / "data_lake" / "raw" / "first.jsonl", tmp_path / "gone.jsonl"]
    for name in ("labels.parquet", "labels.jsonl"):
        with pytest.raises(CorpusError):
            write_labels(classify_files(taxonomy, files, Account()), tmp_path / name)
    with pytest.raises(ArgumentError, match=r"neither of \.parquet and \.jsonl"):
        write_labels(iter(()), tmp_path / "labels.csv")
    assert not list(tmp_path.iterdir())

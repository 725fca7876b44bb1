"""The split of a document follows from texts and articles; families stay together; nothing held out is left out."""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.config import Corpus
from climb_assets.config_corpus import Contamination, Licences, NearDuplicates
from climb_assets.corpus.contamination import MATCHES
from climb_assets.corpus.documents import SPLITS, assign_split, document_id
from climb_assets.corpus.ingest import ingest_shard
from climb_assets.corpus.near_duplicates import ShardSignatures, find_near_duplicates
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.corpus.signatures import FILES, sign_shard
from climb_assets.corpus.splits import FAMILIES, OVERRIDES, SplitTables, assign_splits
from climb_assets.tables import read_table, write_rows

CORPUS = Corpus(min_characters=1, search_eval=0.3, report_eval=0.2)
DUPLICATES = pa.schema([("shard", pa.string()), ("id", pa.string())])


@dataclass(frozen=True)
class Entry:
    """A record of a raw file."""

    text: str
    article: str | None = None
    licence: str | None = None


def text(number: int) -> str:
    """A text of its own."""
    return " ".join(f"w{place}" for place in np.random.default_rng(number).integers(0, 500, 30))


def splits_of(
    folder: Path, raw: dict[str, Sequence[Entry]], corpus: Corpus = CORPUS, contaminated: Sequence[str] = ()
) -> tuple[dict[tuple[str, str], str], dict]:
    """The split of each (shard, text) of a raw folder of JSONL files by the real stages, and the facts."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "raw").mkdir(parents=True)
    raw_folder = RawFolder(corpus.model_copy(update={"raw": folder / "raw"}))
    tables, signatures, first, repeated = [], [], {}, []
    for shard, entries in sorted(raw.items()):
        (folder / "raw" / shard).write_text("\n".join(json.dumps(vars(entry)) for entry in entries))
        out = folder / shard.removesuffix(".jsonl")
        out.mkdir()
        ingest_shard(raw_folder, shard, raw_folder.digest(shard), corpus, out)
        sign_shard(out / "documents.parquet", corpus.near_duplicates, out, 100)
        signatures.append(ShardSignatures(shard, shard, *(out / name for name in FILES)))
        ids = read_table(out / "documents.parquet")["id"].to_pylist()
        held = [{"id": name, "task": "quiz", "matches": 1} for name in ids if name in map(document_id, contaminated)]
        write_rows(out / "contamination.parquet", held, MATCHES)
        paths = (out / f"{name}.parquet" for name in ("documents", "repeats", "contamination"))
        tables.append(SplitTables(shard, *paths))
        repeated += [{"shard": shard, "id": name} for name in ids if first.setdefault(name, shard) != shard]
    write_rows(folder / "duplicates.parquet", repeated, DUPLICATES)
    find_near_duplicates(signatures, corpus.near_duplicates.threshold, folder)
    facts = assign_splits(tables, folder / "pairs.parquet", folder / "duplicates.parquet", corpus, folder)
    overrides = {(row["shard"], row["id"]): row["split"] for row in read_table(folder / "splits.parquet").to_pylist()}
    found = {}
    for table in tables:
        for row in read_table(table.documents).to_pylist():
            found[table.shard, row["text"]] = overrides.get((table.shard, row["id"]), row["split"])
    counted = Counter(
        (row["source"], found[table.shard, row["text"]])
        for table in tables
        for row in read_table(table.documents).to_pylist()
        if found[table.shard, row["text"]] != "duplicate"
    )
    rows = read_table(folder / "sources.parquet").to_pylist()
    assert {(row["source"], row["split"]): row["documents"] for row in rows} == counted
    return found, facts


def by_text(found: dict[tuple[str, str], str]) -> dict[str, str]:
    """The split of each text, duplicates aside; a text has one."""
    splits: dict[str, str] = {}
    for (_, name), split in found.items():
        if split != "duplicate":
            assert splits.setdefault(name, split) == split
    return splits


TEXTS = [copy for number in range(6) for copy in (text(number), text(number) + ".", text(number) + " again")]
ENTRY = st.builds(Entry, st.sampled_from(TEXTS), st.sampled_from([None, "one", "two", "three"]))
ENTRIES = st.lists(ENTRY, min_size=1, max_size=10)
SLOW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(ENTRIES, st.randoms(use_true_random=False))
@SLOW
def test_no_document_changes_its_split_by_where_it_lies(tmp_path: Path, entries: list[Entry], random) -> None:
    expected = by_text(splits_of(tmp_path / "l", {"a.jsonl": entries})[0])
    shuffled = random.sample(entries, len(entries))
    cut = random.randrange(len(entries))
    places = [
        {"renamed.jsonl": entries},
        {"a.jsonl": shuffled},
        {"a.jsonl": entries[:cut] or entries, "b.jsonl": entries[cut:]},
        {"z.jsonl": entries[:cut] or entries, "b.jsonl": entries[cut:], "c.jsonl": shuffled[:1]},
    ]
    for raw in places:
        assert by_text(splits_of(tmp_path / "l", raw)[0]) == expected


@given(ENTRIES)
@SLOW
def test_texts_that_are_like_no_other_change_no_split(tmp_path: Path, entries: list[Entry]) -> None:
    expected = by_text(splits_of(tmp_path / "l", {"a.jsonl": entries})[0])
    more = [Entry(text(100)), *entries, Entry(text(101), "four")]
    found = by_text(splits_of(tmp_path / "l", {"a.jsonl": more})[0])
    assert {name: found[name] for name in expected} == expected


@given(ENTRIES)
@SLOW
def test_articles_and_near_duplicates_share_a_split(tmp_path: Path, entries: list[Entry]) -> None:
    found, facts = splits_of(tmp_path / "l", {"a.jsonl": entries[::2], "b.jsonl": entries[1::2] or entries})
    splits = by_text(found)
    for one in entries:
        for other in entries:
            if one.text[:80] == other.text[:80] or (one.article is not None and one.article == other.article):
                assert splits[one.text] == splits[other.text]
    assert facts["crossing_after"] == 0
    assert sum(facts["by_split"].values()) == len(splits)


def test_a_family_has_the_split_of_its_smallest_hash(tmp_path: Path) -> None:
    entries = [
        entry for number in range(40) for entry in (Entry(text(number)), Entry(text(number) + ".", f"article {number}"))
    ]
    splits = by_text(splits_of(tmp_path / "l", {"a.jsonl": entries})[0])
    for number in range(40):
        deciding = min(document_id(text(number)), f"article {number}", key=document_id)
        assert splits[text(number)] == splits[text(number) + "."] == assign_split(deciding, CORPUS)


def test_half_of_the_pairs_that_cross_are_found_before_and_none_after(tmp_path: Path) -> None:
    entries = [Entry(copy) for number in range(200) for copy in (text(number), text(number) + ".")]
    _, facts = splits_of(tmp_path / "l", {"a.jsonl": entries})
    assert facts["near_duplicates"] == facts["families"] == 200 and facts["largest_family"] == 2
    assert 70 < facts["crossing_before"] < 130  # 2 * .5 * .5 of them
    assert facts["crossing_after"] == 0
    counts = facts["by_split"]
    assert 160 < counts["train"] < 240 and counts["train"] + counts["search_eval"] + counts["report_eval"] == 400
    assert len(read_table(tmp_path / "l" / "families.parquet")) == 400
    assert facts["moved"] == len(read_table(tmp_path / "l" / "splits.parquet")) > 0


def test_tables_have_their_schemas_also_where_they_are_empty(tmp_path: Path) -> None:
    _, facts = splits_of(tmp_path / "l", {"a.jsonl": [Entry(text(1)), Entry(text(2), "one"), Entry(text(3), "one")]})
    tables = [read_table(tmp_path / "l" / f"{name}.parquet") for name in ("splits", "families")]
    assert [table.schema for table in tables] == [OVERRIDES, FAMILIES]
    assert [len(table) for table in tables] == [0, 0] and facts["families"] == facts["moved"] == 0


def test_all_but_one_of_near_duplicates_in_train_are_dropped_if_asked(tmp_path: Path) -> None:
    corpus = Corpus(min_characters=1, search_eval=0.3, report_eval=0.2, near_duplicates=NearDuplicates(drop=0.9))
    entries = [Entry(copy) for number in range(60) for copy in (text(number), text(number) + ".", text(number) + "!")]
    entries.append(Entry(text(0) + " " + text(500)[:40]))  # alike, but less than .9
    kept = by_text(splits_of(tmp_path / "l", {"a.jsonl": entries})[0])
    found, facts = splits_of(tmp_path / "l", {"a.jsonl": entries}, corpus)
    splits = by_text(found)
    for number in range(60):
        family = [splits[text(number) + mark] for mark in ("", ".", "!")]
        if kept[text(number)] == "train":
            assert sorted(family) == ["near_duplicate", "near_duplicate", "train"]
        else:
            assert family == [kept[text(number)]] * 3
    assert facts["by_split"]["near_duplicate"] == sum(split == "near_duplicate" for split in splits.values()) > 0
    assert facts["crossing_after"] == 0


def test_an_article_is_no_group_of_near_duplicates(tmp_path: Path) -> None:
    corpus = Corpus(min_characters=1, search_eval=0, report_eval=0, near_duplicates=NearDuplicates(drop=0.5))
    found, _ = splits_of(tmp_path / "l", {"a.jsonl": [Entry(text(number), "one") for number in range(5)]}, corpus)
    assert set(found.values()) == {"train"}


@pytest.mark.parametrize("drop", [True, False])
def test_contaminated_documents_are_left_out_of_train_only(tmp_path: Path, drop: bool) -> None:
    corpus = Corpus(min_characters=1, search_eval=0.3, report_eval=0.2, contamination=Contamination(drop=drop))
    entries = [Entry(text(number)) for number in range(80)]
    before = by_text(splits_of(tmp_path / "l", {"a.jsonl": entries})[0])
    held = [text(number) for number in range(40)]
    found, facts = splits_of(tmp_path / "l", {"a.jsonl": entries}, corpus, held)
    expected = {
        name: "contaminated" if drop and name in held and split == "train" else split for name, split in before.items()
    }
    assert by_text(found) == expected
    in_train = sum(before[name] == "train" for name in held)
    assert facts["contaminated"] == facts["contaminated_by_task"]["quiz"] == in_train > 0
    assert facts["by_split"]["contaminated"] == (in_train if drop else 0)


def test_the_document_that_is_kept_of_near_duplicates_is_not_a_contaminated_one(tmp_path: Path) -> None:
    corpus = Corpus(min_characters=1, search_eval=0, report_eval=0, near_duplicates=NearDuplicates(drop=0.9))
    pairs = [(text(number), text(number) + ".") for number in range(10)]
    entries = [Entry(name) for pair in pairs for name in pair]
    found, _ = splits_of(tmp_path / "l", {"a.jsonl": entries}, corpus, [pair[0] for pair in pairs])
    assert by_text(found) == {pair[0]: "contaminated" for pair in pairs} | {pair[1]: "train" for pair in pairs}


def test_what_a_licence_forbids_is_left_out_of_every_split_and_nothing_else_moves(tmp_path: Path) -> None:
    policy = Licences(deny=("*-NC-*",), unknown="deny")
    corpus = CORPUS.model_copy(update={"licences": policy})
    named = ("CC0", "cc-by-nc-4.0", None)
    entries = [Entry(text(number), licence=named[number % 3]) for number in range(60)]
    before = by_text(splits_of(tmp_path / "l", {"a.jsonl": entries})[0])
    found, facts = splits_of(tmp_path / "l", {"a.jsonl": entries}, corpus)
    splits = by_text(found)
    for number in range(60):
        assert splits[text(number)] == (before[text(number)] if number % 3 == 0 else "licence")
    assert {before[name] for name, split in splits.items() if split == "licence"} == set(SPLITS)
    assert facts["by_split"]["licence"] == 40 and facts["unmatched_licences"] == []


def test_a_pattern_that_fits_no_document_is_told(tmp_path: Path) -> None:
    corpus = CORPUS.model_copy(update={"licences": Licences(allow=("CC0", "CC-BY"), deny=("GLP*",))})
    _, facts = splits_of(
        tmp_path / "l", {"a.jsonl": [Entry(text(number), licence="CC0") for number in range(9)]}, corpus
    )
    assert facts["unmatched_licences"] == ["CC-BY", "GLP*"] and facts["by_split"]["licence"] == 0


def test_the_document_that_is_kept_of_near_duplicates_may_be_used(tmp_path: Path) -> None:
    alike = NearDuplicates(drop=0.9)
    corpus = Corpus(
        min_characters=1, search_eval=0, report_eval=0, near_duplicates=alike, licences=Licences(deny=("X",))
    )
    pairs = [(Entry(text(number), licence="X"), Entry(text(number) + ".")) for number in range(10)]
    found, _ = splits_of(tmp_path / "l", {"a.jsonl": [entry for pair in pairs for entry in pair]}, corpus)
    assert by_text(found) == {pair[0].text: "licence" for pair in pairs} | {pair[1].text: "train" for pair in pairs}

"""Near-duplicates are found, others are not, and a table renewed piece by piece is the table made at once."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.config_corpus import NearDuplicates
from climb_assets.corpus.documents import document_id
from climb_assets.corpus.near_duplicates import EarlierPairs, ShardSignatures, find_near_duplicates
from climb_assets.corpus.signatures import FILES, sign_shard
from climb_assets.tables import read_table, write_table

VOCABULARY = [f"{first}{second}{third}" for first in "bdgkm" for second in "aeiou" for third in "lnrst"]
SETTINGS = NearDuplicates()


def text(number: int, words: int = 40) -> str:
    """A text of its own."""
    return " ".join(np.random.default_rng(number).choice(VOCABULARY, words))


def edited(original: str, edits: int, seed: int = 0) -> str:
    """The text with some words replaced."""
    words = original.split()
    for place in np.random.default_rng(seed).choice(len(words), edits, replace=False):
        words[place] = f"edit{seed}x{place}"
    return " ".join(words)


def sign(
    folder: Path, shard: str, texts: list[str], part_documents: int = 7, shingle: int = SETTINGS.shingle
) -> ShardSignatures:
    """The signatures of a shard, named by its content as the lake does it."""
    version = document_id("\n".join([*texts, str(shingle)]))
    folder = folder / shard / version
    if not folder.exists():
        folder.mkdir(parents=True)
        ids = pa.array([document_id(text) for text in texts], pa.string())
        write_table(folder / "documents.parquet", pa.table({"id": ids, "text": pa.array(texts, pa.string())}))
        settings = SETTINGS.model_copy(update={"shingle": shingle})
        sign_shard(folder / "documents.parquet", settings, folder, part_documents)
    return ShardSignatures(shard, version, *(folder / name for name in FILES))


def find(folder: Path, texts: list[str], threshold: float = SETTINGS.threshold) -> set[frozenset[str]]:
    """The pairs of texts that are found in one shard."""
    find_near_duplicates([sign(folder, "shard", texts)], threshold, folder)
    named = {document_id(text): text for text in texts}
    rows = read_table(folder / "pairs.parquet").to_pylist()
    assert all(row["id"] < row["other"] and row["similarity"] >= threshold for row in rows)
    return {frozenset((named[row["id"]], named[row["other"]])) for row in rows}


def test_texts_that_differ_by_a_full_stop_or_by_case_are_near_duplicates(tmp_path: Path) -> None:
    texts = [text(1), text(1) + ".", text(1).upper() + "!", text(2)]
    assert find(tmp_path, texts) == {frozenset(pair) for pair in (texts[:2], texts[1:3], texts[0:3:2])}
    assert set(read_table(tmp_path / "pairs.parquet")["similarity"].to_pylist()) == {1.0}


@pytest.mark.parametrize(("words", "edits"), [(30, 1), (40, 3), (120, 10), (600, 30)])
def test_edited_texts_are_found(tmp_path: Path, words: int, edits: int) -> None:
    originals = [text(number, words) for number in range(100)]
    copies = [edited(original, edits, number) for number, original in enumerate(originals)]
    expected = {frozenset(pair) for pair in zip(originals, copies, strict=True)}
    found = find(tmp_path, originals + copies)
    assert len(found & expected) >= 97
    assert not found - expected


def test_texts_that_share_a_third_are_no_near_duplicates(tmp_path: Path) -> None:
    assert not find(tmp_path, [text(0, 30) + " " + text(number, 60) for number in range(1, 60)])


def test_a_text_without_words_is_like_no_other(tmp_path: Path) -> None:
    assert not find(tmp_path, ["", "...", "—", "word", "another"])


def test_a_similarity_is_about_the_share_of_shingles(tmp_path: Path) -> None:
    originals = [text(number, 201) for number in range(50)]
    copies = [" ".join(text(number, 201).split()[:151] + text(1000 + number, 50).split()) for number in range(50)]
    find(tmp_path, originals + copies, 0.4)
    similarities = np.array(read_table(tmp_path / "pairs.parquet")["similarity"])
    assert len(similarities) >= 48
    assert abs(similarities.mean() - 150 / 250) < 0.02


def test_a_large_bucket_costs_no_square_and_stays_connected(tmp_path: Path) -> None:
    originals = [f"{text(0, 200)} {number}" for number in range(1000)]
    pairs = find(tmp_path, originals)
    assert len(pairs) < 20 * len(originals)
    joined = {originals[0]}
    while more := {text for pair in pairs if pair & joined for text in pair} - joined:
        joined |= more
    assert len(joined) == len(originals)


def test_equal_documents_of_two_shards_are_no_pair_and_hide_none(tmp_path: Path) -> None:
    shards = [sign(tmp_path, f"shard{number:02d}", [text(1)]) for number in range(12)]
    shards.append(sign(tmp_path, "edited", [text(1) + " and more"]))
    assert find_near_duplicates(shards, 0.5, tmp_path) == {"pairs": 1, "documents": 2}


def test_an_empty_shard_has_no_pairs(tmp_path: Path) -> None:
    assert find_near_duplicates([sign(tmp_path, "empty", [])], 0.5, tmp_path) == {"pairs": 0, "documents": 0}


def test_what_is_not_touched_is_not_looked_at_again(tmp_path: Path) -> None:
    old = sign(tmp_path, "old", [text(1), text(1) + ".", text(2)])
    find_near_duplicates([old], 0.5, tmp_path)
    earlier = EarlierPairs(tmp_path / "pairs.parquet", {"old": old.version}, [])
    np.save(tmp_path / "blank.npy", np.zeros_like(old.slots) + np.arange(3, dtype=np.uint8)[:, None])
    blank = replace(old, slots_file=tmp_path / "blank.npy")  # nothing is alike now
    assert find_near_duplicates([blank], 0.5, tmp_path) == {"pairs": 0, "documents": 0}
    find_near_duplicates([old], 0.5, tmp_path)
    assert find_near_duplicates([blank, sign(tmp_path, "new", [text(3)])], 0.5, tmp_path, earlier)["pairs"] == 1


def test_parts_do_not_change_signatures(tmp_path: Path) -> None:
    texts = [text(number) for number in range(20)]
    one, other = (sign(tmp_path / name, "s", texts, part) for name, part in (("a", 3), ("b", 100)))
    for name in ("ids", "keys", "slots"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


POOL = [copy for number in range(4) for copy in (text(number), text(number) + ".", edited(text(number), 2))]
POOL += [edited(text(100), 1 + seed % 3, seed) for seed in range(14)]  # more than are compared with each
SHARD = st.lists(st.sampled_from(POOL), max_size=12, unique=True)
CORPUS = st.dictionaries(st.sampled_from("abcd"), SHARD, min_size=1)


@given(st.lists(st.tuples(CORPUS, st.sampled_from([2, 4])), min_size=2, max_size=4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pairs_do_not_depend_on_what_was_there_before(
    tmp_path: Path, corpora: list[tuple[dict[str, list[str]], int]]
) -> None:
    """Shards that come, go, change and are signed anew: each table is that of its corpus, and of its texts, alone."""
    renewed, scratch, whole = (tmp_path / name for name in ("renewed", "scratch", "whole"))
    for folder in (renewed, scratch, whole):
        folder.mkdir(exist_ok=True)
    earlier, before = None, {}
    for corpus, shingle in corpora:
        shards = {name: sign(tmp_path, name, texts, shingle=shingle) for name, texts in corpus.items()}
        if before:
            gone = [
                shard for name, shard in before.items() if name not in shards or shards[name].version != shard.version
            ]
            earlier = EarlierPairs(renewed / "pairs.parquet", json.loads((renewed / "shards.json").read_text()), gone)
        find_near_duplicates(list(shards.values()), 0.5, renewed, earlier)
        find_near_duplicates(list(shards.values())[::-1], 0.5, scratch)
        texts = sorted({text for texts in corpus.values() for text in texts})
        find_near_duplicates([sign(tmp_path, "whole", texts, shingle=shingle)], 0.5, whole)
        pairs = (scratch / "pairs.parquet").read_bytes()
        assert (renewed / "pairs.parquet").read_bytes() == pairs == (whole / "pairs.parquet").read_bytes()
        assert (renewed / "shards.json").read_bytes() == (scratch / "shards.json").read_bytes()
        before = shards

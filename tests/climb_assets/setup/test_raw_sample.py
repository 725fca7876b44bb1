"""A sample of raw files says what there is and what of it can be used."""

from pathlib import Path

import pytest

from climb_assets.clusters.languages import Writing
from climb_assets.config import Corpus
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.setup import raw_sample
from climb_assets.setup.first_settings import sampling_settings
from climb_assets.setup.raw_sample import find_text_column, in_bytes, sample_raw
from tests.climb_assets.setup.texts import write_texts


def settings_for(raw: Path, column: str = "content") -> Corpus:
    return sampling_settings(Corpus(raw=raw, text_column=column, min_characters=40))


def test_a_small_corpus_is_counted_exactly(tmp_path: Path) -> None:
    settings = settings_for(write_texts(tmp_path / "raw"))
    (tmp_path / "raw" / "scan.pdf").write_bytes(b"%PDF")
    sample = sample_raw(RawFolder(settings), settings)
    assert sample.whole and sample.shards == 3
    assert {kind: one.files for kind, one in sample.formats.items()} == {".txt": 120, ".jsonl": 1, ".parquet": 1}
    assert {source: sum(counts.values()) for source, counts in sample.documents.items()} == dict.fromkeys(
        ("letters", "proofs.jsonl", "recipes.parquet"), 120
    )
    assert sample.total == 360
    assert "121 records; 1 unusable (bad json: proofs.jsonl, record 121" in sample.formats[".jsonl"].in_words()
    assert "no file of a known kind" in sample.rejected["scan.pdf"]
    assert sample.writings.keys() == {Writing.ENGLISH}


def test_of_a_large_corpus_the_rest_is_estimated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(write_texts(tmp_path / "raw"))
    exact = sample_raw(RawFolder(settings), settings)
    for name, value in (("WHOLE_BYTES", 1000), ("RECORDS", 30), ("FILES", 20)):
        monkeypatch.setattr(raw_sample, name, value)
    sample = sample_raw(RawFolder(settings), settings)
    assert not sample.whole and sample.records < exact.records / 3
    assert "of which 20 records of 20 were looked at" in sample.formats[".txt"].in_words()
    for source in ("letters", "proofs.jsonl"):  # of a table nobody knows how far it unpacks
        assert sum(sample.documents[source].values()) == pytest.approx(120, rel=0.25)


def test_what_is_looked_at_reaches_to_the_last_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        folder = tmp_path / "raw" / ("first" if number < 70 else "last")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:03d}.txt").write_text(f"document {number} of a folder of plain files " * 3)
    settings = settings_for(tmp_path / "raw")
    monkeypatch.setattr(raw_sample, "WHOLE_BYTES", 1000)
    sample = sample_raw(RawFolder(settings), settings)
    assert not sample.whole and sample.documents.keys() == {"first", "last"}
    assert sample.read_bytes == pytest.approx(sample.text_bytes / 2, rel=0.1)  # every other file


def test_the_column_of_the_text_is_found(tmp_path: Path) -> None:
    settings = settings_for(write_texts(tmp_path / "raw"), "text")
    assert find_text_column(RawFolder(settings), settings) == "content"
    named = settings_for(write_texts(tmp_path / "named", column="text"), "text")
    assert find_text_column(RawFolder(named), named) == "text"


def test_bytes_are_said_in_the_unit_that_fits() -> None:
    assert [in_bytes(size) for size in (0, 999, 1000, 91_400_000, 2.5e15)] == [
        *("0 bytes", "999 bytes", "1.0 kB", "91.4 MB", "2500 TB")
    ]

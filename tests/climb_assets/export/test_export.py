"""Whatever the form: a folder is whole or not there, goes on where it was broken off, and repeats byte for byte."""

import contextlib
import dataclasses
import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.errors import ArgumentError, ComputeError
from climb_assets.export import by_domain
from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from climb_assets.export.forms import FORMS
from climb_assets.export.indexed_dataset import count_documents, write_index
from climb_assets.tables import read_table, write_table
from tests.climb_assets.export.conftest import rows_of

KINDS = [(form, False) for form in FORMS] + [("megatron", True)]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("form", "tokens"), KINDS)
def test_exporting_twice_gives_the_same_bytes_with_checksums_over_all(data: DataSet, tmp_path, form, tokens) -> None:
    for name in ("one", "two"):
        export_data_set(data, form, tmp_path / name / "out", tokens=tokens)
    files = files_of(tmp_path / "one" / "out")
    assert files == files_of(tmp_path / "two" / "out")
    sums = files.pop("SHA256SUMS").decode().splitlines()
    assert sums == [f"{hashlib.sha256(content).hexdigest()}  {name}" for name, content in sorted(files.items())]
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["out"]  # nothing is left beside it


@pytest.mark.parametrize(("form", "tokens"), KINDS)
def test_every_row_is_counted_in_the_card_and_in_what_is_returned(data: DataSet, tmp_path, form, tokens) -> None:
    data = dataclasses.replace(data, notes=["It is stale."])
    exported = export_data_set(data, form, tmp_path / "out", tokens=tokens)
    assert exported is not None
    assert exported.training + exported.validation + exported.left_out == len(rows_of(data))
    assert (exported.left_out > 0) == (form == "nanochat")  # this corpus repeats every document
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert exported.in_words() in card and "It is stale." in card
    for domain in data.domains:
        assert f"| {domain.tokens:,} |" in card


@pytest.mark.parametrize(("form", "tokens"), KINDS)
def test_what_was_broken_off_goes_on_from_the_files_that_are_whole(data: DataSet, tmp_path, form, tokens) -> None:
    out, unfinished = tmp_path / "out", tmp_path / ".out.unfinished"
    export_data_set(data, form, out, tokens=tokens)
    expected = files_of(out)
    made = sorted(name for name in expected if name not in ("SHA256SUMS", "README.md", "export.json"))
    for number in range(len(made)):  # a kill after so many files, in the midst of the next
        out.rename(unfinished)
        (unfinished / "SHA256SUMS").unlink()
        for name in made[number:]:
            (unfinished / name).unlink()
        (unfinished / f".{Path(made[number]).name}.0123456789ab.tmp").write_bytes(b"half of it")
        kept = {name: (unfinished / name).stat().st_ino for name in made[:number]}
        assert export_data_set(data, form, out, tokens=tokens) is not None
        assert files_of(out) == expected
        written = {name for name, inode in kept.items() if (out / name).stat().st_ino != inode}
        assert all(name.endswith(".bin") for name in written)  # whose index was missing


def open_paths() -> list[str]:
    """Return the paths of the files that this process has open, removed ones too; none where there is no /proc."""
    paths = []
    for descriptor in Path("/proc/self/fd").iterdir() if Path("/proc/self/fd").exists() else ():
        with contextlib.suppress(OSError):  # that of the listing itself
            paths.append(str(descriptor.readlink()))
    return paths


@pytest.mark.parametrize("form", FORMS)
def test_an_export_that_fails_leaves_nothing_under_its_name(data: DataSet, tmp_path: Path, form, monkeypatch) -> None:
    monkeypatch.setattr(by_domain, "TEXT_ROWS", 8)
    whole = data.parts[-1].read_bytes()
    half = bytearray(whole)
    for place in range(len(half) // 4, len(half) // 2, 16):
        half[place] ^= 255
    data.parts[-1].write_bytes(half)
    with pytest.raises(Exception, match=r"(?i)crc|corrupt|zstd|page|decompress") as caught:
        export_data_set(data, form, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not [path for path in open_paths() if path.startswith(str(tmp_path / ".out"))]
    del caught  # which keeps whatever was open
    data.parts[-1].write_bytes(whole)
    export_data_set(data, form, tmp_path / "out")
    export_data_set(data, form, tmp_path / "expected")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "expected")


def cut_parquet(path: Path) -> None:
    table = read_table(path)
    write_table(path, table.slice(1))


def cut_lines(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def cut_tar(path: Path) -> None:
    with tarfile.open(path) as tar:
        samples = [(member, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for member, content in samples[2:]:
            tar.addfile(member, io.BytesIO(content))


def cut_index(path: Path) -> None:
    lengths = np.frombuffer(path.read_bytes(), "<i4", count_documents(path), 34)
    write_index(path, lengths[1:], np.dtype("<u2"))


CUTS = [
    ("huggingface", False, "domains/domain-00001.parquet", cut_parquet),
    ("huggingface", False, "data/train-*.parquet", cut_parquet),
    ("interleave", False, "domains/domain-00001.parquet", cut_parquet),
    ("nanochat", False, "shard_00000.parquet", cut_parquet),
    ("nanochat", False, "shard_00001.parquet", cut_parquet),
    ("megatron", False, "domain-00001.jsonl", cut_lines),
    ("megatron", True, "domain-00001_text_document.idx", cut_index),
    ("webdataset", False, "train-00000.tar", cut_tar),
]


@pytest.mark.parametrize(("form", "tokens", "pattern", "cut"), CUTS)
def test_a_row_that_is_in_no_file_is_missed(data: DataSet, tmp_path: Path, form, tokens, pattern, cut) -> None:
    out, unfinished = tmp_path / "out", tmp_path / ".out.unfinished"
    export_data_set(data, form, out, tokens=tokens)
    out.rename(unfinished)
    cut(sorted(unfinished.glob(pattern))[0])
    with pytest.raises(ComputeError, match=rf"has {data.rows} rows and {data.rows - 1} are in the files; remove"):
        export_data_set(data, form, out, tokens=tokens)
    shutil.rmtree(unfinished)
    assert export_data_set(data, form, out, tokens=tokens) is not None


def test_what_is_left_of_another_export_is_not_taken(data: DataSet, tmp_path: Path) -> None:
    unfinished = tmp_path / ".out.unfinished"
    (unfinished / "data").mkdir(parents=True)
    (unfinished / "export.json").write_text("{}")
    (unfinished / "data" / f"train-00000-of-{len(data.parts):05d}.parquet").write_bytes(b"of another")
    export_data_set(data, "huggingface", tmp_path / "out")
    export_data_set(data, "huggingface", tmp_path / "expected")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "expected")


def test_an_export_that_is_there_is_looked_at_and_kept(data: DataSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_data_set(data, "text", out) is not None
    assert export_data_set(data, "text", out) is None
    with pytest.raises(ArgumentError, match="not an empty folder"):
        export_data_set(data, "megatron", out)
    path = out / "domain-00001.txt"
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    with pytest.raises(ArgumentError, match=r"damaged: .*domain-00001.txt is not what was exported"):
        export_data_set(data, "text", out)


def test_a_folder_that_holds_something_is_left_alone(data: DataSet, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(ArgumentError, match="not an empty folder"):
        export_data_set(data, "huggingface", out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_the_folder_of_the_process_can_be_written(data: DataSet, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    export_data_set(data, "huggingface", Path())
    assert (tmp_path / "here" / "README.md").is_file()


def test_an_unknown_form_is_refused(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="huggingface, nanochat, megatron"):
        export_data_set(data, "tfds", tmp_path / "out")
    with pytest.raises(ArgumentError, match="--tokens belongs to --format megatron"):
        export_data_set(data, "text", tmp_path / "out", tokens=True)


def test_labels_of_the_corpus_are_text_in_the_card_and_cut(data: DataSet, tmp_path: Path) -> None:
    part = data.parts[0]
    table = read_table(part)
    hostile = [f"<script>{'x' * 200_000}|\n\x1b[2J\u202e", *(f"licence {number}" for number in range(200))]
    labels = pa.array([hostile[row % len(hostile)] for row in range(table.num_rows)])
    write_table(part, table.set_column(table.column_names.index("licence"), "licence", labels))
    left_out = [
        {"domain": 0, "reason": "licence", "source": name, "licence": name, "documents": 2, "tokens": 1}
        for name in hostile
    ]
    export_data_set(dataclasses.replace(data, left_out=left_out), "huggingface", tmp_path / "hf")
    card = (tmp_path / "hf" / "README.md").read_text(encoding="utf-8")
    assert len(card) < 20_000 and "others |" in card and "And 151 more." in card
    assert "<script>" not in card.replace(r"\<", "") and "\x1b" not in card and "\u202e" not in card
    counted = card.partition("| licence | documents |")[2].partition("## What was left out")[0]
    documents = {row["id"] for row in rows_of(data)}
    assert sum(int(number) for number in re.findall(r"\| (\d+) \|$", counted, re.MULTILINE)) == len(documents)


def test_the_card_says_what_was_left_out_and_how_sure_the_answer_is(data: DataSet, tmp_path: Path) -> None:
    of = {"domain": 1, "reason": "licence", "source": "web", "licence": "proprietary", "documents": 7, "tokens": 1234}
    sure = {"mean": 1.5, "interval": [1.25, 1.75], "seeds": 4, "conclusion": "better than uniform"}
    data = dataclasses.replace(data, left_out=[of], answer={"evidence": sure}, tasks={"maths": 1.0})
    export_data_set(data, "text", tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "| licence | proprietary | web | 7 | 1,234 |" in card
    assert "1.5000 bits per byte (1.2500 to 1.7500) over 4 fresh seeds; it is better than uniform." in card
    assert "for `general`, that is maths (1)," in card and "law \\| courts" in card
    shutil.rmtree(tmp_path / "out")
    export_data_set(dataclasses.replace(data, answer={"evidence": None}), "text", tmp_path / "out")
    assert "was not confirmed" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")

"""Embedding a shard: document order, resumption, broken vectors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.embeddings.embed import embed_shard
from climb_assets.embeddings.encoder import Encoded, Encoder
from climb_assets.embeddings.parts import EarlierVectors, iterate_parts
from climb_assets.errors import ComputeError
from climb_assets.tables import read_table, write_table


class CrashError(Exception):
    """What a crash looks like to the caller."""


def test_vectors_are_in_document_order_and_parts_are_gone(
    documents: Path, texts: list[str], encoder: Encoder, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    steps: list[tuple[int, int]] = []
    report = embed_shard(documents, encoder, 16, out, lambda done, total: steps.append((done, total)))
    vectors = np.load(out / "vectors.npy", allow_pickle=False)
    np.testing.assert_allclose(vectors, encoder.encode(texts).vectors, atol=2e-3)
    assert [path.name for path in out.iterdir()] == ["vectors.npy"]
    assert report.facts == {"documents": 50, "dimension": 32}
    assert report.timings["precision"] == "float32"
    assert steps[-1] == (50, 50) and len(steps) >= 4


def test_an_interrupted_run_resumes_to_the_same_bytes(documents: Path, encoder: Encoder, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    embed_shard(documents, encoder, 16, whole)

    def die(done: int, total: int) -> None:
        if done > 20:
            raise CrashError

    with pytest.raises(CrashError):
        embed_shard(documents, encoder, 16, broken, die)
    kept = {path.name: path.stat().st_ino for path in broken.glob("part-*.npy")}
    assert kept and not (broken / "vectors.npy").exists()

    def still_there(done: int, total: int) -> None:
        assert all((broken / name).stat().st_ino == inode for name, inode in kept.items())

    embed_shard(documents, encoder, 16, broken, still_there)
    assert (broken / "vectors.npy").read_bytes() == (whole / "vectors.npy").read_bytes()


@pytest.mark.parametrize("change", ["put in", "taken out", "put in front", "none"])
def test_parts_that_are_as_they_were_are_taken_over_and_the_bytes_are_those_from_scratch(
    documents: Path, encoder: Encoder, tmp_path: Path, change: str
) -> None:
    folders = {name: tmp_path / name for name in ("before", "scratch", "taken")}
    for folder in folders.values():
        folder.mkdir()
    embed_shard(documents, encoder, 16, folders["before"])
    table, new = read_table(documents), pa.table({"id": ["f" * 32], "text": ["a river of bread and proof"]})
    pieces = {
        "put in": [table[:30], new, table[30:]],
        "taken out": [table[:30], table[31:]],
        "put in front": [new, table],
        "none": [table],
    }
    changed = tmp_path / "changed.parquet"
    write_table(changed, pa.concat_tables(pieces[change]))
    earlier = EarlierVectors.open(documents, folders["before"] / "vectors.npy", 16)
    embed_shard(changed, encoder, 16, folders["scratch"])

    def find(ids: tuple[str, ...]) -> Encoded | None:
        vectors = earlier.find(ids)
        return None if vectors is None else Encoded(vectors, 0, 0)

    report = embed_shard(changed, encoder, 16, folders["taken"], find=find)
    taken, scratch = (folders[name] / "vectors.npy" for name in ("taken", "scratch"))
    assert taken.read_bytes() == scratch.read_bytes()
    again = report.facts["documents"] - report.timings["documents_taken_over"]
    assert (again == 0) is (change == "none") and again < 40  # of 50


def test_a_shard_without_documents_has_vectors_of_the_right_width(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "documents.parquet"
    write_table(path, pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())}))
    embed_shard(path, encoder, 16, tmp_path)
    assert np.load(tmp_path / "vectors.npy", allow_pickle=False).shape == (0, 32)


class Broken:
    """An encoder that gives one bad vector."""

    dimension = 4
    precision = "float16"

    def __init__(self, value: float) -> None:
        self.value = value

    def encode(self, texts: Sequence[str]) -> Encoded:
        vectors = np.full((len(texts), 4), 0.5, np.float16)
        vectors[-1] = self.value
        return Encoded(vectors, len(texts), len(texts))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_unusable_vector_is_an_error_that_names_the_document(value: float, documents: Path, tmp_path: Path) -> None:
    last = len(next(iterate_parts(documents, 10))[0]) - 1
    with pytest.raises(ComputeError, match=rf"document {last} of .*encoder\.precision"):
        embed_shard(documents, Broken(value), 10, tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / "vectors.npy").exists()

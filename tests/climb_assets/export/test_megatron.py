"""Megatron's files, read by a reader that is written from the description of their format."""

import dataclasses
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from climb_assets.errors import ComputeError
from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from climb_assets.export.indexed_dataset import ids_dtype, write_ids, write_index
from tests.climb_assets.export.conftest import rows_of


def read_indexed(prefix: Path) -> list[list[int]]:
    """Return the documents of a pair of files."""
    index = Path(f"{prefix}.idx").read_bytes()
    magic, version, code, sequences, bounds = struct.unpack_from("<9sQBQQ", index)
    assert (magic, version) == (b"MMIDIDX\x00\x00", 1)
    ids = np.fromfile(f"{prefix}.bin", {8: "<u2", 4: "<i4"}[code])
    lengths = np.frombuffer(index, "<i4", sequences, 34)
    starts = np.frombuffer(index, "<i8", sequences, 34 + 4 * sequences)
    ends = np.frombuffer(index, "<i8", bounds, 34 + 12 * sequences)
    assert len(index) == 34 + 12 * sequences + 8 * bounds and ends.tolist() == list(range(sequences + 1))
    assert lengths.sum() == len(ids)
    pairs = zip((starts // ids.itemsize).tolist(), lengths.tolist(), strict=True)
    return [ids[start : start + length].tolist() for start, length in pairs]


def read_blend(folder: Path) -> dict[str, float]:
    """Return the weight of each prefix, as --data-args-path reads them."""
    words = (folder / "blend.txt").read_text().split()
    return dict(zip(words[1::2], map(float, words[::2]), strict=True))


def test_tokens_are_those_of_each_row_in_its_order(data: DataSet, tmp_path: Path) -> None:
    export_data_set(data, "megatron", tmp_path / "out", tokens=True)
    tokenizer, rows = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json")), rows_of(data)
    end, counted = tokenizer.token_to_id("<|endoftext|>"), {}
    for number, prefix in enumerate(read_blend(tmp_path / "out")):
        documents = read_indexed(tmp_path / "out" / prefix)
        texts = [row["text"] for row in rows if row["domain"] == number]
        assert documents == [[*tokenizer.encode(text).ids, end] for text in texts]
        counted[prefix] = sum(map(len, documents))
    shares = {prefix: tokens / sum(counted.values()) for prefix, tokens in counted.items()}
    assert read_blend(tmp_path / "out") == pytest.approx(shares, abs=1e-8)


def test_megatron_itself_reads_the_same(data: DataSet, tmp_path: Path) -> None:
    """`pip install --no-deps --target FOLDER megatron-core`, and FOLDER in PYTHONPATH; no extra brings it along."""
    pytest.importorskip("megatron.core", reason="megatron-core is not installed; it is in no extra of climb")
    from megatron.core.datasets.indexed_dataset import IndexedDataset

    export_data_set(data, "megatron", tmp_path / "out", tokens=True)
    wide = tmp_path / "out" / "wide"  # ids of a large vocabulary
    lengths = write_ids(wide.with_suffix(".bin"), [np.array([1, 199_999]), np.array([7])], ids_dtype(200_000))
    write_index(wide.with_suffix(".idx"), lengths, ids_dtype(200_000))
    for prefix in (*read_blend(tmp_path / "out"), "wide"):
        read = IndexedDataset(str(tmp_path / "out" / prefix))
        documents = read_indexed(tmp_path / "out" / prefix)
        assert [ids.tolist() for ids in read] == documents and len(read) == len(documents)
        assert read.sequence_lengths.tolist() == list(map(len, documents))
        assert read.document_indices.tolist() == list(range(len(documents) + 1))


def test_text_is_a_file_for_each_domain_and_a_blend(data: DataSet, tmp_path: Path) -> None:
    export_data_set(data, "megatron", tmp_path / "out")
    blend, texts = read_blend(tmp_path / "out"), []
    assert sum(blend.values()) == pytest.approx(1, abs=1e-6)
    for prefix in blend:
        lines = (tmp_path / "out" / f"{prefix.removesuffix('_text_document')}.jsonl").read_text().splitlines()
        texts += [json.loads(line)["text"] for line in lines]
    assert sorted(texts) == sorted(row["text"] for row in rows_of(data))


def test_tokens_that_are_not_those_of_the_data_set_are_refused(data: DataSet, tmp_path: Path) -> None:
    one = dataclasses.replace(data.domains[0], tokens=data.domains[0].tokens + 1)
    with pytest.raises(ComputeError, match=r"domain-00000 has \d+ tokens .* run `climb verify`"):
        export_data_set(
            dataclasses.replace(data, domains=[one, *data.domains[1:]]), "megatron", tmp_path / "out", tokens=True
        )


@pytest.mark.parametrize(("vocabulary", "kind"), [(300, "<u2"), (65_499, "<u2"), (65_500, "<i4"), (200_000, "<i4")])
def test_large_vocabularies_have_wide_ids(tmp_path: Path, vocabulary: int, kind: str) -> None:
    dtype = ids_dtype(vocabulary)
    assert dtype == np.dtype(kind)
    documents = [np.array([1, vocabulary - 1], "<u4"), np.array([], "<u4"), np.array([7], "<u4")]
    lengths = write_ids(tmp_path / "x.bin", documents, dtype)
    write_index(tmp_path / "x.idx", lengths, dtype)
    assert read_indexed(tmp_path / "x") == [document.tolist() for document in documents]

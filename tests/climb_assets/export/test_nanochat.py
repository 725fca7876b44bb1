"""nanochat reads a folder of shards in the order of their names, the last of which is validation."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from climb_assets.errors import ComputeError
from climb_assets.export import nanochat
from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from climb_assets.tables import read_table, write_table
from tests.climb_assets.export.conftest import rows_of


@pytest.mark.parametrize("characters", [250_000_000, 40_000])
def test_shards_have_text_only_and_validation_is_not_trained_on(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, characters: int
) -> None:
    monkeypatch.setattr(nanochat, "SHARD_CHARACTERS", characters)
    export_data_set(data, "nanochat", tmp_path / "out")
    shards = sorted((tmp_path / "out").glob("*.parquet"))
    assert [path.name for path in shards] == [f"shard_{number:05d}.parquet" for number in range(len(shards))]
    assert (len(shards) == 2) == (characters > 10**6)
    assert all(pq.read_schema(path).names == ["text"] for path in shards)
    training = [text for path in shards[:-1] for text in read_table(path)["text"].to_pylist()]
    validation = read_table(shards[-1])["text"].to_pylist()
    assert validation and training
    assert not set(validation) & set(training) and len(set(validation)) == len(validation)
    rows = rows_of(data)
    assert training == [row["text"] for row in rows if row["text"] not in set(validation)]  # in their order
    assert set(validation) | set(training) == {row["text"] for row in rows}


def read_as_nanochat(folder: Path, split: str, process: int, processes: int) -> list[str]:
    """Return what one of so many processes reads, as nanochat's `dataset.py` and `dataloader.py` go about it."""
    paths = sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
    texts = []
    for path in paths[:-1] if split == "train" else paths[-1:]:
        file = pq.ParquetFile(path)
        for group in range(process, file.num_row_groups, processes):
            texts += file.read_row_group(group).column("text").to_pylist()
    return texts


def test_each_of_eight_processes_has_something_to_read(data: DataSet, tmp_path: Path) -> None:
    """One that has no row group would ask for the next one for ever."""
    export_data_set(data, "nanochat", tmp_path / "out")
    for split in ("train", "val"):
        read = [read_as_nanochat(tmp_path / "out", split, process, 8) for process in range(8)]
        alone = read_as_nanochat(tmp_path / "out", split, 0, 1)
        assert len(alone) > 5 and all(read[: len(alone)])  # of seven documents for validation the eighth has none
        assert sorted(text for texts in read for text in texts) == sorted(alone)


def test_more_shards_than_its_names_number_are_refused(data: DataSet, tmp_path: Path, monkeypatch) -> None:
    """The hundred-thousandth would stand before others by name, so that another shard was taken for validation."""
    monkeypatch.setattr(nanochat, "SHARD_CHARACTERS", 40_000)
    monkeypatch.setattr(nanochat, "MOST_SHARDS", 2)
    with pytest.raises(ComputeError, match=r"more than the 2 shards .* lower mixture\.tokens, or export with --format"):
        export_data_set(data, "nanochat", tmp_path / "out")


def test_a_data_set_of_one_document_has_none_to_hold_out(data: DataSet, tmp_path: Path) -> None:
    first = read_table(data.parts[0]).slice(0, 1)
    write_table(tmp_path / "part-00000.parquet", first)
    with pytest.raises(ComputeError, match=r"raise mixture\.tokens"):
        export_data_set(replace(data, parts=[tmp_path / "part-00000.parquet"]), "nanochat", tmp_path / "out")

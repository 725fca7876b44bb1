"""Every column of a finished project is described, and nothing is described that no table has."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.column_words import MEANINGS, OF_TABLE, describe_column
from climb_assets.graph.materializer import Materializer

Columns = dict[tuple[str, str], list[str]]


@pytest.fixture(scope="module")
def climb(finished_once: Path) -> Materializer:
    """Return the materializer of a finished project."""
    return Materializer(load_config(finished_once / "climb.yaml"))


@pytest.fixture(scope="module")
def columns(climb: Materializer) -> Columns:
    """Return the columns of each table of each asset, by asset and file."""
    found: Columns = {}
    for spec in SPECS:
        artifact = climb.get(spec.asset, next(iter(climb.store.partitions(spec.asset)), None))
        tables = [name for name in artifact.manifest["files"] if name.endswith(".parquet")]
        found |= {(spec.asset, name): pq.read_schema(artifact.file(name)).names for name in tables}
    return found


def test_every_column_is_described_in_words(climb: Materializer, columns: Columns) -> None:
    for (asset, file), names in columns.items():
        for name in names:
            meaning = describe_column(asset, file, name, climb.config)
            assert meaning is not None, (asset, file, name)
            assert " " in meaning.words or meaning.words == f"the {name}", (asset, file, name)
            assert not meaning.words.endswith("."), (asset, file, name)


def test_no_words_are_left_of_columns_that_went(columns: Columns) -> None:
    assert MEANINGS.keys() <= {name for names in columns.values() for name in names}
    for table, meanings in OF_TABLE.items():
        having = [names for (asset, file), names in columns.items() if table in (file, f"{asset}/{file}")]
        assert having and meanings.keys() <= {name for names in having for name in names}, table


def test_a_name_means_in_its_table_what_is_said_of_that(climb: Materializer) -> None:
    def words(asset: str, file: str, name: str) -> str:
        meaning = describe_column(asset, file, name, climb.config)
        assert meaning is not None
        return meaning.words

    assert words("proxy_results", "results.parquet", "loss") != words("proxy_results", "curves.parquet", "loss")
    assert words("corpus_manifest", "families.parquet", "family") != words(
        "predictor_state", "families.parquet", "family"
    )
    task, objective = next(iter(climb.config.tasks)), next(iter(climb.config.objectives))
    assert task in words("predictor_state", "history.parquet", task)
    assert objective in words("predictor_state", "front.parquet", objective)
    assert describe_column("domains", "domains.parquet", task, climb.config) is None

"""Shards are shared out among workers: the same bytes, and old code is refused."""

import shutil
from pathlib import Path

import pytest

from climb_assets.config_file import load_config
from climb_assets.errors import ComputeError
from climb_assets.executor.executor import Resources
from climb_assets.executor.local import LocalExecutor, end_idle_workers
from climb_assets.graph.assets import SHARD_CHAIN, SPEC
from climb_assets.graph.code_identity import code_at_start
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.partition_unit import MakePartition, make_partitions
from tests.climb_assets.graph.units import MakeAndCount

SHARDS = ["first.jsonl", "second.jsonl", "third.jsonl"]


def materializer_of(project: Path, workers: int) -> Materializer:
    config = load_config(project / "climb.yaml")
    return Materializer(config.model_copy(update={"runtime": config.runtime.model_copy(update={"workers": workers})}))


def made_by(project: Path, workers: int) -> dict[tuple[str, str | None], str]:
    """Return the data version of everything that was made."""
    climb = materializer_of(project, workers)
    climb.make("tokenizer")
    climb.make("quality_scorer")
    made = list(make_partitions(climb, SHARD_CHAIN, SHARDS))
    assert all(one.fresh for one in made)
    return {(one.artifact.asset, one.artifact.partition): one.artifact.data_version for one in made}


def test_workers_make_the_same_bytes(project: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(project, tmp_path / "other"))
    alone = made_by(project, 1)
    shared = made_by(other, 2)
    assert alone == shared
    assert set(alone) == {(asset, shard) for asset in SHARD_CHAIN for shard in SHARDS}


def test_a_worker_loads_the_encoder_once_for_all_its_shards(project: Path) -> None:
    end_idle_workers()  # those of another test may have loaded one
    climb = materializer_of(project, 2)
    climb.make("tokenizer")
    climb.make("quality_scorer")
    code = {asset: code_at_start(SPEC[asset].function) for asset in SHARD_CHAIN}
    units = [MakeAndCount(climb.config, climb.listing(), code, shard) for shard in SHARDS]
    workers, loads = zip(*(found for _, found in LocalExecutor(2).map(units, Resources(2**20))), strict=True)
    assert len(set(workers)) == 2
    assert set(loads) == {1}
    assert len(climb.store.all_of("embeddings")) == len(SHARDS)


def test_code_that_changed_since_the_plan_is_refused(materializer: Materializer) -> None:
    code = {"raw_shards": code_at_start(SPEC["raw_shards"].function) | {"corpus.raw_files": "another"}}
    unit = MakePartition(materializer.config, materializer.listing(), code, SHARDS[0])
    with pytest.raises(ComputeError, match="raw_shards was changed"):
        unit.run()

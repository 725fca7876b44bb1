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
    """Return a materializer of a project, with all made that shards need."""
    config = load_config(project / "climb.yaml")
    config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"workers": workers})})
    climb = Materializer(config)
    climb.make("tokenizer")
    climb.make("quality_scorer")
    return climb


def test_workers_make_the_same_bytes_and_each_loads_the_encoder_once(project: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(project, tmp_path / "other"))
    alone = list(make_partitions(materializer_of(project, 1), SHARD_CHAIN, SHARDS))
    assert all(one.fresh for one in alone)

    end_idle_workers()  # those of another test may have loaded one
    climb = materializer_of(other, 2)
    code = {asset: code_at_start(*SPEC[asset].functions) for asset in SHARD_CHAIN}
    units = [MakeAndCount(climb.config, climb.listing(), code, shard) for shard in SHARDS]
    workers, loads = zip(*(found for _, found in LocalExecutor(2).map(units, Resources(2**20))), strict=True)
    assert len(set(workers)) == 2
    assert set(loads) == {1}

    shared = list(make_partitions(climb, SHARD_CHAIN, SHARDS))
    assert not any(one.fresh for one in shared)
    made = [
        {(one.artifact.asset, one.artifact.partition): one.artifact.data_version for one in each}
        for each in (alone, shared)
    ]
    assert made[0] == made[1]
    assert set(made[0]) == {(asset, shard) for asset in SHARD_CHAIN for shard in SHARDS}


def test_code_that_changed_since_the_plan_is_refused(materializer: Materializer) -> None:
    code = {"raw_shards": code_at_start(SPEC["raw_shards"].function) | {"corpus.raw_files": "another"}}
    unit = MakePartition(materializer.config, materializer.listing(), code, SHARDS[0])
    with pytest.raises(ComputeError, match="raw_shards was changed"):
        unit.run()

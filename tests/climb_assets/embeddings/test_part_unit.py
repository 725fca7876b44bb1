"""One shard that is more than a worker's share: all embed its parts, and the bytes are those of one worker."""

import shutil
from pathlib import Path

import pytest
import yaml

from climb_assets.embeddings.part_unit import parts_to_embed
from climb_assets.errors import ComputeError
from climb_assets.graph.assets import SHARD_CHAIN
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.partition_unit import make_partitions
from tests.climb_assets.graph.test_partition_unit import SHARDS, materializer_of
from tests.conftest import write_source

BIG = SHARDS[0]


@pytest.fixture
def skewed(project: Path) -> Path:
    """The project, one of whose shards has more documents than all others."""
    write_source(project / "data_lake" / "raw" / BIG, "first", documents=400, seed=1)
    settings = yaml.safe_load((project / "climb.yaml").read_text())
    (project / "climb.yaml").write_text(yaml.safe_dump(settings | {"corpus": {"part_documents": 32}}))
    return project


def with_documents(project: Path, workers: int) -> Materializer:
    """Return a materializer with the documents of all shards made."""
    climb = materializer_of(project, workers)
    for shard in SHARDS:
        climb.make("raw_shards", shard)
        climb.make("corpus_shards", shard)
    return climb


def test_parts_that_workers_embed_give_the_bytes_of_one_worker(skewed: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(skewed, tmp_path / "other"))
    alone = {one.artifact.data_version for one in make_partitions(materializer_of(skewed, 1), SHARD_CHAIN, [BIG])}
    climb = materializer_of(other, 2)
    told: list[tuple[str, int, int]] = []
    climb.progress = lambda what, done, total: told.append((what, done, total))
    shared = list(make_partitions(climb, SHARD_CHAIN, [BIG]))
    assert {one.artifact.data_version for one in shared} == alone
    parts = [total for what, done, total in told if what == "parts of embeddings" and done == total]
    [vectors] = [one.artifact for one in shared if one.artifact.asset == "embeddings"]
    assert parts and parts[0] > 400 / 32
    assert vectors.run["documents_taken_over"] == vectors.summary["documents"]
    assert vectors.run["tokens_embedded"] > 0


def test_what_is_embedded_already_is_not_asked_for_again(skewed: Path) -> None:
    climb = with_documents(skewed, 2)
    units = parts_to_embed(climb, SHARDS, 2)
    assert {unit.order.partition for unit in units} == {BIG}  # the others are less than a worker's share
    assert sum(unit.count for unit in units) == climb.get("corpus_shards", BIG).summary["documents"]
    units[3].run()
    assert parts_to_embed(climb, SHARDS, 2) == [*units[:3], *units[4:]]
    list(make_partitions(climb, SHARD_CHAIN, SHARDS))
    assert parts_to_embed(climb, SHARDS, 2) == []


def test_a_line_that_comes_makes_few_parts_to_embed(skewed: Path) -> None:
    climb = with_documents(skewed, 2)
    list(make_partitions(climb, SHARD_CHAIN, SHARDS))
    with (skewed / "data_lake" / "raw" / BIG).open("a") as stream:
        stream.write('{"text": "A river of salt runs to the shore, and the lake is a set of prime waves."}\n')
    climb.refresh()
    climb.make("raw_shards", BIG)
    climb.make("corpus_shards", BIG)
    assert len(parts_to_embed(climb, SHARDS, 2)) <= 2


def test_code_that_changed_since_the_plan_is_refused(skewed: Path) -> None:
    unit = parts_to_embed(with_documents(skewed, 2), [BIG], 2)[0]
    unit.order.code["embeddings.embed"] = "another"  # type: ignore[index]
    with pytest.raises(ComputeError, match="embeddings was changed"):
        unit.run()

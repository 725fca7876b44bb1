"""Making the partitions of some assets: one unit of work a partition, which any process can do.

What belongs here: the unit, and who does it. What a partition comes from is `climb_assets.graph.materializer`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from climb_assets.config import Config
from climb_assets.corpus.raw_files import Listing
from climb_assets.environment import resolve_device
from climb_assets.errors import ComputeError
from climb_assets.executor.backends import make_executor
from climb_assets.executor.executor import Executor, Resources
from climb_assets.graph.assets import SPEC
from climb_assets.graph.code_identity import code_at_start
from climb_assets.graph.materializer import Made, Materializer
from climb_assets.graph.spec import load_function

Said = TypeVar("Said", bound=Path | str)

SHARD_BYTES = 2 * 2**30  # torch and the libraries of the encoder, a part of a shard


@dataclass(frozen=True)
class MakePartition:
    """Make one partition of a chain of assets, inputs first.

    Parameters
    ----------
    config, listing
        What it is made by, and what was seen of its own shard when the work was planned: that of all, sent with the
        unit of each, would grow with their square.
    code
        Of each asset, in the order of the graph, the code that the work was planned with.
    run_id
        See `Materializer`.
    """

    config: Config
    listing: Listing
    code: Mapping[str, Mapping[str, str]]
    partition: str
    run_id: str | None = None

    @property
    def name(self) -> str:
        """What people read of it."""
        return self.partition

    def run(self) -> list[Made]:
        """Make what is not there; doing it twice does nothing the second time.

        Raises
        ------
        ComputeError
            The source code is no longer the one that the work was planned with.
        """
        for asset, planned in self.code.items():
            if code_at_start(*SPEC[asset].functions) != planned:
                raise ComputeError(f"the source code of {asset} was changed while shards are made; start again")
        climb = Materializer(self.config, run_id=self.run_id)
        climb.raw.see(self.listing)
        return [climb.make(asset, self.partition) for asset in self.code]


def make_partitions(climb: Materializer, assets: tuple[str, ...], keys: Sequence[str]) -> Iterator[Made]:
    """Make some partitions of a chain of assets and yield each as it comes.

    Shards know nothing of one another and are shared out among the workers, each of which loads the encoder once; of
    one that is more than a worker's share, the parts are made by all of them first. Iterations need one another and
    are walked in order. A single worker of this machine would be a second process for nothing, so this one does the
    work then; one of Ray may be where the GPUs are.

    Raises
    ------
    ClimbError
        What the first one that failed says; those that were finished before have been yielded.
    """
    for chain in _cut(assets):
        yield from _make_chain(climb, chain, keys)


def _cut(assets: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Cut a chain of assets in two where one is made in parts, so that its inputs are there when these are planned."""
    for asset in assets:
        inputs = [assets.index(entry.asset) for entry in SPEC[asset].inputs if entry.asset in assets]
        if SPEC[asset].parts is not None and inputs:
            return assets[: max(inputs) + 1], assets[max(inputs) + 1 :]
    return (assets,)


def _make_chain(climb: Materializer, assets: tuple[str, ...], keys: Sequence[str]) -> Iterator[Made]:
    """Make partitions of assets that are made without a look at other partitions in between."""
    runtime, resources = climb.config.runtime, _resources(climb.config, assets)
    executor, independent = make_executor(runtime), SPEC[assets[0]].dimension == "shard"
    alone = not independent or (runtime.backend == "local" and executor.layout(resources).workers == 1)
    if not alone:
        share = runtime.model_copy(update={"threads": runtime.threads or executor.layout(resources).threads})
        config = climb.config.model_copy(update={"runtime": share})
        _make_parts(climb, config, assets, keys, executor, resources)
    if alone or (runtime.backend == "local" and len(keys) == 1):
        for key in keys:
            for asset in assets:
                yield climb.make(asset, key)
        return
    code = {asset: code_at_start(*SPEC[asset].functions) for asset in assets}
    seen = climb.listing()
    units = [MakePartition(config, _of_shard(seen, key), code, key, climb.run_id) for key in keys]
    tell = partial(climb.progress, ", ".join(assets))
    tell(0, len(units))
    with closing(executor.map(units, resources, tell)) as done:
        for _, made in done:
            yield from made


def _of_shard(listing: Listing, shard: str) -> Listing:
    """Return what a listing says of one shard."""
    return Listing(_only(listing.shards, shard), (), _only(listing.unsettled, shard), _only(listing.stamps, shard))


def _only(of_all: Mapping[str, Said], shard: str) -> dict[str, Said]:
    return {shard: of_all[shard]} if shard in of_all else {}


def _make_parts(
    climb: Materializer,
    config: Config,
    assets: tuple[str, ...],
    keys: Sequence[str],
    executor: Executor,
    resources: Resources,
) -> None:
    """Have the parts made of partitions that are more than a worker's share."""
    planned = Materializer(config)
    planned.raw.see(climb.listing())
    for asset in assets:
        parts = SPEC[asset].parts
        units = [] if parts is None else load_function(parts)(planned, keys, executor.layout(resources).workers)
        if units:
            tell = partial(climb.progress, f"parts of {asset}")
            tell(0, len(units))
            with closing(executor.map(units, resources, tell)) as done:
                for _ in done:
                    pass


def _resources(config: Config, assets: tuple[str, ...]) -> Resources:
    """Return what making one partition needs at most."""
    embeds, folder = "embeddings" in assets, Path(config.encoder.model)
    weights = sum(file.stat().st_size for file in folder.rglob("*.safetensors")) if embeds and folder.is_dir() else 0
    gpu = embeds and resolve_device(config.runtime.device) == "cuda"
    return Resources(SHARD_BYTES + 2 * weights, gpu=gpu)  # twice: as they are read, and as they compute

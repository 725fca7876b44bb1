"""Making the partitions of some assets: one unit of work a partition, which any process can do.

What belongs here: the unit, and who does it. What a partition comes from is `climb_assets.graph.materializer`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from climb_assets.config import Config
from climb_assets.corpus.raw_files import Listing
from climb_assets.graph.assets import SPEC
from climb_assets.graph.materializer import Made, Materializer


@dataclass(frozen=True)
class MakePartition:
    """Make one partition of a chain of assets, inputs first.

    Parameters
    ----------
    config, listing
        What it is made by, and the raw folder as it was seen when the work was planned.
    assets
        Assets of the same partitions, in the order of the graph.
    """

    config: Config
    listing: Listing
    assets: tuple[str, ...]
    partition: str

    @property
    def name(self) -> str:
        """What people read of it."""
        return self.partition

    def run(self) -> list[Made]:
        """Make what is not there; doing it twice does nothing the second time."""
        climb = Materializer(self.config)
        climb.see(self.listing)
        return [climb.make(asset, self.partition) for asset in self.assets]


def make_partitions(climb: Materializer, assets: tuple[str, ...], keys: Sequence[str]) -> Iterator[Made]:
    """Make some partitions of a chain of assets and yield each as it comes.

    Shards know nothing of one another and are shared out among the workers; iterations need one another and are walked
    in order.

    Raises
    ------
    ClimbError
        What the first one that failed says; those that were finished before have been yielded.
    """
    if SPEC[assets[0]].dimension != "shard" or len(keys) == 1:
        for key in keys:
            for asset in assets:
                yield climb.make(asset, key)
        return
    for key in keys:
        for asset in assets:
            yield climb.make(asset, key)

"""Units of work of the tests, in a module of their own, which workers can import."""

import os
from dataclasses import dataclass

from climb_assets.embeddings.encoder import load_encoder_once
from climb_assets.graph.partition_unit import MakePartition


@dataclass(frozen=True)
class MakeAndCount(MakePartition):
    """Make a partition; return the process and how often it has loaded an encoder so far."""

    def run(self) -> tuple[int, int]:
        super().run()
        return os.getpid(), load_encoder_once.cache_info().misses

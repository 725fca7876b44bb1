"""The asset graph as data: what each asset is made from.

What belongs here: one `Spec` per asset: inputs and settings. Dagster's dependencies, the planner and every fingerprint
are read off these, so they cannot disagree. How an asset is made is the function of its name in its stage.
"""

from collections.abc import Collection

from climb_assets.config import Config
from climb_assets.graph.corpus_specs import CORPUS_SPECS
from climb_assets.graph.search_specs import SEARCH_SPECS
from climb_assets.graph.spec import Spec

SPECS: tuple[Spec, ...] = (*CORPUS_SPECS, *SEARCH_SPECS)

OF_TEXTS = ("document_signatures", "contamination", "tokenized_shards", "embeddings", "quality_scores")
SHARD_CHAIN = ("raw_shards", "corpus_shards", *OF_TEXTS)  # of one shard
SEARCH = ("mixture_candidates", "proxy_results", "predictor_state")  # the three outputs of one iteration
SPEC = {spec.asset: spec for spec in SPECS}


def check_outside_files(config: Config, assets: Collection[str]) -> None:
    """Check every file outside the lake that some assets use, before anything is made; see `Spec.check_files`."""
    for spec in SPECS:
        if spec.asset in assets:
            spec.check_files(config)


def checks_against(assets: Collection[str]) -> list[tuple[Spec, str, str]]:
    """Return which of some assets are checked against what, and by which function; see `Spec.check_against`."""
    return [(spec, *spec.check_against) for spec in SPECS if spec.asset in assets and spec.check_against is not None]


def ancestors(asset: str, config: Config) -> set[str]:
    """Return an asset and everything that it is made from by a configuration, by name."""
    found: set[str] = set()
    waiting = [asset]
    while waiting:
        name = waiting.pop()
        if name in SPEC and name not in found:
            found.add(name)
            waiting.extend(entry.asset for entry in SPEC[name].inputs if entry.used(config))
    return found

"""What a run says of itself in Dagster's list of runs: which profile, which taxonomy or search, for which objectives.

What belongs here: tags for people. Those that code reads are `dagster_project.event_tags`. Partitions and what a run
makes are shown by Dagster itself.
"""

from collections.abc import Collection

import dagster as dg

from climb_assets.config import Config
from climb_assets.graph.assets import SPEC
from climb_assets.graph.corpus_specs import TAXONOMY
from climb_assets.graph.kept import generation_of
from climb_assets.graph.search_specs import SNAPSHOT
from climb_assets.store.store import Store

PROFILE, OF_TAXONOMY, OF_SEARCH = "climb/profile", "climb/taxonomy", "climb/search"
MAKES_TAXONOMY, BEFORE_TAXONOMY = "clusters", "corpus"  # groups


def run_tags(config: Config, store: Store, assets: Collection[str]) -> dict[str, str]:
    """Return the tags of a run that makes some assets: two at most, since each is a line of the list."""
    groups = {SPEC[asset].group for asset in assets}
    tags = {PROFILE: config.profile}
    if groups - {BEFORE_TAXONOMY, MAKES_TAXONOMY}:
        objectives = ", ".join(config.objectives)
        tags[OF_SEARCH] = f"generation {generation_of(store, SNAPSHOT)}, seed {config.search.seed}, for {objectives}"
    elif MAKES_TAXONOMY in groups:
        tags[OF_TAXONOMY] = f"generation {generation_of(store, TAXONOMY)}"
    return tags


def tag_run(instance: dg.DagsterInstance, run: dg.DagsterRun, tags: dict[str, str]) -> None:
    """Put tags on a run that Dagster launched; one that is executed again has inherited those of the first."""
    changed = {name: value for name, value in tags.items() if run.tags.get(name) != value}
    if changed:
        instance.add_run_tags(run.run_id, changed)

"""The assets as Dagster sees them: declared from their specs, made by the materializer, reported one by one.

What belongs here: operations, each of which makes some assets. How an asset comes about is the function of its name in
`climb_assets.<stage>.assets`; what it shows is `dagster_project.metadata`, what must hold `dagster_project.checks`.

An operation that makes partitions reports each by an event of its own, with its own versions: a returned result would
stamp one version on all of them, and what was finished before a crash stays reported.
"""

import json
from collections.abc import Callable, Iterator

import dagster as dg

from climb_assets.config import Config
from climb_assets.graph.assets import SEARCH, SHARD_CHAIN, SPEC, SPECS, check_outside_files
from climb_assets.graph.materializer import Made, Materializer
from climb_assets.graph.partition_unit import make_partitions
from climb_assets.graph.planner import check_against_lake
from climb_assets.store.artifacts import Artifact
from dagster_project.checks import checks_of
from dagster_project.dead_runs import claim_run
from dagster_project.event_tags import PARTITIONS
from dagster_project.events import event_of
from dagster_project.metadata import describe
from dagster_project.partitions import asset_options, partitions_of
from dagster_project.progress import telling
from dagster_project.retries import TRANSIENT, failing_plainly
from dagster_project.run_tags import run_tags, tag_run

Climb = dg.ResourceParam[Materializer]
MADE_TOGETHER = {"shard_chain": SHARD_CHAIN, "search_iteration": SEARCH}  # operations that make several assets
BACKFILL = {  # all differ: assets of one policy may share a run, and a run of many partitions yields no output
    "shard_chain": dg.BackfillPolicy.multi_run(max_partitions_per_run=100),
    "search_iteration": dg.BackfillPolicy.single_run(),
    "cluster_assignments": dg.BackfillPolicy.multi_run(max_partitions_per_run=1000),
}


@dg.observable_source_asset(name="raw_corpus", group_name="corpus", description="The listing of the raw folder.")
def raw_corpus(climb: Climb) -> dg.DataVersion:
    """Observe which shards there are, so that one that came or went makes the manifest stale."""
    climb.refresh()
    return dg.DataVersion(climb.raw.listing_version())


def build_assets(config: Config) -> list[dg.AssetsDefinition | dg.SourceAsset]:
    """Return every asset of the graph."""
    together = {asset for assets in MADE_TOGETHER.values() for asset in assets}
    operations = dict(MADE_TOGETHER)
    operations |= {spec.asset: (spec.asset,) for spec in SPECS if spec.asset not in together}
    return [raw_corpus, *(_declare(name, assets, config) for name, assets in operations.items())]


def _declare(name: str, assets: tuple[str, ...], config: Config) -> dg.AssetsDefinition:
    """Declare the operation that makes some assets of the same partitions."""
    spec = SPEC[assets[0]]
    several = spec.dimension in ("shard", "iteration")
    declare = dg.multi_asset(
        name=name,
        description=SPEC[name].description if name in SPEC else f"Makes {', '.join(assets)}, partition by partition.",
        specs=[
            dg.AssetSpec(asset, description=SPEC[asset].description, skippable=several, **asset_options(asset, config))
            for asset in assets
        ],
        check_specs=[check.spec for check in checks_of(*assets)],
        partitions_def=partitions_of(spec, config),
        backfill_policy=BACKFILL.get(name),
        can_subset=name == "shard_chain",
        retry_policy=TRANSIENT,
    )
    return declare(_make_partitions(assets) if several else _make_one(assets[0]))


def _make_one(asset: str) -> Callable[..., dg.MaterializeResult]:
    """Return the operation of an asset that a run makes once: it has no partitions, or a run has one of them."""

    def make(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
        _claim(context, climb)
        with failing_plainly(), telling(climb, context.log.info):
            _check_run(context, climb)
            return result(climb, climb.make(asset, context.partition_key if context.has_partition_key else None))

    return make


def result(climb: Materializer, made: Made) -> dg.MaterializeResult:
    """Report an artefact: its own data version, its facts, whether it was computed just now, and its checks."""
    asset = made.artifact.asset
    return dg.MaterializeResult(
        asset_key=asset,
        data_version=dg.DataVersion(made.artifact.data_version),
        metadata=describe(climb, made.artifact, fresh=made.fresh),
        check_results=[check.result(climb, [made.artifact]) for check in checks_of(asset)],
    )


def _make_partitions(assets: tuple[str, ...]) -> Callable[..., Iterator[dg.MaterializeResult | dg.AssetCheckResult]]:
    """Return the operation of assets of which a run makes many partitions.

    A run of one partition returns results like any other. One of many reports each partition by an event and yields no
    output, so that nothing which needs one may share its run.
    """

    def make(context: dg.AssetExecutionContext, climb: Climb) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        _claim(context, climb)
        selected = {key.to_user_string() for key in context.selected_asset_keys}
        chain, keys = tuple(asset for asset in assets if asset in selected), _wanted_keys(context)
        finished: dict[str, list[Artifact]] = {asset: [] for asset in chain}
        with failing_plainly(), telling(climb, context.log.info):
            _check_run(context, climb)
            for made in make_partitions(climb, chain, keys):
                if context.has_partition_key:
                    yield result(climb, made)
                    continue
                finished[made.artifact.asset].append(made.artifact)
                shown = describe(climb, made.artifact, fresh=made.fresh)
                context.log_event(event_of(made.artifact, context.instance, shown))
        for check in checks_of(*chain):
            if finished[check.asset]:
                yield check.result(climb, finished[check.asset])

    return make


def _claim(context: dg.AssetExecutionContext, climb: Materializer) -> None:
    """Claim the run for this process, unless each of its steps has a process of its own; what is made has its id.

    The run is tagged here too, since this is the first that is seen of what the UI or the daemon launched.
    """
    climb.run_id = context.run.run_id
    tag_run(context.instance, context.run, run_tags(climb.config, climb.store, _made_by(context)))
    if climb.config.dagster.executor == "in_process":
        claim_run(context.instance, context.run)


def _check_run(context: dg.AssetExecutionContext, climb: Materializer) -> None:
    """Check files, and tasks, of all assets that the run makes: what the last one needs is said by the first step."""
    of_the_run = _made_by(context)
    check_outside_files(climb.config, of_the_run)
    check_against_lake(climb.config, of_the_run)


def _made_by(context: dg.AssetExecutionContext) -> set[str]:
    """Return the assets that the whole run makes."""
    return {key.to_user_string() for key in context.job_def.asset_layer.selected_asset_keys}


def _wanted_keys(context: dg.AssetExecutionContext) -> list[str]:
    """Return the partitions that a run is to make, in order; `climb up` may name some of its range."""
    only = context.run.tags.get(PARTITIONS)
    return sorted(context.partition_keys if only is None else json.loads(only))  # which may no longer be partitions

"""Bringing the lake up to date: run what the planner says, in order, until nothing is stale.

What belongs here: turning a plan into Dagster runs in this process. `climb up` and the refresh job share it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg

from climb_assets.errors import ClimbError, ComputeError
from climb_assets.graph.assets import SEARCH, SPEC
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, make_plan
from dagster_project.instance import (
    PROCESS_TAG,
    close_dead_runs,
    process_identity,
    report_missing_events,
    synchronise_shards,
)

SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Update:
    """What an update did: the partitions it made, and the events it reported again."""

    made: int
    reported: int


def bring_up_to_date(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    materializer: Materializer,
    to: str | None = None,
    report: Callable[[str], None] = print,
) -> Update:
    """Materialise what is stale, inputs first, stopping where a result comes out unchanged.

    Raises
    ------
    ClimbError
        What a failing asset said.
    """
    close_dead_runs(instance)
    came, went = synchronise_shards(instance, materializer)
    for word, names in (("new", came), ("gone", went)):
        if names:
            report(f"{len(names)} shard(s) {word}: {', '.join(names[:8])}{' ...' if len(names) > 8 else ''}")
    job = definitions.resolve_implicit_global_asset_job_def()
    tags = {PROCESS_TAG: process_identity(os.getpid()) or ""}
    made, before = 0, None
    while True:
        plan = make_plan(materializer, to)
        named = [(item.name, item.causes) for item in plan.stale]
        if named == before:
            raise ComputeError(
                f"{plan.stale[0].name} was made and is still stale; its inputs change while they are read"
            )
        before = named
        forget_removed(materializer, plan)
        reported = report_missing_events(instance, materializer)
        if not plan.stale:
            return Update(made, reported)
        for assets, partition in next_runs(plan):
            label = ", ".join(assets) + (f" [{partition}]" if partition else "")
            report(label)
            _run(job, instance, assets, partition, tags)
            made += len(assets)


def forget_removed(materializer: Materializer, plan: Plan) -> None:
    """Drop the references of partitions that are gone, so that nothing counts them."""
    for asset, partition in plan.removed:
        if partition is not None:
            materializer.store.forget(asset, partition)


def next_runs(plan: Plan) -> Iterator[tuple[list[str], str | None]]:
    """Yield the runs that can be started now: for each partition, the chain of assets that are certain.

    One plan's runs cover the dimension that is stale first; what lies behind it is planned again, since it
    may have come out unchanged.
    """
    dimension = SPEC[plan.certain[0].asset].dimension
    if dimension == "iteration":  # one operation makes all three, and the next iteration needs them
        yield list(SEARCH), plan.certain[0].partition
        return
    elsewhere = {item.asset for item in plan.stale if SPEC[item.asset].dimension != dimension}
    chains: dict[str | None, list[str]] = {}
    skipped: set[tuple[str, str | None]] = set()
    for item in plan.stale:
        if SPEC[item.asset].dimension != dimension:
            continue
        reads = {entry.asset for entry in SPEC[item.asset].inputs}
        if item.certain and not reads & elsewhere and not any((asset, item.partition) in skipped for asset in reads):
            chains.setdefault(item.partition, []).append(item.asset)
        else:
            skipped.add((item.asset, item.partition))
    for partition, chain in chains.items():
        yield chain, partition


def _run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, assets: list[str], partition: str | None, tags: dict[str, str]
) -> None:
    subset = job.get_subset(asset_selection={dg.AssetKey(asset) for asset in assets})
    outcome = subset.execute_in_process(
        instance=instance, partition_key=partition, run_config=SILENT, tags=tags, raise_on_error=False
    )
    if outcome.success:
        return
    failures = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
    cause = failures[0].user_failure_data if failures else None
    if cause is not None and cause.description:
        raise ClimbError(cause.description)
    error = failures[0].error if failures else None
    raise RuntimeError(error.to_string() if error else f"{', '.join(assets)} failed; see the run in `climb ui`")

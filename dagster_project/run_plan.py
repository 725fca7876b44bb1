"""Running a plan: the Dagster runs that it can start now, and how one is executed in this process.

What belongs here: turning a plan into runs, and what a failed one says. Planning anew after it belongs to `update`.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from climb_assets.config import Config
from climb_assets.corpus.raw_place import name_some
from climb_assets.errors import ClimbError, CorpusError, WaitingForResults
from climb_assets.graph.assets import SEARCH, SPEC, checks_against
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, StaleItem
from dagster_project.assets import MADE_TOGETHER, build_assets
from dagster_project.dead_runs import process_tags
from dagster_project.event_tags import PARTITIONS, RANGE_END, RANGE_START
from dagster_project.retries import WAITS
from dagster_project.run_tags import run_tags
from dagster_project.storage_faults import StorageFault, close_after_fault, step_lost_storage, storage_fault

MOST_SHARDS = 1_000  # of a run
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Run:
    """One Dagster run: the assets it makes, of which partitions; none where the assets have no partitions."""

    assets: tuple[str, ...]
    partitions: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What a person reads of it."""
        several = f"{len(self.partitions)} partitions" if len(self.partitions) > 1 else "".join(self.partitions)
        return ", ".join(self.assets) + (f" [{several}]" if several else "")

    def makes(self, item: StaleItem) -> bool:
        """Return whether it makes what an item of a plan names."""
        return item.asset in self.assets and (item.partition is None or item.partition in self._partitions)

    @cached_property
    def _partitions(self) -> frozenset[str]:
        return frozenset(self.partitions)


def name_unknown(run: Run, keys: Sequence[str]) -> list[str]:
    """Return the shards of a run that are no partitions of Dagster's: whoever saw them go has removed them."""
    of_shards = SPEC[run.assets[0]].dimension == "shard"
    return sorted(set(run.partitions) - set(keys)) if of_shards else []


def _say_gone(shards: Sequence[str]) -> str:
    return (
        f"{name_some(shards)}: no shard partition any more; if the raw folder holds it, let no other configuration use "
        "this Dagster instance, and run again"
    )


def asset_job(materializer: Materializer) -> dg.JobDefinition:
    """Return the job of all assets, to be run in this process."""
    definitions = dg.Definitions(
        assets=build_assets(materializer.config),
        resources={"climb": materializer},
        executor=dg.in_process_executor,
    )
    return definitions.resolve_implicit_global_asset_job_def()


def next_runs(plan: Plan, config: Config) -> Iterator[Run]:
    """Yield the runs that can be started now: for each partition, the chain of assets that are certain.

    One plan's runs cover the dimension that is stale first; what lies behind it is planned again, since it
    may have come out unchanged. Shards of which the same assets are stale share a run.
    """
    dimension = SPEC[plan.certain[0].asset].dimension
    if dimension == "iteration":  # one operation makes all three, and the next iteration needs them
        yield Run(SEARCH, (str(plan.certain[0].partition),))
        return
    stale = {item.asset for item in plan.stale}
    elsewhere = {asset for asset in stale if SPEC[asset].dimension != dimension}
    elsewhere |= stale & {asset for _, asset, _ in checks_against(stale)}  # what reads it waits until it is looked at
    chains: dict[str | None, list[str]] = {}
    skipped: set[tuple[str, str | None]] = set()
    for item in plan.stale:
        if SPEC[item.asset].dimension != dimension:
            continue
        reads = {entry.asset for entry in SPEC[item.asset].inputs if entry.used(config)}
        if item.certain and not reads & elsewhere and not any((asset, item.partition) in skipped for asset in reads):
            chains.setdefault(item.partition, []).append(item.asset)
        else:
            skipped.add((item.asset, item.partition))
    if dimension == "shard":
        yield from _share_runs({str(key): chain for key, chain in chains.items()})
    else:
        yield from (Run(tuple(chain), (key,) if key is not None else ()) for key, chain in chains.items())


def _share_runs(chains: dict[str, list[str]]) -> Iterator[Run]:
    """Yield the runs of each operation and each of its chains, of at most `MOST_SHARDS` that need it.

    Dagster holds all events of a run in memory until it ends.
    """
    shards: dict[tuple[str, ...], list[str]] = {}
    for operation in (*MADE_TOGETHER.values(), None):
        for shard, chain in chains.items():
            together = {asset for assets in MADE_TOGETHER.values() for asset in assets}
            own = tuple(asset for asset in chain if (asset in operation if operation else asset not in together))
            if own:
                shards.setdefault(own, []).append(shard)
    for assets, keys in shards.items():
        for first in range(0, len(keys), MOST_SHARDS):
            yield Run(assets, tuple(keys[first : first + MOST_SHARDS]))


def execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    materializer: Materializer,
    run: Run,
    report: Callable[[str], None],
) -> None:
    """Execute a run in this process.

    Raises
    ------
    StorageFault
        Dagster's storage failed, and works again.
    WaitingForResults
        People are to train models first, and to tell what came of them.
    CorpusError
        Shards of it are no partitions any more.
    ClimbError
        What a failing asset or check said.
    """
    keys = instance.get_dynamic_partitions("shard")
    run_id = str(uuid.uuid4())
    tags = process_tags(run_id) | run_tags(materializer.config, materializer.store, run.assets)
    if unknown := name_unknown(run, keys):
        raise CorpusError(_say_gone(unknown))
    if len(run.partitions) > 1:
        wanted = frozenset(run.partitions)
        known = [key for key in keys if key in wanted]
        tags |= {RANGE_START: known[0], RANGE_END: known[-1], PARTITIONS: json.dumps(list(run.partitions))}
    try:
        outcome = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(asset) for asset in run.assets],  # the list of runs names them
            partition_key=run.partitions[0] if len(run.partitions) == 1 else None,
            run_config=SILENT,
            run_id=run_id,
            tags=tags,
            raise_on_error=False,
        )
    except dg.DagsterUnknownPartitionError:  # it went just now
        raise CorpusError(_say_gone(run.partitions)) from None
    except Exception as error:
        if (fault := storage_fault(error)) is None:
            raise
        close_after_fault(instance, run_id, fault, report)
        raise StorageFault(fault) from error
    if outcome.success:
        return
    if any(event.is_step_failure and step_lost_storage(event) for event in outcome.all_events):
        fault = "it did not take an event"
        close_after_fault(instance, run_id, fault, report)
        raise StorageFault(fault)
    raise _failure(outcome, run, gone=name_unknown(run, instance.get_dynamic_partitions("shard")))


def _failure(outcome: dg.ExecuteInProcessResult, run: Run, gone: Sequence[str]) -> Exception:
    """Return the error of a run that failed: what its asset or a check said, else that shards are gone."""
    failures = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
    cause = failures[0].user_failure_data if failures else None
    if cause is not None and cause.description:
        return (WaitingForResults if WAITS in cause.metadata else ClimbError)(cause.description)
    for check in outcome.get_asset_check_evaluations():
        if check.blocking and not check.passed:
            name = f"{check.asset_key.to_user_string()}:{check.check_name}"
            return ClimbError(f"check {name} failed; its page in `climb ui` has the figures; please report this")
    if gone:
        return CorpusError(_say_gone(gone))
    raised = failures[0].error if failures else None
    return RuntimeError(raised.to_string() if raised else f"{', '.join(run.assets)} failed; see the run in `climb ui`")

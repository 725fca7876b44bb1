"""Running a plan: bring the lake up to date, inputs first, until nothing is stale.

What belongs here: turning a plan into Dagster runs in this process. `climb up` and the refresh job share it.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import dagster as dg

from climb_assets.config import Config
from climb_assets.corpus.raw_place import describe_unsettled, name_some
from climb_assets.errors import ClimbError, ComputeError, CorpusError, WaitingForResults
from climb_assets.graph.assets import SEARCH, SPEC, checks_against
from climb_assets.graph.estimates import Cost
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, StaleItem, make_plan
from climb_assets.mixture.changes import REALISED, SAMPLE, changes_since
from climb_assets.store.artifacts import Artifact
from climb_assets.store.ledger.recording import complete_moves
from dagster_project.assets import MADE_TOGETHER, build_assets
from dagster_project.dead_runs import close_dead_runs, process_tags
from dagster_project.event_tags import PARTITIONS, RANGE_END, RANGE_START
from dagster_project.instance import reaffirm_kept, register_shards, report_missing_events
from dagster_project.renewal import AUTO, renew_where_due
from dagster_project.retries import WAITS
from dagster_project.run_tags import run_tags
from dagster_project.storage_faults import StorageFault, close_after_fault, step_lost_storage, storage_fault

DATA_SET = "mixed_corpus"
MOST_FAULTS = 10  # of Dagster's storage in one update; a server that fails more often somebody has to look at
MOST_SHARDS = 1_000  # of a run
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Update:
    """What an update did: the partitions it made, the events it reported again, and how each data set has moved."""

    made: int
    reported: int
    moved: Mapping[str, str]


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


def bring_up_to_date(
    instance: dg.DagsterInstance,
    materializer: Materializer,
    to: str | None = None,
    report: Callable[[str], None] = print,
    approve: Callable[[Plan], None] = lambda plan: None,
    show_outlook: Callable[[float | None, Callable[[], Cost]], None] = lambda estimate_s, look: None,
    nearer: Callable[[Plan], str | None] = lambda plan: None,
) -> Update:
    """Materialise what is stale, inputs first, stopping where a result comes out unchanged.

    What comes or goes under the raw folder meanwhile is taken along: the plan is made anew after each of its stages,
    and where a shard went or changed before it was read. What is being written is left for the next round.

    Parameters
    ----------
    approve
        Is shown the first plan before anything is begun; what it raises ends the update.
    show_outlook
        Is given, whenever a run was reported, the seconds that it takes by the plan (None: not known), and what says at
        any time what all that comes after it costs.
    nearer
        Is shown each plan, and names an asset beyond which the update does not go now; None where there is none. What
        `taxonomy.renew` makes anew by itself is not held up.

    Raises
    ------
    WaitingForResults
        People are to train models first, and to tell what came of them.
    ClimbError
        What a failing asset said.
    """
    close_dead_runs(instance)
    for line in complete_moves(materializer.store):
        report(line)
    materializer.raw.wait_until_settled(report)
    job = asset_job(materializer)
    made, before, due, told, approved, faults = 0, None, False, "", False, 0
    moved: dict[str, str] = {}
    lost: set[str] = set()
    seen: dict[tuple[str, str | None], str] = {}
    while True:
        plan = make_plan(materializer, to)
        if not due and renew_where_due(materializer, plan, report):
            due, plan = True, make_plan(materializer, to)
        renewed = due and materializer.config.taxonomy.renew == AUTO
        if not renewed and (asset := nearer(plan)) is not None:
            plan = make_plan(materializer, asset)
        came, went = register_shards(instance, materializer)  # a shard may come or go while others are made
        for word, names in (("new", came), ("gone", went)):
            if names:
                report(f"{len(names)} shard(s) {word}: {name_some(names)}")
        if (unsettled := describe_unsettled(materializer.listing())) not in ("", told):
            report(unsettled)
            told = unsettled
        named = [(item.name, item.causes) for item in plan.stale]
        if named == before:
            raise ComputeError(
                f"{plan.stale[0].name} was made and is still stale; its inputs change while they are read"
            )
        if plan.stale and not approved:
            approve(plan)
            approved = True
        before = named
        forget_removed(materializer, plan)
        reported = report_missing_events(instance, materializer, seen)
        if not plan.stale:
            reaffirm_kept(instance, materializer)
            return Update(made, reported, moved)
        waiting: list[str] = []
        for run in next_runs(plan, materializer.config):
            report(run.label)
            show_outlook(_estimate(run, plan), partial(cost_after, run, materializer.config, to))
            written = run.partitions if DATA_SET in run.assets else ()
            earlier = {objective: materializer.store.current(DATA_SET, objective) for objective in written}
            try:
                _execute(job, instance, materializer, run, report)
            except StorageFault:
                if (faults := faults + 1) > MOST_FAULTS:
                    raise
                before = None
                break
            except WaitingForResults as error:  # other objectives may wait too, so that all are asked at once
                waiting.append(str(error))
                continue
            except ClimbError:
                changed = _changed(run, instance, materializer)
                if changed <= lost:  # nothing changed, or what has done so before
                    reaffirm_kept(instance, materializer)
                    raise
                report(f"{len(changed)} shard(s) went or changed before they were read: {name_some(sorted(changed))}")
                lost |= changed
                before = None
                break
            made += len(run.assets) * max(1, len(run.partitions))
            for objective, before_it in earlier.items():
                now = materializer.store.current(DATA_SET, objective)
                if (sentence := _what_moved(before_it, now, materializer.config.lake)) is not None:
                    moved[objective] = sentence
                    report(f"data set of {objective}: {sentence}")
        if waiting:
            reaffirm_kept(instance, materializer)
            raise WaitingForResults("; ".join(waiting))


def _changed(run: Run, instance: dg.DagsterInstance, materializer: Materializer) -> set[str]:
    """Return the shards of a run that went or changed since it was planned, or are no partitions any more."""
    unknown = _unknown(run, instance.get_dynamic_partitions("shard"))
    return {*materializer.raw.changed(run.assets, run.partitions), *unknown}


def _unknown(run: Run, keys: Sequence[str]) -> list[str]:
    """Return the shards of a run that are no partitions of Dagster's: whoever saw them go has removed them."""
    of_shards = SPEC[run.assets[0]].dimension == "shard"
    return sorted(set(run.partitions) - set(keys)) if of_shards else []


def _say_gone(shards: Sequence[str]) -> str:
    return (
        f"{name_some(shards)}: no shard partition any more; if the raw folder holds it, let no other configuration use "
        "this Dagster instance, and run again"
    )


def cost_after(run: Run, config: Config, to: str | None) -> Cost:
    """Return what all that is stale costs besides what a run makes, by all that was measured until now."""
    plan = make_plan(Materializer(config), to)  # of its own, as the run has the other
    return replace(plan, stale=tuple(item for item in plan.stale if not run.makes(item))).cost(config)


def _what_moved(before: Artifact | None, after: Artifact | None, scratch: Path) -> str | None:
    """Return how a data set differs from the one before; None where there was none or that cannot be told."""
    if before is None or after is None or before.fingerprint == after.fingerprint:
        return None
    changes = changes_since(before, after.file(SAMPLE), after.file(REALISED), scratch)
    return None if changes is None else changes.in_words()


def _estimate(run: Run, plan: Plan) -> float | None:
    """Return the seconds that a run takes by a plan; None where the plan does not know it of each partition."""
    seconds = [item.estimate_s for item in plan.stale if run.makes(item)]
    known = [value for value in seconds if value is not None]
    return sum(known) if len(known) == len(seconds) else None


def asset_job(materializer: Materializer) -> dg.JobDefinition:
    """Return the job of all assets, to be run in this process."""
    definitions = dg.Definitions(
        assets=build_assets(materializer.config),
        resources={"climb": materializer},
        executor=dg.in_process_executor,
    )
    return definitions.resolve_implicit_global_asset_job_def()


def forget_removed(materializer: Materializer, plan: Plan) -> None:
    """Drop the references of partitions that are gone, so that nothing counts them."""
    for asset, partition in plan.removed:
        if partition is not None:
            materializer.store.forget(asset, partition)


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


def _execute(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    materializer: Materializer,
    run: Run,
    report: Callable[[str], None],
) -> None:
    """Execute a run; a `StorageFault` is one of Dagster's storage that has passed."""
    keys = instance.get_dynamic_partitions("shard")
    run_id = str(uuid.uuid4())
    tags = process_tags(run_id) | run_tags(materializer.config, materializer.store, run.assets)
    if unknown := _unknown(run, keys):
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
    failures = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
    cause = failures[0].user_failure_data if failures else None
    if cause is not None and cause.description:
        raise (WaitingForResults if WAITS in cause.metadata else ClimbError)(cause.description)
    for check in outcome.get_asset_check_evaluations():
        if check.blocking and not check.passed:
            name = f"{check.asset_key.to_user_string()}:{check.check_name}"
            raise ClimbError(f"check {name} failed; its page in `climb ui` has the figures; please report this")
    if unknown := _unknown(run, instance.get_dynamic_partitions("shard")):
        raise CorpusError(_say_gone(unknown))
    raised = failures[0].error if failures else None
    raise RuntimeError(raised.to_string() if raised else f"{', '.join(run.assets)} failed; see the run in `climb ui`")

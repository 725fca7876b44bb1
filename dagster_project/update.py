"""An update: bring the lake up to date, inputs first, until nothing is stale.

What belongs here: planning anew after each stage, and what is done about what changes or fails meanwhile. `climb up`
and the refresh job share it. What a run makes, and how it is executed, belongs to `run_plan`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import dagster as dg

from climb_assets.config import Config
from climb_assets.corpus.raw_place import describe_unsettled, name_some
from climb_assets.errors import ClimbError, ComputeError, WaitingForResults
from climb_assets.graph.estimates import Cost
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Cause, Plan, make_plan
from climb_assets.mixture.changes import REALISED, SAMPLE, changes_since
from climb_assets.store.artifacts import Artifact
from climb_assets.store.ledger.recording import complete_moves
from dagster_project.dead_runs import close_dead_runs
from dagster_project.instance import reaffirm_kept, register_shards, report_missing_events
from dagster_project.renewal import AUTO, renew_where_due
from dagster_project.run_plan import Run, asset_job, execute, name_unknown, next_runs
from dagster_project.storage_faults import StorageFault

DATA_SET = "mixed_corpus"
MOST_FAULTS = 10  # of Dagster's storage in one update; a server that fails more often somebody has to look at


@dataclass(frozen=True)
class Update:
    """What an update did: the partitions it made, the events it reported again, and how each data set has moved."""

    made: int
    reported: int
    moved: Mapping[str, str]


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
    return _Updating(instance, materializer, to, report, approve, show_outlook, nearer).run()


@dataclass
class _Updating:
    """An update under way: what `bring_up_to_date` was given, and what has happened so far."""

    instance: dg.DagsterInstance
    materializer: Materializer
    to: str | None
    report: Callable[[str], None]
    approve: Callable[[Plan], None]
    show_outlook: Callable[[float | None, Callable[[], Cost]], None]
    nearer: Callable[[Plan], str | None]
    made: int = 0
    moved: dict[str, str] = field(default_factory=dict)
    seen: dict[tuple[str, str | None], str] = field(default_factory=dict)  # versions that Dagster knows
    stale: list[tuple[str, tuple[Cause, ...]]] | None = None  # by the plan before; None: it may well be so again
    lost: set[str] = field(default_factory=set)  # shards that went or changed before they were read
    due: bool = False  # whether a renewal was due
    approved: bool = False
    unsettled: str = ""  # what was told last of files that are being written
    faults: int = 0  # of Dagster's storage

    @cached_property
    def job(self) -> dg.JobDefinition:
        """The job of all assets."""
        return asset_job(self.materializer)

    def run(self) -> Update:
        """Plan, and make what can be made, until nothing is stale."""
        while True:
            plan = self._make_plan()
            self._tell_of_shards()
            self._check(plan)
            forget_removed(self.materializer, plan)
            reported = report_missing_events(self.instance, self.materializer, self.seen)
            if not plan.stale:
                reaffirm_kept(self.instance, self.materializer)
                return Update(self.made, reported, self.moved)
            self._make_what_can_be(plan)

    def _make_plan(self) -> Plan:
        plan = make_plan(self.materializer, self.to)
        if not self.due and renew_where_due(self.materializer, plan, self.report):
            self.due, plan = True, make_plan(self.materializer, self.to)
        renewed = self.due and self.materializer.config.taxonomy.renew == AUTO
        if not renewed and (asset := self.nearer(plan)) is not None:
            plan = make_plan(self.materializer, asset)
        return plan

    def _tell_of_shards(self) -> None:
        """Make partitions of the shards that came, and remove those of shards that went; tell what is being written."""
        came, went = register_shards(self.instance, self.materializer)
        for word, names in (("new", came), ("gone", went)):
            if names:
                self.report(f"{len(names)} shard(s) {word}: {name_some(names)}")
        if (unsettled := describe_unsettled(self.materializer.listing())) not in ("", self.unsettled):
            self.report(unsettled)
            self.unsettled = unsettled

    def _check(self, plan: Plan) -> None:
        """Raise where the same is stale as before, and ask for approval of the first plan."""
        stale = [(item.name, item.causes) for item in plan.stale]
        if stale == self.stale:
            raise ComputeError(
                f"{plan.stale[0].name} was made and is still stale; its inputs change while they are read"
            )
        if plan.stale and not self.approved:
            self.approve(plan)
            self.approved = True
        self.stale = stale

    def _make_what_can_be(self, plan: Plan) -> None:
        """Execute the runs that a plan allows now; what shards or storage lose on the way is for the next plan."""
        config = self.materializer.config
        waiting: list[str] = []
        for run in next_runs(plan, config):
            self.report(run.label)
            self.show_outlook(_estimate(run, plan), partial(cost_after, run, config, self.to))
            try:
                self._make(run)
            except StorageFault:
                self.faults += 1
                if self.faults > MOST_FAULTS:
                    raise
                self.stale = None
                return
            except WaitingForResults as error:  # other objectives may wait too, so that all are asked at once
                waiting.append(str(error))
            except ClimbError:
                if not self._is_of_lost_shards(run):
                    reaffirm_kept(self.instance, self.materializer)
                    raise
                self.stale = None
                return
        if waiting:
            reaffirm_kept(self.instance, self.materializer)
            raise WaitingForResults("; ".join(waiting))

    def _make(self, run: Run) -> None:
        """Execute a run, and tell how each data set that it writes has moved."""
        store = self.materializer.store
        written = run.partitions if DATA_SET in run.assets else ()
        before = {objective: store.current(DATA_SET, objective) for objective in written}
        execute(self.job, self.instance, self.materializer, run, self.report)
        self.made += len(run.assets) * max(1, len(run.partitions))
        for objective, earlier in before.items():
            now = store.current(DATA_SET, objective)
            if (sentence := _what_moved(earlier, now, self.materializer.config.lake)) is not None:
                self.moved[objective] = sentence
                self.report(f"data set of {objective}: {sentence}")

    def _is_of_lost_shards(self, run: Run) -> bool:
        """Return whether a run failed since shards went or changed that had not done so before, and tell which."""
        known = self.instance.get_dynamic_partitions("shard")
        changed = {*self.materializer.raw.changed(run.assets, run.partitions), *name_unknown(run, known)}
        if changed <= self.lost:
            return False
        self.report(f"{len(changed)} shard(s) went or changed before they were read: {name_some(sorted(changed))}")
        self.lost |= changed
        return True


def cost_after(run: Run, config: Config, to: str | None) -> Cost:
    """Return what all that is stale costs besides what a run makes, by all that was measured until now."""
    plan = make_plan(Materializer(config), to)  # of its own, as the run has the other
    return replace(plan, stale=tuple(item for item in plan.stale if not run.makes(item))).cost(config)


def forget_removed(materializer: Materializer, plan: Plan) -> None:
    """Drop the references of partitions that are gone, so that nothing counts them."""
    for asset, partition in plan.removed:
        if partition is not None:
            materializer.store.forget(asset, partition)


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

"""Sensors: noticing that the raw folder changed. A sensor only stats or lists files; hashing is the job's."""

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import dagster as dg

from climb_assets.corpus.raw_place import describe_unsettled
from dagster_project.assets import Climb
from dagster_project.dead_runs import close_dead_runs
from dagster_project.instance import synchronise_shards
from dagster_project.jobs import refresh_corpus
from dagster_project.refreshes import look_up, request

SECONDS = 60


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class Cursor:
    """What the sensor remembers.

    Parameters
    ----------
    seen
        The raw folder as it was at the last look.
    refreshed
        As it was when the last refresh succeeded; empty once another has been asked for, since nobody knows how far
        that one came.
    since
        When the folder became what it is, or was seen to be refreshed. What was asked for before is of the past, also
        where the folder is again as it was then: others may have been asked for in between.
    """

    seen: str = ""
    refreshed: str = ""
    since: str = field(default_factory=_now)
    version: int = 2

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """Return a cursor as it was kept; an unknown one is as none, which costs one refresh that finds nothing."""
        try:
            values = json.loads(text or "")
        except ValueError:
            return cls()
        known = isinstance(values, dict) and values.get("version") == cls.version
        return cls(values["seen"], values["refreshed"], values["since"]) if known else cls()

    def write(self) -> str:
        """Return the text that Dagster keeps."""
        return json.dumps(asdict(self))


@dg.sensor(
    job=refresh_corpus,
    minimum_interval_seconds=SECONDS,
    description="Keeps the shard partitions in step with the raw folder, and starts a refresh when a file changed; "
    "one that fails is started again, with growing waits.",
)
def corpus_sensor(context: dg.SensorEvaluationContext, climb: Climb) -> dg.SensorResult:
    """Compare the raw folder's stats with those of the last tick and of the last refresh that succeeded.

    A change counts once two ticks in a row have seen it alike: a file may still be on its way. A shard that is being
    written shows as nothing but that, and as a change once it is whole.
    """
    came, went = synchronise_shards(context.instance, climb)
    close_dead_runs(context.instance)  # a refresh that a kill ended would look as on its way for ever
    cursor, raw, stamp = Cursor.read(context.cursor), climb.raw.place, climb.raw.stamp()
    if stamp == cursor.refreshed:
        written = describe_unsettled(climb.listing())
        return _skip(f"nothing changed in {raw}" + (f"; {written}" if written else ""), replace(cursor, seen=stamp))
    if stamp != cursor.seen:
        changed = replace(cursor, seen=stamp, since=_now())
        return _skip(f"{raw} changed; refreshed at the next look if it stays as it is", changed)
    purpose = f"{stamp} since {cursor.since}"
    refresh = look_up(context.instance, refresh_corpus.name, purpose)
    if refresh.state == "done":
        return _skip(f"{raw} is refreshed", Cursor(stamp, stamp))
    if refresh.state == "left":
        return _skip(refresh.reason, cursor)
    context.log.info(f"attempt {refresh.attempt}; new shards: {came}; removed shards: {went}")
    asked = replace(cursor, refreshed="")
    return dg.SensorResult(run_requests=[request(purpose, refresh.attempt)], cursor=asked.write())


def _skip(reason: str, cursor: Cursor) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=reason, cursor=cursor.write())

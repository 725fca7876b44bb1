"""Sensors: noticing that the raw folder changed. A sensor only stats files; hashing is the job's."""

import dagster as dg

from climb_assets.corpus.raw_files import list_files
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import canonical_json, sha256_text
from dagster_project.assets import Climb
from dagster_project.instance import synchronise_shards
from dagster_project.jobs import refresh_corpus

SECONDS = 60


@dg.sensor(
    job=refresh_corpus,
    minimum_interval_seconds=SECONDS,
    description="Keeps the shard partitions in step with the raw folder, and starts a refresh when a file changed.",
)
def corpus_sensor(context: dg.SensorEvaluationContext, climb: Climb) -> dg.SensorResult | dg.SkipReason:
    """Compare the raw folder's stats with those of the last tick and of the last refresh.

    A change counts once two ticks in a row have seen it alike: a file may still be on its way.
    """
    came, went = synchronise_shards(context.instance, climb)
    stamp = _stamp(climb)
    refreshed, _, seen = (context.cursor or "").partition(" ")
    if stamp == refreshed:
        return dg.SkipReason(f"nothing changed in {climb.config.corpus.raw}")
    if stamp != seen:
        waits = f"{climb.config.corpus.raw} changed; refreshed at the next look if it stays as it is"
        return dg.SensorResult(skip_reason=waits, cursor=f"{refreshed} {stamp}")
    context.log.info(f"new shards: {came}; removed shards: {went}")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=stamp)], cursor=stamp)


def _stamp(materializer: Materializer) -> str:
    """Return a hash over path, size and times of every raw file."""
    records = []
    for shard, path in materializer.listing().shards.items():
        for file in list_files(path):
            stat = file.lstat()
            records.append([shard, file.as_posix(), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
    return sha256_text(canonical_json(records))[:32]

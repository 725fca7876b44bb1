"""Jobs: named pieces of the graph that people and schedules start."""

import dagster as dg

from climb_assets.graph.assets import SEARCH
from climb_assets.graph.kept import GROUPS, renew
from dagster_project.assets import Climb
from dagster_project.dead_runs import claim_run
from dagster_project.retries import failing_plainly
from dagster_project.run_plan import bring_up_to_date


class Refresh(dg.Config):
    """How far a refresh goes: to the manifest costs what the new data costs; behind it lies the search."""

    to: str = "corpus_manifest"


@dg.op
def bring_corpus_up_to_date(context: dg.OpExecutionContext, config: Refresh, climb: Climb) -> None:
    """Do what `climb up --to` does: read, tokenise, embed and score the shards that changed, and count them."""
    claim_run(context.instance, context.run)
    with failing_plainly():
        update = bring_up_to_date(context.instance, climb, config.to, context.log.info)
    context.add_output_metadata({"partitions_materialised": update.made})


@dg.job(
    description="Bring the corpus up to date, materialising only what is stale.",
    tags={"climb/kind": "refresh"},
    executor_def=dg.in_process_executor,  # one step, which starts runs of its own in its process
)
def refresh_corpus() -> None:
    """Refresh the corpus; see `Refresh` for how far."""
    bring_corpus_up_to_date()


def renewal_job(group: str) -> dg.JobDefinition:
    """Return the job that asks for a group of kept assets to be made anew, as `climb renew` does."""

    @dg.op(name=f"ask_to_renew_{group}")
    def ask(context: dg.OpExecutionContext, climb: Climb) -> None:
        claim_run(context.instance, context.run)
        with failing_plainly():
            context.add_output_metadata({"generation": renew(climb.store, group)})

    @dg.job(
        name=f"renew_{group}",
        description=f"Ask for another {group}, made from the corpus as it is; the next `climb up` makes it.",
        executor_def=dg.in_process_executor,
    )
    def renew_group() -> None:
        ask()

    return renew_group


renewal_jobs = [renewal_job(group) for group in GROUPS]

search_job = dg.define_asset_job(
    "search", selection=dg.AssetSelection.assets(*SEARCH), description="All iterations of the search, as one run."
)

"""Jobs: named pieces of the graph that people and schedules start."""

from functools import partial

import dagster as dg

from climb_assets.config import Config
from climb_assets.errors import ConfigError
from climb_assets.graph.assets import SEARCH, ancestors
from climb_assets.graph.kept import GROUPS, LIVE, renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, StaleItem, make_plan
from dagster_project.assets import Climb
from dagster_project.dead_runs import claim_run
from dagster_project.renewal import for_a_person
from dagster_project.retries import failing_plainly
from dagster_project.run_tags import run_tags, tag_run
from dagster_project.update import bring_up_to_date

WITHOUT_DOMAINS, WITH_DOMAINS = "corpus_manifest", "taxonomy_drift"  # how far a refresh goes where there is no search


class RefreshConfig(dg.Config):
    """How far a refresh goes: to this asset; to the end, if a search stands and nothing of it has to be made anew."""

    to: str | None = None


@dg.op
def bring_corpus_up_to_date(context: dg.OpExecutionContext, config: RefreshConfig, climb: Climb) -> None:
    """Do what `climb up` does with the shards that changed, as far as that needs no search."""
    claim_run(context.instance, context.run)
    tag_run(context.instance, context.run, run_tags(climb.config, climb.store, ()))
    with failing_plainly():
        if config.to is None:
            _require_plan(context, climb)
        nearer = partial(before_a_search, climb.config) if config.to is None else lambda plan: None
        update = bring_up_to_date(context.instance, climb, config.to, context.log.info, nearer=nearer)
    context.add_output_metadata({"partitions_materialised": update.made, "moved": update.moved})


def _require_plan(context: dg.OpExecutionContext, climb: Materializer) -> None:
    """Check that the whole can be planned; the corpus is brought up to date before what is wrong beyond it is raised.

    Raises
    ------
    ConfigError
        A task or a file does not fit; a person has to look at it.
    """
    try:
        make_plan(climb)
    except ConfigError as error:
        context.log.warning(f"this refresh goes no farther than the corpus: {error}")
        bring_up_to_date(context.instance, climb, WITHOUT_DOMAINS, context.log.info)
        raise


def before_a_search(config: Config, plan: Plan) -> str | None:
    """Return how far a plan may be followed, up to what a person has to ask for; None: to its end."""
    missing = for_a_person(config, of_search(plan))
    if not missing:
        return None
    return WITHOUT_DOMAINS if {item.asset for item in missing} & ancestors(WITH_DOMAINS, config) else WITH_DOMAINS


def of_search(plan: Plan) -> list[StaleItem]:
    """Return what a plan has of a search: what is kept and is to be made anew, and what follows from that alone."""
    return [item for item in plan.stale if item.asset not in LIVE]


@dg.job(
    description="Bring the corpus up to date, and with it answer, data set and audit, materialising only what is "
    "stale. It begins no search, unless taxonomy.renew is auto; an answer that today's supply no longer allows is "
    "confirmed anew, with target models on it.",
    tags={"climb/kind": "refresh"},
    executor_def=dg.in_process_executor,  # one step, which starts runs of its own in its process
)
def refresh_corpus() -> None:
    """Refresh the corpus; see `RefreshConfig` for how far."""
    bring_corpus_up_to_date()


def renewal_job(group: str) -> dg.JobDefinition:
    """Return the job that asks for a group of kept assets to be made anew, as `climb renew` does."""

    @dg.op(name=f"ask_to_renew_{group}")
    def ask(context: dg.OpExecutionContext, climb: Climb) -> None:
        claim_run(context.instance, context.run)
        tag_run(context.instance, context.run, run_tags(climb.config, climb.store, ()))
        with failing_plainly():
            context.add_output_metadata({"generation": renew(climb.store, group)})

    @dg.job(
        name=f"renew_{group}",
        description=f"Ask for another {group}, made from the corpus as it is, and all behind it; `climb up` makes it.",
        executor_def=dg.in_process_executor,
    )
    def renew_group() -> None:
        ask()

    return renew_group


renewal_jobs = [renewal_job(group) for group in GROUPS]

search_job = dg.define_asset_job(
    "search", selection=dg.AssetSelection.assets(*SEARCH), description="All iterations of the search, as one run."
)

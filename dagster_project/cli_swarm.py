"""`climb export-swarm`: the mixtures that a search has measured, for others to learn from.

What belongs here: arguments and printing. The layout is `climb_assets.search.swarm_table`.
"""

from pathlib import Path

import click

from climb_assets.errors import MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.store.artifacts import Artifact
from dagster_project.cli_options import notice, require_outside, stale_option
from dagster_project.generations import Generations, look_at_generations, require_current
from dagster_project.private_files import load_privately


@click.command("export-swarm", epilog="Example: climb export-swarm swarm/")
@click.argument("folder", type=click.Path(path_type=Path))
@stale_option
def export_swarm(folder: Path, stale_too: bool) -> None:
    """Write every measured mixture as ratios.csv and metrics.csv: for Olmix, or as search.evidence of a search.

    Beside them metric.json says by what they were measured, and a search that measures by something else refuses them.
    """
    from climb_assets.search.evidence import METRIC
    from climb_assets.search.history import History
    from climb_assets.search.search_state import deciding_tasks
    from climb_assets.search.swarm_table import write_swarm
    from climb_assets.store.artifacts import canonical_json
    from climb_assets.store.files import make_folder, write_atomically
    from climb_assets.store.locks import write_alone
    from climb_assets.tables import read_table
    from climb_assets.training.measurement import describe_metric

    materializer = Materializer(load_privately(notice=notice))
    config = materializer.config
    require_outside(folder, config)
    with materializer.store.in_use():
        generations = look_at_generations(materializer)
        state = _latest_state(materializer, generations)
        complaint = require_current(generations, [(state.asset, state.partition)], stale_too=stale_too)
        if config.proxy.trainer == "ask":
            complaint = complaint or "people have measured it, each task by a metric of theirs"
        version = state.manifest["inputs"].get("training_tokens")
        if version is None:
            raise MissingArtifact("this swarm is of an earlier version of climb; run `climb up`, then export it")
        searched = materializer.version_named("training_tokens", None, version)
        domains = read_table(searched.file("supply.parquet"), ["name"])["name"].to_pylist()
        history = History.load(state.file("history.parquet")).measured_here()
        metric = None if complaint else describe_metric(materializer, config.proxy, deciding_tasks(config), "search")
    with write_alone(folder) as place:
        make_folder(place)
        (place / METRIC).unlink(missing_ok=True)  # so that an earlier one never lies beside other losses
        write_swarm(place, history, domains)
        if metric is not None:
            write_atomically(place / METRIC, canonical_json(metric).encode())
    if metric is None:
        notice(f"{complaint}; so {METRIC} is left out: by what this was measured cannot be said")
    click.echo(f"{len(history.keys)} mixtures in {folder}")


def _latest_state(materializer: Materializer, generations: Generations) -> Artifact:
    """Return what is known after the latest iteration of the generation that is being made, as far as it has come."""
    made = [materializer.store.current("predictor_state", key) for key in iteration_keys(materializer.config)]
    states = [state for state in made if state is not None]
    if not states:
        raise MissingArtifact("no iteration is finished, so there is no swarm to write; run `climb up` first")
    current = [state for state in states if generations.state_of(state.asset, state.partition) == "current"]
    return (current or states)[-1]

"""The evidence: rows that a search begins with, the user's and those that were carried over a renewal.

What belongs here: reading them out of tables and artefacts. How far they are believed is `climb_assets.search.trust`.
"""

from collections.abc import Mapping

from climb_assets.config import Config
from climb_assets.errors import ClimbError
from climb_assets.graph.materializer import Materializer
from climb_assets.search.history import History
from climb_assets.search.search_state import Space, deciding_tasks
from climb_assets.search.swarm_table import as_history, read_swarm


def read_evidence(climb: Materializer, space: Space) -> History:
    """Return the rows that a search begins with: those of `search.evidence`, and those of earlier generations.

    A mixture that both have counts as the user's.

    Raises
    ------
    ConfigError, ComputeError
        The swarm has other domains or lacks a task that decides.
    """
    tasks, folder = sorted(deciding_tasks(space.config)), space.config.search.evidence
    if folder is None:
        brought = History.empty(len(space.names), tasks)
    else:
        brought = as_history(read_swarm(folder, tasks), space.names, tasks)
    carried = climb.get("carried_evidence")
    if not carried.summary["rows"]:
        return brought
    return brought.followed_by(History.load(carried.file("history.parquet")))


def evidence_left_out(config: Config) -> Mapping[str, str]:
    """Return the runs of `search.evidence` that cannot be used, each with the reason."""
    folder = config.search.evidence
    return {} if folder is None else read_swarm(folder, sorted(deciding_tasks(config))).quarantined


def check_evidence(config: Config) -> None:
    """Check the runs that a search begins with, so that a wrong table is said before hours of work.

    Whether they are over the search's domains is known when there are domains: see `read_evidence`.

    Raises
    ------
    ConfigError, ComputeError
        The folder is no swarm table, lacks a task that decides, or has no run that can be used.
    """
    try:
        if config.search.evidence is not None:
            read_swarm(config.search.evidence, sorted(deciding_tasks(config)))
    except ClimbError as error:
        raise type(error)(f"search.evidence: {error}") from None

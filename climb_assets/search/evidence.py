"""The evidence: rows that a search begins with, the user's and those that were carried over a renewal.

What belongs here: reading them out of tables and artefacts. How far they are believed is `climb_assets.search.trust`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from climb_assets.config import Config
from climb_assets.errors import ClimbError, ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.search.history import History
from climb_assets.search.search_state import Space, deciding_tasks
from climb_assets.search.swarm_table import SUM_WITHIN, USERS, as_history, read_swarm
from climb_assets.simplex.mixtures import NEGLIGIBLE, FloatArray, normalise

DOMAINS, DOMAIN = "domains.csv", "domain"  # the map of a user's domains, and its column of names
METRIC = "metric.json"  # beside a swarm: for each task versions of what it was measured by, as `carried_evidence` has


def read_evidence(climb: Materializer, space: Space) -> History:
    """Return the rows that a search begins with: those of `search.evidence`, and those of earlier generations.

    A mixture that both have counts as the user's.

    Raises
    ------
    ConfigError, ComputeError
        The swarm has other domains, lacks a task that decides, or says that another metric measured one.
    """
    tasks, folder = sorted(deciding_tasks(space.config)), space.config.search.evidence
    carried = climb.get("carried_evidence")
    if folder is None:
        brought = History.empty(len(space.names), tasks)
    else:
        if (folder / METRIC).exists():
            require_metric(folder / METRIC, carried.json(METRIC))
        brought = bring_evidence(folder, space.names, tasks)
    if not carried.summary["rows"]:
        return brought
    return brought.followed_by(History.load(carried.file("history.parquet")))


def bring_evidence(folder: Path, domains: Sequence[str], tasks: Sequence[str]) -> History:
    """Return a user's runs as rows over the domains of a search.

    Where the folder holds ``domains.csv``, its runs are over other domains: a row for each of these, named in the
    column ``domain``, and a column for each of the search's with the share of its text that lies there. What is missing
    to 1 is text that the search does not have, and its weight in a run is that run's doubt.

    Parameters
    ----------
    domains, tasks
        Of the search; see `as_history`.

    Raises
    ------
    ConfigError, ComputeError
        The folder is no swarm table, lacks a task or a domain, or its map has a wrong number.
    """
    table, path = read_swarm(folder, tasks), folder / DOMAINS
    if not path.exists():
        return as_history(table, domains, tasks)
    found = table.weights @ read_domain_map(path, table.domains, domains)
    left = found.sum(axis=1)
    used = left > NEGLIGIBLE
    if not used.any():
        raise ComputeError(f"{path} leaves no run a domain of the search; correct its shares")
    losses = {task: table.metrics[task][used] for task in tasks}
    doubt = np.clip(1 - left[used], 0.0, 1.0)
    return History.of_evidence(USERS, normalise(found[used]), losses, doubt)


def read_metric(path: Path) -> dict[str, dict[str, str]] | None:
    """Return by what runs were measured, for each task; None where there is no such file beside them.

    Raises
    ------
    ComputeError
        The file is no such record.
    """
    if not path.exists():
        return None
    try:
        metric = json.loads(path.read_text(encoding="utf-8"))
        sound = isinstance(metric, dict) and all(isinstance(versions, dict) for versions in metric.values())
    except (OSError, ValueError):
        sound = False
    if not sound:
        raise ComputeError(f"{path} is no record of `climb export-swarm`; export the swarm again, or remove it")
    return dict(metric)


def require_metric(path: Path, metric: Mapping[str, Mapping[str, str]]) -> None:
    """Check that runs were measured as a search measures; where nothing says by what, they are taken.

    Parameters
    ----------
    path
        The file beside the runs; see `read_metric`.
    metric
        The same of the tasks of the search.

    Raises
    ------
    ComputeError
        The file is no such record, or something of a task is another than that of the search.
    """
    theirs = read_metric(path)
    if theirs is None:
        return
    for task, versions in metric.items():
        others = sorted(name for name in versions if theirs.get(task, {}).get(name) != versions[name])
        if others:
            raise ComputeError(
                f"search.evidence: {path} says that {task} was measured by another metric than this search has "
                f"(differs in: {', '.join(others)}); leave search.evidence out, or, if you hold the numbers "
                "comparable, remove that file"
            )


def read_domain_map(path: Path, earlier: Sequence[str], domains: Sequence[str] | None) -> FloatArray:
    """Return the share of each earlier domain that lies in each of the search's domains (D, E).

    Parameters
    ----------
    domains
        Of the search; None where they are not known yet, and any name may be one.

    Raises
    ------
    ComputeError
        The file is no such table, names another domain, lacks one, or has a row that is no shares.
    """
    import pyarrow as pa
    from pyarrow import csv

    try:
        table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types={DOMAIN: pa.string()}))
        columns = {name: table[name].cast(pa.float64()).to_numpy() for name in table.column_names if name != DOMAIN}
        rows = table[DOMAIN].to_pylist()
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise ComputeError(f"{path} is no table of shares with a column {DOMAIN!r} ({error}); correct it") from None
    domains = list(columns) if domains is None else domains
    unknown = sorted(set(columns) - set(domains)) or sorted(set(rows) - set(earlier))
    missing = sorted(set(earlier) - set(rows))
    if unknown or missing or len(rows) != len(set(rows)):
        what = (
            f"names {unknown[0]}, which is no domain" if unknown else f"lacks {(missing or rows)[0]}, or has it twice"
        )
        raise ComputeError(f"{path} {what}; give it a row for each domain of the runs, a column for each of the search")
    none = np.zeros(len(rows))
    shares = np.column_stack([columns.get(domain, none) for domain in domains])[[rows.index(name) for name in earlier]]
    if not np.isfinite(shares).all() or (shares < 0).any() or (shares.sum(axis=1) > 1 + SUM_WITHIN).any():
        raise ComputeError(f"{path} has a row that is no shares of 1; correct it")
    scaled: FloatArray = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    return scaled


def evidence_left_out(config: Config, domains: Sequence[str]) -> Mapping[str, str]:
    """Return the runs of `search.evidence` that cannot be used over the domains of a search, each with the reason."""
    folder = config.search.evidence
    if folder is None:
        return {}
    table = read_swarm(folder, sorted(deciding_tasks(config)))
    if not (folder / DOMAINS).exists():
        return table.quarantined
    left = (table.weights @ read_domain_map(folder / DOMAINS, table.domains, domains)).sum(axis=1)
    lost = [run for run, some in zip(table.runs, left > NEGLIGIBLE, strict=True) if not some]
    return {**table.quarantined, **dict.fromkeys(lost, "none of its text lies in a domain of the search")}


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
            read_metric(config.search.evidence / METRIC)
            table = read_swarm(config.search.evidence, sorted(deciding_tasks(config)))
            if (config.search.evidence / DOMAINS).exists():
                read_domain_map(config.search.evidence / DOMAINS, table.domains, None)
    except ClimbError as error:
        raise type(error)(f"search.evidence: {error}") from None

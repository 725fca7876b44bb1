"""Evidence that is carried over a renewal: what models of earlier generations say of the domains of today.

What belongs here: which kept models may speak, their losses on today's tasks, and where the documents that they were
trained on lie today. How a mixture is written over other domains is `climb_assets.simplex.transfer`; how far such a row
is believed is `climb_assets.search.trust`.

A model is measured again, on the tasks of the search that is to learn from it, so no two metrics meet. Its mixture is
known by documents: `documents.parquet` of the training tokens that it was trained on and of those of today.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets.graph.kept import GENERATION
from climb_assets.graph.materializer import Materializer
from climb_assets.search.history import History
from climb_assets.search.search_state import deciding_tasks
from climb_assets.simplex.mixtures import FloatArray, mixture_key
from climb_assets.simplex.transfer import Transfer
from climb_assets.store.artifacts import Artifact, Order, canonical_json
from climb_assets.tables import read_table, write_rows
from climb_assets.training.measurement import IDENTITIES, conditions_of, score_models, training_data
from climb_assets.training.proxy_orders import MODELS, Proxy, ProxyOrders

TAXONOMY = "taxonomy_generation"  # a fact of training tokens: the generation of the domains that they are of
MOST_DOUBT = 0.5  # a model of which more than half of the text lies elsewhere today says nothing of today's mixtures
OF_ITS_OWN = ("weights", "seed")  # what models of one training differ in

TRANSFERS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("earlier", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("share", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Carried:
    """What is carried over.

    Parameters
    ----------
    history
        A row for each mixture over today's domains, as of iteration 0.
    models
        The models behind them, in the form of `IDENTITIES`.
    transfers
        Where the text of each earlier domain lies today, in the form of `TRANSFERS`.
    left_out
        How many models of earlier generations are not among them, by reason.
    """

    history: History
    models: list[dict[str, Any]]
    transfers: list[dict[str, Any]]
    left_out: Mapping[str, int]


def carry_evidence(climb: Materializer) -> Carried:
    """Return what the kept models of earlier generations say of the domains of today; nothing without `search.carry`.

    Raises
    ------
    ConfigError, TransientError
        A task cannot be prepared, or a worker died twice.
    """
    tasks, today = deciding_tasks(climb.config), climb.get("training_tokens")
    domains = read_table(today.file("supply.parquet"), ["name"])["name"].to_pylist()
    history, left_out = History.empty(len(domains), sorted(tasks)), Counter[str]()
    models: list[dict[str, Any]] = []
    transfers: list[dict[str, Any]] = []
    for source, snapshot, those in _earlier_models(climb, today, left_out) if climb.config.search.carry else ():
        losses = score_models(climb, those, climb.config.proxy, tasks, "search", f"models of {source}")
        earlier = read_table(snapshot.file("supply.parquet"), ["name"])["name"].to_pylist()
        transfer = count_transfer(
            snapshot.file("documents.parquet"), today.file("documents.parquet"), len(earlier), len(domains)
        )
        weights, doubt = transfer.express(np.array([model.manifest["config"]["weights"] for model in those]))
        finite = np.isfinite([list(by_task.values()) for by_task in losses]).all(axis=1)
        near = doubt <= MOST_DOUBT
        left_out["without a finite loss"] += int((~finite).sum())
        left_out["more than half of its text lies elsewhere today"] += int((finite & ~near).sum())
        kept = np.flatnonzero(finite & near).tolist()
        of_task = {task: np.array([losses[row][task] for row in kept]) for task in tasks}
        rows = History.of_evidence(source, weights[kept], of_task, doubt[kept])
        history = history.followed_by(rows)
        models += _identify(those, weights, kept)
        transfers += [
            {"source": source, "earlier": old, "domain": new, "share": float(transfer.shares[row, column])}
            for row, old in enumerate(earlier)
            for column, new in enumerate(domains)
            if transfer.shares[row, column] > 0
        ]
    return Carried(history, models, transfers, {reason: count for reason, count in sorted(left_out.items()) if count})


def _identify(models: Sequence[Artifact], weights: FloatArray, kept: Sequence[int]) -> list[dict[str, Any]]:
    """Return the models of some rows, in the form of `IDENTITIES`: the models of one mixture are numbered."""
    seen: Counter[str] = Counter()
    identities = []
    for row in kept:
        key, model = mixture_key(weights[row]), models[row]
        identity = {"fingerprint": model.fingerprint, "data_version": model.data_version}
        identities.append({"key": key, "repeat": seen[key]} | identity)
        seen[key] += 1
    return identities


def write_carried(carried: Carried, out: Path) -> None:
    """Write the rows, the models behind them and where the text of earlier domains lies."""
    carried.history.save(out / "history.parquet")
    write_rows(out / "models.parquet", carried.models, IDENTITIES)
    write_rows(out / "transfers.parquet", carried.transfers, TRANSFERS)


def count_transfer(before: Path, now: Path, earlier: int, domains: int) -> Transfer:
    """Return where the text of earlier domains lies today, by the documents of two searches.

    Cells are the clusters of today.

    Parameters
    ----------
    before, now
        ``documents.parquet`` of the training tokens of then and of today.
    earlier, domains
        How many domains there were and are.
    """
    import duckdb

    with duckdb.connect() as database:
        paths = {"before": str(before), "now": str(now)}
        moved = database.execute(
            """
            SELECT b.domain AS earlier, n.domain, n.cluster, sum(b.tokens)::DOUBLE AS tokens
            FROM read_parquet($before, hive_partitioning = false) b
            LEFT JOIN read_parquet($now, hive_partitioning = false) n USING (id) GROUP BY ALL
            """,
            paths,
        ).fetchall()
        there = database.execute(
            """
            SELECT domain, cluster, sum(tokens)::DOUBLE AS tokens
            FROM read_parquet($now, hive_partitioning = false) GROUP BY ALL
            """,
            {"now": str(now)},
        ).fetchall()
    cell_of = {cluster: cell for cell, cluster in enumerate(sorted({cluster for _, cluster, _ in there}))}
    total, shares = np.zeros(earlier), np.zeros((earlier, domains))
    spread, held = np.zeros((earlier, len(cell_of))), np.zeros((domains, len(cell_of)))
    for old, domain, cluster, tokens in moved:
        total[old] += tokens
        if domain is not None:
            shares[old, domain] += tokens
            spread[old, cell_of[cluster]] += tokens
    for domain, cluster, tokens in there:
        held[domain, cell_of[cluster]] += tokens
    return Transfer(shares / total[:, None], spread / total[:, None], held / held.sum(axis=1, keepdims=True))


def _earlier_models(
    climb: Materializer, today: Artifact, left_out: Counter[str]
) -> list[tuple[str, Artifact, list[Artifact]]]:
    """Return the training tokens of earlier generations, by name, each with the models that may speak."""
    snapshots = {
        snapshot.data_version: snapshot
        for snapshot in climb.store.all_of("training_tokens")
        if _is_before(snapshot, today) and snapshot.data_version != today.data_version
    }
    if not snapshots:
        return []
    conditions = conditions_of(climb, climb.config.proxy)
    asked = ProxyOrders(training_data(climb), conditions, climb.config.proxy, {}, Proxy(())).of_model()
    found: dict[str, list[Artifact]] = {}
    for model in climb.store.all_of(MODELS):
        version = model.manifest["inputs"]["training_tokens"]
        if version not in snapshots:
            continue
        reason = _why_not(model, snapshots[version], asked, climb.get("tokenizer").data_version)
        if reason is None:
            found.setdefault(version, []).append(model)
        else:
            left_out[reason] += 1
    named = sorted((_name(snapshots[version]), version) for version in found)
    if len({name for name, _ in named}) < len(named):
        named = sorted((f"{name} ({version[:8]})", version) for name, version in named)
    return [(name, snapshots[version], found[version]) for name, version in named]


def _generations(snapshot: Artifact) -> tuple[int, int]:
    return int(snapshot.summary[TAXONOMY]), int(snapshot.manifest["config"][GENERATION])


def _is_before(snapshot: Artifact, today: Artifact) -> bool:
    """Return whether a renewal lies between: settings and code begin anew, so that who goes back finds all again."""
    if TAXONOMY not in snapshot.summary or "documents.parquet" not in snapshot.manifest["files"]:
        return False  # made before searches told of their documents
    earlier, now = _generations(snapshot), _generations(today)
    return earlier != now and earlier[0] <= now[0] and earlier[1] <= now[1]


def _name(snapshot: Artifact) -> str:
    taxonomy, search = _generations(snapshot)
    return f"taxonomy {taxonomy}, search {search}"


def _why_not(model: Artifact, snapshot: Artifact, asked: Order, tokenizer: str) -> str | None:
    """Return why a model may not speak, None where it may."""
    made = model.manifest
    if not model.is_complete():
        return "incomplete"
    if snapshot.manifest["inputs"]["tokenizer"] != tokenizer:
        return "of another tokenizer"
    if _training(made["config"]) != _training(asked.config) or made["inputs"].get("start") != asked.inputs.get("start"):
        return "of another training than the proxies of today"
    if made["code"] != dict(asked.code):
        return "of other training code"
    return "diverged" if model.summary["diverged"] else None


def _training(config: Mapping[str, Any]) -> str:
    supply = {name: value for name, value in config.get("supply", {}).items() if name != "seed"}
    return canonical_json(
        {name: value for name, value in config.items() if name not in OF_ITS_OWN} | {"supply": supply}
    )

"""Evidence that is carried over a renewal: what models of earlier generations say of the domains of today.

What belongs here: which kept models may speak, their losses on today's tasks, and where the documents that they were
trained on lie today. How a mixture is written over other domains is `climb_assets.simplex.transfer`; how far such a row
is believed is `climb_assets.search.trust`.

A model is measured again, on the tasks of the search that is to learn from it, so no two metrics meet. Its mixture is
known by documents: those of the training tokens that it was trained on, and those of today.
"""

import json
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
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.simplex.transfer import Transfer
from climb_assets.store.artifacts import Artifact, Order, canonical_json
from climb_assets.tables import read_table, write_rows
from climb_assets.training.measurement import IDENTITIES, conditions_of, score_models, training_data
from climb_assets.training.proxy_orders import MODELS, Proxy, ProxyOrders

TAXONOMY = "taxonomy_generation"  # a fact of training tokens: the generation of the domains that they are of
MOST_HELD_OUT = 0.01  # share of the documents held out today that a model may have been trained on
TOKENS_GONE = "of training tokens that are gone"
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

    Where two generations have one mixture, the later one counts.

    Raises
    ------
    ConfigError, TransientError
        A task cannot be prepared, or a worker died twice.
    """
    tasks, today = deciding_tasks(climb.config), climb.get("training_tokens")
    domains = _domain_names(today)
    history, left_out = History.empty(len(domains), sorted(tasks)), Counter[str]()
    models: list[dict[str, Any]] = []
    transfers: list[dict[str, Any]] = []
    earlier = find_earlier_models(climb, today, left_out) if climb.config.search.carry else []
    now = read_documents(climb, today).join(read_clusters(climb, today), "id") if earlier else None
    for source, snapshot, those in earlier:
        assert now is not None, "the documents of today are read where there are earlier models"
        before, names = read_documents(climb, snapshot), _domain_names(snapshot)
        known = share_held_out(before, read_table(today.file("evaluation.parquet"), ["id", "split"]))
        if known > MOST_HELD_OUT:
            left_out["has read text that is held out today"] += len(those)
            continue
        losses = score_models(climb, those, climb.config.proxy, tasks, "search", f"models of {source}")
        transfer = count_transfer(before, now, len(names), len(domains))
        weights, doubt = transfer.express(np.array([model.manifest["config"]["weights"] for model in those]))
        finite = np.isfinite([list(by_task.values()) for by_task in losses]).all(axis=1)
        near, keys = doubt <= MOST_DOUBT, [mixture_key(mixture) for mixture in weights]
        later = np.array([key in set(history.keys) for key in keys])
        left_out["without a finite loss"] += int((~finite).sum())
        left_out["more than half of its text lies elsewhere today"] += int((finite & ~near).sum())
        left_out["of a mixture that a later generation has too"] += int((finite & near & later).sum())
        kept = np.flatnonzero(finite & near & ~later).tolist()
        of_task = {task: np.array([losses[row][task] for row in kept]) for task in tasks}
        history = history.followed_by(History.of_evidence(source, weights[kept], of_task, doubt[kept]))
        models += _identify([those[row] for row in kept], [keys[row] for row in kept])
        transfers += [
            {"source": source, "earlier": old, "domain": new, "share": float(transfer.shares[row, column])}
            for row, old in enumerate(names)
            for column, new in enumerate(domains)
            if transfer.shares[row, column] > 0
        ]
    return Carried(history, models, transfers, {reason: count for reason, count in sorted(left_out.items()) if count})


def _domain_names(snapshot: Artifact) -> list[str]:
    names: list[str] = read_table(snapshot.file("supply.parquet"), ["name"])["name"].to_pylist()
    return names


def _identify(models: Sequence[Artifact], keys: Sequence[str]) -> list[dict[str, Any]]:
    """Return models in the form of `IDENTITIES`: those of one mixture are numbered."""
    seen: Counter[str] = Counter()
    identities = []
    for model, key in zip(models, keys, strict=True):
        identity = {"fingerprint": model.fingerprint, "data_version": model.data_version}
        identities.append({"key": key, "repeat": seen[key]} | identity)
        seen[key] += 1
    return identities


def write_carried(carried: Carried, out: Path) -> None:
    """Write the rows, the models behind them and where the text of earlier domains lies."""
    carried.history.save(out / "history.parquet")
    write_rows(out / "models.parquet", carried.models, IDENTITIES)
    write_rows(out / "transfers.parquet", carried.transfers, TRANSFERS)


def read_documents(climb: Materializer, snapshot: Artifact) -> pa.Table:
    """Return the documents that a search trains on: id, domain and tokens, from its spans and the shards they lie in.

    Raises
    ------
    MissingArtifact
        A shard of it is gone.
    """
    import duckdb

    spans = np.load(snapshot.file("spans.npy"), allow_pickle=False)
    columns = dict(zip(("domain", "ordinal", "start", "tokens"), spans.T, strict=True))
    found = []
    with duckdb.connect() as database:
        database.register("span", pa.table({name: pa.array(column) for name, column in columns.items()}))
        for ordinal, entry in enumerate(json.loads(snapshot.file("shards.json").read_text(encoding="utf-8"))):
            shard = climb.version_named("tokenized_shards", entry["shard"], entry["tokens_version"])
            found.append(
                database.execute(
                    """
                    SELECT d.id, s.domain, s.tokens
                    FROM span s JOIN read_parquet($documents, hive_partitioning = false) d
                    ON s.ordinal = $ordinal AND s.start = d.start AND s.tokens = d.tokens WHERE d.tokens > 0
                    """,
                    {"ordinal": ordinal, "documents": str(shard.file("documents.parquet"))},
                ).to_arrow_table()
            )
    return pa.concat_tables(found)


def read_clusters(climb: Materializer, today: Artifact) -> pa.Table:
    """Return the cluster of each document of the shards of a search: id and cluster.

    Of a document that has changed since there is none.
    """
    shards = {entry["shard"] for entry in json.loads(today.file("shards.json").read_text(encoding="utf-8"))}
    listed = [shard for shard in climb.listing().shards if shard in shards]
    tables = [
        read_table(climb.get("cluster_assignments", shard).file("assignments.parquet"), ["id", "cluster"])
        for shard in listed
    ]
    return pa.concat_tables(tables)


def share_held_out(before: pa.Table, evaluation: pa.Table) -> float:
    """Return the share of the documents held out for the search today that an earlier one trained on."""
    import pyarrow.compute as pc

    held_out = evaluation.filter(pc.equal(evaluation["split"], "search_eval"))["id"]
    return float(pc.mean(pc.is_in(held_out, before["id"])).as_py() or 0.0) if len(held_out) else 0.0


def count_transfer(before: pa.Table, now: pa.Table, earlier: int, domains: int) -> Transfer:
    """Return where the text of earlier domains lies today, by the documents of two searches.

    Cells are the clusters of today within a domain.

    Parameters
    ----------
    before, now
        Their documents: id, domain and tokens; of those of today the cluster too, null where it is not known.
    earlier, domains
        How many domains there were and are.
    """
    import duckdb

    with duckdb.connect() as database:
        database.register("earlier", before)
        database.register("today", now)
        moved = database.execute(
            """
            SELECT b.domain AS earlier, n.domain, n.cluster, sum(b.tokens)::DOUBLE AS tokens
            FROM earlier b LEFT JOIN today n USING (id) GROUP BY ALL
            """
        ).fetchall()
        there = database.execute(
            "SELECT domain, cluster, sum(tokens)::DOUBLE AS tokens FROM today GROUP BY ALL"
        ).fetchall()
    cells = sorted({(domain, -1 if cluster is None else cluster) for domain, cluster, _ in there})
    cell_of = {cell: number for number, cell in enumerate(cells)}
    total, shares = np.zeros(earlier), np.zeros((earlier, domains))
    spread, held = np.zeros((earlier, len(cells))), np.zeros((domains, len(cells)))
    for old, domain, cluster, tokens in moved:
        total[old] += tokens
        if domain is not None:
            shares[old, domain] += tokens
            spread[old, cell_of[domain, -1 if cluster is None else cluster]] += tokens
    for domain, cluster, tokens in there:
        held[domain, cell_of[domain, -1 if cluster is None else cluster]] += tokens
    return Transfer(shares / total[:, None], spread / total[:, None], held / held.sum(axis=1, keepdims=True))


def find_earlier_models(
    climb: Materializer, today: Artifact, left_out: Counter[str]
) -> list[tuple[str, Artifact, list[Artifact]]]:
    """Return the training tokens of earlier generations, by name and the latest first, with the models that may speak.

    Parameters
    ----------
    left_out
        Is told how many may not, by reason.
    """
    snapshots = {
        snapshot.data_version: snapshot
        for snapshot in climb.store.all_of("training_tokens")
        if _is_before(snapshot, today) and snapshot.data_version != today.data_version
    }
    if not snapshots:
        return []
    conditions, tokenizer = conditions_of(climb, climb.config.proxy), climb.get("tokenizer").data_version
    asked = ProxyOrders(training_data(climb), conditions, climb.config.proxy, {}, Proxy(())).of_model()
    whole = {version: _is_whole(climb, snapshot) for version, snapshot in snapshots.items()}
    found: dict[str, list[Artifact]] = {}
    for model in climb.store.all_of(MODELS):
        version = model.manifest["inputs"]["training_tokens"]
        if version not in snapshots:
            continue
        reason = _why_not(model, snapshots[version], asked, tokenizer) or (None if whole[version] else TOKENS_GONE)
        if reason is None:
            found.setdefault(version, []).append(model)
        else:
            left_out[reason] += 1
    latest = sorted(found, key=lambda version: (_generations(snapshots[version]), version), reverse=True)
    names = Counter(_name(snapshots[version]) for version in latest)
    return [
        (
            _name(snapshots[version]) + (f" ({version[:8]})" if names[_name(snapshots[version])] > 1 else ""),
            snapshots[version],
            found[version],
        )
        for version in latest
    ]


def _is_whole(climb: Materializer, snapshot: Artifact) -> bool:
    """Return whether the documents of a search can still be told: `climb gc` leaves them while models are named."""
    entries = json.loads(snapshot.file("shards.json").read_text(encoding="utf-8"))
    found = (
        climb.store.with_data_version("tokenized_shards", entry["shard"], entry["tokens_version"]) for entry in entries
    )
    return all(artifact is not None for artifact in found)


def _generations(snapshot: Artifact) -> tuple[int, int]:
    """Return the generation of the domains that training tokens are of, and their own; the first did not tell."""
    return int(snapshot.summary.get(TAXONOMY, 1)), int(snapshot.manifest["config"].get(GENERATION, 1))


def _is_before(snapshot: Artifact, today: Artifact) -> bool:
    """Return whether a renewal lies between: settings and code begin anew, so that who goes back finds all again."""
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

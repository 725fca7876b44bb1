"""Evidence that is carried over a renewal: what models of earlier generations say of the domains of today.

What belongs here: which kept models can be carried, and their losses on today's tasks. Where the documents that they
were trained on lie today is `carried_documents`, how a mixture is written over other domains
`climb_assets.simplex.transfer`, and how far such a row is believed `climb_assets.search.trust`.

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
from climb_assets.training.carried_documents import count_transfer, read_clusters, read_documents, share_held_out
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
class EarlierModels:
    """The models of one earlier search that can be carried.

    Parameters
    ----------
    source
        The name of that search.
    snapshot
        Its training tokens.
    """

    source: str
    snapshot: Artifact
    models: list[Artifact]


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
    left_out: Counter[str]


def carry_evidence(climb: Materializer, folder: Path) -> Carried:
    """Return what the kept models of earlier generations say of the domains of today; nothing without `search.carry`.

    Nothing either where a trainer of the user's measures its models, since those cannot be measured again.

    Where two generations have one mixture, the later one counts.

    Parameters
    ----------
    folder
        Where what does not fit into memory may be put down.

    Raises
    ------
    ConfigError, TransientError
        A task cannot be prepared, or a worker died twice.
    """
    tasks, today = deciding_tasks(climb.config), climb.get("training_tokens")
    domains = _domain_names(today)
    nothing = History.empty(len(domains), sorted(tasks))
    if not climb.config.search.carry or climb.config.proxy.measured_by_trainer:
        return Carried(nothing, [], [], Counter())
    earlier, left_out = find_earlier_models(climb, today)
    if not earlier:
        return Carried(nothing, [], [], left_out)
    everyone = [model for generation in earlier for model in generation.models]
    losses = score_models(climb, everyone, climb.config.proxy, tasks, "search", "models of earlier generations")
    losses_of = {model.fingerprint: by_task for model, by_task in zip(everyone, losses, strict=True)}
    now = read_documents(climb, today, folder).join(read_clusters(climb, today), "id")
    held_out = read_table(today.file("evaluation.parquet"), ["id", "split"])
    carried = Carried(nothing, [], [], left_out)
    for generation in earlier:
        before = read_documents(climb, generation.snapshot, folder)
        if share_held_out(before, held_out) > MOST_HELD_OUT:
            carried.left_out["has read text that is held out today"] += len(generation.models)
            continue
        transfer = count_transfer(before, now, len(_domain_names(generation.snapshot)), len(domains), folder)
        carried = _add(carried, generation, transfer, losses_of, domains)
    return carried


def _add(
    carried: Carried,
    generation: EarlierModels,
    transfer: Transfer,
    losses_of: Mapping[str, Mapping[str, float]],
    domains: Sequence[str],
) -> Carried:
    """Return what is carried with the models of one more generation, an earlier one.

    Parameters
    ----------
    losses_of
        Of each model, by fingerprint, the loss of each task.
    """
    models, source = generation.models, generation.source
    weights, doubt = transfer.express(np.array([model.manifest["config"]["weights"] for model in models]))
    losses = [losses_of[model.fingerprint] for model in models]
    keys, known = [mixture_key(mixture) for mixture in weights], set(carried.history.keys)
    kept = []
    for row, key in enumerate(keys):
        if not np.isfinite(list(losses[row].values())).all():
            carried.left_out["without a finite loss"] += 1
        elif doubt[row] > MOST_DOUBT:
            carried.left_out["more than half of its text lies elsewhere today"] += 1
        elif key in known:
            carried.left_out["of a mixture that a later generation has too"] += 1
        else:
            kept.append(row)
    of_task = {task: np.array([losses[row][task] for row in kept]) for task in carried.history.losses}
    rows = History.of_evidence(source, weights[kept], of_task, doubt[kept])
    transfers = [
        {"source": source, "earlier": old, "domain": new, "share": float(transfer.shares[row, column])}
        for row, old in enumerate(_domain_names(generation.snapshot))
        for column, new in enumerate(domains)
        if transfer.shares[row, column] > 0
    ]
    return Carried(
        carried.history.followed_by(rows),
        carried.models + _identify([models[row] for row in kept], [keys[row] for row in kept]),
        carried.transfers + transfers,
        carried.left_out,
    )


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


def find_earlier_models(climb: Materializer, today: Artifact) -> tuple[list[EarlierModels], Counter[str]]:
    """Return the models that can be carried, the latest generation first, and how many cannot, by reason."""
    left_out: Counter[str] = Counter()
    snapshots = {
        snapshot.data_version: snapshot
        for snapshot in climb.store.all_of("training_tokens")
        if _is_before(snapshot, today) and snapshot.data_version != today.data_version
    }
    if not snapshots:
        return [], left_out
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
        EarlierModels(
            _name(snapshots[version]) + (f" ({version[:8]})" if names[_name(snapshots[version])] > 1 else ""),
            snapshots[version],
            found[version],
        )
        for version in latest
    ], left_out


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
    """Return why a model cannot be carried, None where it can."""
    made = model.manifest
    if not model.is_complete():
        return "incomplete"
    if snapshot.manifest["inputs"]["tokenizer"] != tokenizer:
        return "of another tokenizer"
    if _training(made["config"]) != _training(asked.config) or _origin(made["inputs"]) != _origin(asked.inputs):
        return "of another training than the proxies of today"
    if made["code"] != dict(asked.code):
        return "of other training code"
    return "diverged" if model.summary["diverged"] else None


def _origin(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return what a model goes on from, and the files of a trainer of the user's: its inputs beside the text."""
    return {name: version for name, version in inputs.items() if name != "training_tokens"}


def _training(config: Mapping[str, Any]) -> str:
    supply = {name: value for name, value in config.get("supply", {}).items() if name != "seed"}
    return canonical_json(
        {name: value for name, value in config.items() if name not in OF_ITS_OWN} | {"supply": supply}
    )

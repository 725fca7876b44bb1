"""Measurement: from mixtures to trained and measured models, over the artefacts of the lake.

What belongs here: preparing the tasks, opening the training index at the versions that were counted, and handing
proxies to the swarm. The search and the target comparison measure their mixtures here, in the same way.
"""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from climb_assets.config_tasks import ChoiceTask, HarnessTask, Task, TextTask
from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training
from climb_assets.environment import counted, harness_version
from climb_assets.errors import ComputeError
from climb_assets.graph.code_identity import code_of
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import environment_of
from climb_assets.graph.training_settings import training_precision
from climb_assets.search.item_sampling import TaskItems
from climb_assets.store.artifacts import Artifact, Draft, Order, canonical_json, sha256_file, sha256_text
from climb_assets.store.files import write_atomically
from climb_assets.tables import read_table, write_rows
from climb_assets.training.proxy_orders import (
    Conditions,
    PreparedTask,
    Proxy,
    ProxyOrders,
    TrainingData,
    scoring_code,
    training_code,
)
from climb_assets.training.realised_shares import require_shares
from climb_assets.training.swarm import ProxyOutcome, Swarm
from climb_assets.training.task_sources import count_sources, require_sources
from climb_assets.training.tasks import Part, prepare_choice_task, prepare_text_task
from climb_assets.training.token_index import TrainingIndex, load_training_index
from climb_assets.training.told_models import take_told

TASKS = "proxy_tasks"
PREPARE = "climb_assets.training.measurement:_prepare"  # the code that prepared tasks answer for

RESULTS = pa.schema(  # one row for each task at the end of a training; of task_curves, one at each snapshot too
    [
        ("key", pa.string()),
        ("repeat", pa.int32()),
        ("task", pa.string()),
        ("tokens", pa.int64()),
        ("loss", pa.float64()),
        ("accuracy", pa.float64()),
        ("accuracy_norm", pa.float64()),
        ("gold_probability", pa.float64()),
        ("items", pa.int64()),
        ("diverged", pa.bool_()),
    ]
)
CURVES = pa.schema(
    [("key", pa.string()), ("repeat", pa.int32()), ("step", pa.int32()), ("tokens", pa.int64()), ("loss", pa.float64())]
)
REALISED = pa.schema(
    [
        ("key", pa.string()),
        ("repeat", pa.int32()),
        ("domain", pa.int32()),
        ("weight", pa.float64()),
        ("tokens", pa.int64()),
        ("epochs", pa.float64()),
    ]
)
IDENTITIES = pa.schema(
    [("key", pa.string()), ("repeat", pa.int32()), ("fingerprint", pa.string()), ("data_version", pa.string())]
)


def measure(
    materializer: Materializer,
    proxies: Sequence[Proxy],
    training: Training,
    tasks: Mapping[str, Task],
    part: Part,
    what: str,
) -> list[ProxyOutcome]:
    """Train and score each proxy that was not before; return the outcomes in the order of the proxies.

    Where people train them, what they have told is all there is.

    Parameters
    ----------
    part
        Which part of each task's items they are scored on.
    what
        Names the work where progress is shown.

    Raises
    ------
    ConfigError
        A task cannot be prepared, or one that is needed later names a source that the corpus lacks.
    ComputeError
        A model that did not diverge is not what was asked for, which would be a defect.
    WaitingForResults
        People train them, and have not told of all.
    """
    data = training_data(materializer)
    prepared = prepare_tasks(materializer, data, tasks, part)
    conditions = conditions_of(materializer, training)
    if training.trainer == "ask":
        asked = [ProxyOrders(data, conditions, training, prepared, proxy) for proxy in dict.fromkeys(proxies)]
        conditions = replace(conditions, told=take_told(materializer, asked, what))
    swarm = Swarm(materializer.store, data, conditions)
    outcomes = swarm.run(proxies, training, prepared, lambda done, total: materializer.progress(what, done, total))
    for outcome in outcomes:
        _require_sound(outcome, training)
    return outcomes


def score_models(
    materializer: Materializer,
    models: Sequence[Artifact],
    training: Training,
    tasks: Mapping[str, Task],
    part: Part,
    what: str,
) -> list[Mapping[str, float]]:
    """Score models that are kept, whatever they were trained on; return for each the loss of each task.

    Parameters
    ----------
    training
        What they were trained by.
    part, what
        See `measure`.

    Raises
    ------
    ConfigError
        See `measure`.
    """
    data = training_data(materializer)
    prepared = prepare_tasks(materializer, data, tasks, part)
    swarm = Swarm(materializer.store, data, conditions_of(materializer, training))
    return swarm.score(models, training, prepared, lambda done, total: materializer.progress(what, done, total))


def describe_metric(
    materializer: Materializer, training: Training, tasks: Mapping[str, Task], part: Part
) -> dict[str, dict[str, str]]:
    """Return for each task versions of what a model's loss on it is measured by; which model that is, is not told.

    They are those of its items, of the tokenizer, of the code that scores, and of the length of a sequence; where a
    trainer of the user's measures, of that too. Of a task
    of lm-evaluation-harness the items count by its settings, the harness' version and the files beside its YAML; data
    that it fetches elsewhere are not known.

    Raises
    ------
    ConfigError
        See `measure`.
    """
    shared = {
        "tokenizer": materializer.get("tokenizer").data_version,
        "code": sha256_text(canonical_json(dict(code_of(scoring_code(training))))),
        "sequence": str(training.sequence),
    }
    if training.measured_by_trainer:
        identity = [training.trained_by, _trainer_files(materializer, training)]
        shared |= {"trainer": sha256_text(canonical_json(identity))}
    prepared = prepare_tasks(materializer, training_data(materializer), tasks, part)
    return {name: {"items": _version_of_items(task)} | shared for name, task in sorted(prepared.items())}


def _version_of_items(task: PreparedTask) -> str:
    """Return a hash of a task's items; of what they are, since how a table is written differs with its library."""
    made = task.artifact
    if task.harness is not None:
        return sha256_text(canonical_json([made.manifest["config"], made.manifest["inputs"]]))
    items = read_table(made.file("items.parquet")).to_pydict()
    return sha256_text(canonical_json([items, sha256_file(made.file("tokens.npy"))]))


def prepare_tasks(
    materializer: Materializer, data: TrainingData, tasks: Mapping[str, Task], part: Part
) -> dict[str, PreparedTask]:
    """Return a part of each task, prepared now unless it is in the store.

    Raises
    ------
    ConfigError
        See `measure`.
    """
    index = load_training_index(data.folder, data.tokens)
    require_sources(materializer.config.tasks, count_sources(index.evaluation))
    return {name: _prepare(materializer, name, task, part, data.version, index) for name, task in tasks.items()}


def _require_sound(outcome: ProxyOutcome, training: Training) -> None:
    """Check that a model that did not diverge saw the shares that were asked for, and has numbers for losses."""
    if outcome.diverged:
        return
    require_shares(read_table(outcome.model.file("realised.parquet")), training, outcome.proxy.key)
    for tasks in outcome.points.values():
        for task, scores in tasks.items():
            if not math.isfinite(scores.loss):
                raise ComputeError(
                    f"the loss of {task} on mixture {outcome.proxy.key} is no number; please report this"
                )


def conditions_of(materializer: Materializer, training: Training) -> Conditions:
    """Return what all models of one training share."""
    tokenizer, config = materializer.get("tokenizer"), materializer.config
    environment = environment_of(training_code(training), config, training_precision)
    return Conditions(
        vocabulary=int(tokenizer.summary["vocabulary"]),
        tokenizer=tokenizer.file("tokenizer.json"),
        search_seed=config.search.seed,
        target_tokens=config.mixture.tokens,
        start=materializer.digest(training.start) if training.start is not None else None,
        train_code=code_of(training_code(training)),
        evaluate_code=code_of(scoring_code(training)),
        trainer_files=_trainer_files(materializer, training),
        environment=environment.record,
        counted=counted(environment, config.runtime.environment),
        runtime=config.runtime,
    )


def _trainer_files(materializer: Materializer, training: Training) -> dict[str, str]:
    """Return the versions of the files that decide what a trainer of the user's does, by their places."""
    named = training.trainer.named_files if isinstance(training.trainer, Trainer) else {}
    return {place: materializer.digest(path) for place, path in named.items()}


def training_data(materializer: Materializer) -> TrainingData:
    """Return the current training index with the token files of exactly the versions that it counted."""
    index = materializer.get("training_tokens")
    index.verify()
    tokens = {
        entry["shard"]: materializer.version_named("tokenized_shards", entry["shard"], entry["tokens_version"]).file(
            "tokens.npy"
        )
        for entry in json.loads(index.file("shards.json").read_text(encoding="utf-8"))
    }
    return TrainingData(index.data_version, index.path, tokens)


def _prepare(
    materializer: Materializer, name: str, task: Task, part: Part, version: str, index: TrainingIndex
) -> PreparedTask:
    """Return a part of a task, made from held-out documents or from a file; the harness prepares its own."""
    inputs: dict[str, str] = {}
    config = task.model_dump(mode="json", exclude={"path", "include"}) | {"part": part}
    if isinstance(task, TextTask):
        inputs["training_tokens"] = version
    elif isinstance(task, HarnessTask):
        if task.include is not None:
            inputs[f"file:task-{name}"] = materializer.digest(task.include)
        config |= {"lm_eval": harness_version()}
    else:
        inputs["tokenizer"] = materializer.get("tokenizer").data_version
        inputs[f"file:task-{name}"] = materializer.digest(task.path)
    order = Order(TASKS, name, inputs, config, _PREPARE_CODE)

    def write(draft: Draft) -> None:
        if isinstance(task, HarnessTask):
            identity = canonical_json([dict(order.config), dict(order.inputs), dict(order.code)])
            write_atomically(draft.path / "harness.json", identity.encode())
        elif isinstance(task, ChoiceTask):
            tokenizer = materializer.get("tokenizer").file("tokenizer.json")
            draft.summary |= prepare_choice_task(task, name, tokenizer, part, draft.path)
        else:
            draft.summary |= prepare_text_task(task, name, index, part, draft.path)

    artifact, _ = materializer.store.put(order, write)
    return PreparedTask(artifact, part, task if isinstance(task, HarnessTask) else None)


# What this process has imported: should the files change under it, the old code's work must not bear the new hash.
_PREPARE_CODE = code_of(PREPARE)


def items_of(outcomes: Iterable[ProxyOutcome]) -> dict[tuple[str, int], TaskItems]:
    """Return the losses of the items of each model, by mixture and repeat."""
    return {(outcome.proxy.key, outcome.proxy.repeat): outcome.items for outcome in outcomes}


def summarise_outcomes(outcomes: Sequence[ProxyOutcome], training: Training, what: str) -> dict[str, int]:
    """Return how many proxies there are, how many of them diverged, and the tokens each was to see.

    Raises
    ------
    ComputeError
        Every proxy of `what` diverged.
    """
    diverged = sum(outcome.diverged for outcome in outcomes)
    if outcomes and diverged == len(outcomes):
        raise ComputeError(f"every proxy of {what} diverged; lower its learning rate")
    tokens = training.trained_tokens
    return {"proxies": len(outcomes), "diverged": diverged, "tokens_per_proxy": tokens}


def write_identities(outcomes: Iterable[ProxyOutcome], out: Path) -> None:
    """Write which models an artefact rests on into its folder: what lineage, garbage collection and audit go by.

    Models of several settings may have one mixture and one repeat; the fingerprint tells them apart.
    """
    rows = [
        {"key": one.proxy.key, "repeat": one.proxy.repeat}
        | {"fingerprint": one.model.fingerprint, "data_version": one.model.data_version}
        for one in outcomes
    ]
    write_rows(out / "models.parquet", rows, IDENTITIES)


def write_outcomes(outcomes: Collection[ProxyOutcome], out: Path) -> None:
    """Write results, loss curves, realised tokens and the models' identities of a swarm into a folder."""
    tables: dict[str, list[dict]] = {"results": [], "task_curves": [], "curves": [], "realised": []}
    for outcome in outcomes:
        who = {"key": outcome.proxy.key, "repeat": outcome.proxy.repeat}
        for tokens, tasks in sorted(outcome.points.items()):
            rows = [
                who | {"task": task, "tokens": tokens, **vars(scores), "diverged": outcome.diverged}
                for task, scores in sorted(tasks.items())
            ]
            tables["task_curves"] += rows
        tables["results"] += rows
        for name in ("curve", "realised"):
            rows = read_table(outcome.model.file(f"{name}.parquet")).to_pylist()
            tables["curves" if name == "curve" else name] += [who | row for row in rows]
    schemas = {"results": RESULTS, "task_curves": RESULTS, "curves": CURVES, "realised": REALISED}
    for name, schema in schemas.items():
        write_rows(out / f"{name}.parquet", tables[name], schema)
    write_identities(outcomes, out)

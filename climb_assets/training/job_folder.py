"""The job of a trainer that is not climb's: what it is handed, as files that need nothing of climb to be read.

What belongs here: the layout of the folder and of ``job.json``, which docs/trainer.md tells users. How a command is
run on it is `command_training`, what it gives back `reported`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from climb_assets.config_trainer import Trainer
from climb_assets.corpus.frozen_tokenizer import end_token, load_tokenizer
from climb_assets.environment import resolve_device
from climb_assets.executor.capacity import thread_count
from climb_assets.simplex.apportionment import apportion
from climb_assets.store.artifacts import Artifact, canonical_json
from climb_assets.store.files import make_folder, write_array, write_atomically
from climb_assets.tables import read_table
from climb_assets.training.domain_tokens import documents_file, tokens_file
from climb_assets.training.proxy_orders import PreparedTask, ProxyOrders

FORMAT = 1
REQUESTS = ("item", "gold", "start", "context", "length", "bytes", "characters")  # columns of a task's requests


@dataclass(frozen=True)
class Job:
    """The places of one job.

    Parameters
    ----------
    folder
        Where all of it lies; it stays over attempts, and when a process dies.
    domains
        Names of the domains (K).
    supply
        Tokens in the file of each domain (K,).
    """

    folder: Path
    domains: tuple[str, ...]
    supply: np.ndarray

    @property
    def description(self) -> Path:
        """What the command is given the path of."""
        return self.folder / "job.json"

    @property
    def metrics(self) -> Path:
        """Where the command writes what it has measured."""
        return self.folder / "metrics.json"

    @property
    def model(self) -> Path:
        """Where the command may write a Hugging Face folder."""
        return self.folder / "model"

    @property
    def checkpoints(self) -> Path:
        """The command's own folder: what it finds there when it is run again is what it left."""
        return self.folder / "checkpoints"


def write_job(folder: Path, orders: ProxyOrders, trainer: Trainer, tokens: Artifact) -> Job:
    """Write the folder of a job: ``job.json``, and of each task what it consists of.

    Parameters
    ----------
    tokens
        The token files of the domains; see `domain_tokens`.
    """
    conditions, training, made = orders.conditions, orders.training, orders.of_model().config
    names = domain_names(orders.data.folder)
    job = Job(folder, names, np.array(tokens.summary["tokens"], dtype=np.int64))
    make_folder(job.checkpoints)
    total = training.trained_tokens
    wanted = apportion(np.array(orders.proxy.weights) * total, total).tolist()
    elsewhere = {"trainer", "start", "size", "snapshots", "tokens", "sequence"}
    described = {
        "format": FORMAT,
        "mixture": orders.proxy.key,
        "repeat": orders.proxy.repeat,
        "seed": made["seed"],
        "tokens": total,
        "sequence": training.sequence,
        "training": training.model_dump(mode="json", exclude=elsewhere) | orders.widths(),
        **describe_beginning(orders),
        "domains": [
            {
                "number": number,
                "name": name,
                "weight": orders.proxy.weights[number],
                "tokens": wanted[number],
                "text": _describe_array(tokens.file(tokens_file(number))),
                "documents": _describe_array(tokens.file(documents_file(number))),
            }
            for number, name in enumerate(names)
        ],
        "tasks": [_write_task(folder, name, task, trainer) for name, task in sorted(orders.tasks.items())],
        "score": trainer.scored_by == "trainer",
        "limits": {
            "seconds": trainer.seconds,
            "attempts": trainer.attempts,
            "threads": thread_count(),
            "device": resolve_device(conditions.runtime.device),
        },
        "out": {"metrics": str(job.metrics), "model": str(job.model), "checkpoints": str(job.checkpoints)},
    }
    write_atomically(job.description, canonical_json(described).encode())
    return job


def describe_beginning(orders: ProxyOrders) -> dict[str, Any]:
    """Return what a model goes on from, and its tokenizer, as those are told who train it."""
    start, conditions = orders.training.start, orders.conditions
    end = end_token(load_tokenizer(conditions.tokenizer))
    return {
        "start": None if start is None else str(start),
        "tokenizer": {"path": str(conditions.tokenizer), "vocabulary": conditions.vocabulary, "end": end},
    }


def domain_names(training_tokens: Path) -> tuple[str, ...]:
    """Return the names of the domains (K) of some training tokens, given their folder."""
    return tuple(read_table(training_tokens / "supply.parquet", ["name"])["name"].to_pylist())


def _write_task(folder: Path, name: str, task: PreparedTask, trainer: Trainer) -> dict[str, Any]:
    """Describe a task, its requests as an int64 array (requests, 7); those of the harness' tasks are the harness'."""
    described = {"name": name, "metric": trainer.metrics.get(name, name), "part": task.part}
    if task.harness is not None:
        return described | {"harness": task.harness.model_dump(mode="json")}
    table = read_table(task.artifact.file("items.parquet"), list(REQUESTS))
    requests = np.stack([table[column].cast(pa.int64()).fill_null(0).to_numpy() for column in REQUESTS], axis=1)
    path = folder / f"task-{name}.npy"
    write_array(path, requests)
    return described | {
        "text": _describe_array(task.artifact.file("tokens.npy")),
        "requests": _describe_array(path) | {"columns": REQUESTS},
    }


def _describe_array(path: Path) -> dict[str, Any]:
    """Return what a program needs to read an npy file without NumPy: the type, the shape, where the data begin."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    begin = path.stat().st_size - array.nbytes
    return {"path": str(path), "type": array.dtype.name, "shape": list(array.shape), "skip_bytes": begin}

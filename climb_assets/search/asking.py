"""Ask: what a search waits for, as files for whoever trains the models.

What belongs here: the folder that `climb ask` writes, whose layout docs/trainer.md tells. What is taken back is
`telling`.
"""

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from climb_assets.errors import ArgumentError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import TOLD
from climb_assets.search.questions import Asked, Question, open_questions, read_questions
from climb_assets.search.swarm_table import METRICS, RATIOS
from climb_assets.simplex.mixtures import document_shares
from climb_assets.store.files import atomic_folder, make_folder
from climb_assets.store.local import LocalStore
from climb_assets.store.locks import write_alone
from climb_assets.store.store import Store

ID, COLUMNS = "run_id", ("mixture", "repeat", "seed")  # of both tables, before domains or tasks
DIVERGED = "diverged"
TOKENS, TASKS = "domain_tokens", "proxy_tasks"  # the artefacts of the domains' token files, and of prepared tasks

Place = tuple[str, str | None, str]  # an asset, its partition and the data version


def ask(climb: Materializer, out: Path | None = None, *, copy: bool = False) -> list[Asked]:
    """Return the questions that nobody has answered yet, and write them into a folder that must not be there yet.

    Parameters
    ----------
    out
        Folder to write; None: none is written.
    copy
        Whether the tokens of domains and tasks are copied into it, for another machine, rather than named where they
        lie in the lake. They always are where the lake is in a bucket, as its cache keeps nothing for days.

    Raises
    ------
    ArgumentError
        The folder is there, or is being written.
    """
    with climb.store.in_use():
        waiting = open_questions(read_questions(climb), climb.store.current(TOLD))
        if out is not None:
            _write(climb.store, waiting, out, copy=copy or not isinstance(climb.store, LocalStore))
        return waiting


def _write(store: Store, waiting: Sequence[Asked], out: Path, *, copy: bool) -> None:
    with write_alone(out) as place:
        if place.exists():
            raise ArgumentError(f"{place} is there already; name another folder, or move it away")
        with atomic_folder(place) as folder:
            _fill(store, waiting, folder, place, copy=copy)


def _fill(store: Store, waiting: Sequence[Asked], folder: Path, out: Path, *, copy: bool) -> None:
    """Write all files of the questions into an empty folder, which will be `out`."""
    questions = list({question.id: question for asked in waiting for question in asked.questions}.values())
    tasks = sorted({task for question in questions for task in question.tasks})
    domains = waiting[0].domains if waiting else ()
    _write_table(folder / RATIOS, domains, questions, lambda question: question.weights)
    _write_table(folder / METRICS, (*tasks, DIVERGED), questions, lambda question: ())
    places: dict[Place, str | None] = {}
    for place in dict.fromkeys(place for asked in waiting for place in _places(asked)):
        places[place] = _hand_out(store, place, folder, out, copy=copy)
    _write_json(folder / "questions.json", [_describe(asked, places) for asked in waiting])
    for question in questions:
        _write_blends(store, folder, question, domains)


def _places(asked: Asked) -> Iterator[Place]:
    """Yield the artefacts that models are to be trained and measured on."""
    yield from ((TOKENS, None, question.tokens_version) for question in asked.questions)
    yield from ((TASKS, name, version) for name, version in asked.task_versions.items())


def _describe(asked: Asked, places: Mapping[Place, str | None]) -> dict[str, Any]:
    """Return what ``questions.json`` says of the questions of one partition."""
    questions = [
        asdict(question) | {"tokens": places[TOKENS, None, question.tokens_version]} for question in asked.questions
    ]
    tasks = {name: places[TASKS, name, version] for name, version in asked.task_versions.items()}
    return asdict(asked) | {"questions": questions, "tasks": tasks}


def _hand_out(store: Store, place: Place, folder: Path, out: Path, *, copy: bool) -> str | None:
    """Return the folder of some tokens as it will be found; None where they are gone."""
    asset, partition, version = place
    artifact = store.with_data_version(asset, partition, version)
    if artifact is None or not copy:
        return None if artifact is None else str(artifact.folder())
    name = f"task-{partition}" if partition is not None else f"tokens-{version[:8]}"
    name += f"-{version[:8]}" if (folder / name).exists() else ""  # of a task that was asked with two parts
    (folder / name).mkdir()
    for file in artifact.manifest["files"]:
        shutil.copyfile(artifact.file(file), folder / name / file)
    return str(out / name)


def _write_table(path: Path, names: Sequence[str], questions: Iterable[Question], cells: Any) -> None:
    """Write one row a question: its id, which model it is, and then the cells, empty where there are none."""
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow([ID, *COLUMNS, *names])
    for question in questions:
        values = [repr(value) for value in cells(question)] or [""] * len(names)
        table.writerow([question.id, question.mixture, question.repeat, question.seed, *values])
    path.write_text(buffer.getvalue(), encoding="utf-8")


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def _write_blends(store: Store, folder: Path, question: Question, domains: Sequence[str]) -> None:
    """Write a mixture as frameworks read one; what weighs nothing is left out."""
    used = [(number, weight) for number, weight in enumerate(question.weights) if weight > 0]
    names, weights = [f"domain-{number:05d}" for number, _ in used], [weight for _, weight in used]
    blend = [f"{weight:.8f} {name}_text_document" for name, weight in zip(names, weights, strict=True)]
    make_folder(folder / "megatron")
    (folder / "megatron" / f"{question.id}.txt").write_text("\n".join(blend) + "\n", encoding="utf-8")
    of_folders = {"seed": question.seed, "weights": dict(zip(names, weights, strict=True))}
    _write_json(folder / "nanochat" / f"{question.id}.json", of_folders)
    interleaved = {
        "probabilities": _document_shares(store, question.tokens_version, names, weights),
        "seed": question.seed,
        "stopping_strategy": "all_exhausted",
    }
    _write_json(
        folder / "interleave_datasets" / f"{question.id}.json",
        {
            "datasets": names,
            "domains": [domains[number] for number, _ in used],
            "token_shares": weights,
            "options": interleaved,
        },
    )


def _document_shares(store: Store, version: str, names: Sequence[str], weights: Sequence[float]) -> list[float] | None:
    """Return with which probabilities to draw documents of domains by their weights; None where their tokens are gone.

    Parameters
    ----------
    version
        Data version of the domains' token files, which tell how long documents are.
    """
    files = store.with_data_version(TOKENS, None, version)
    if files is None:
        return None
    starts = [np.load(files.file(f"{name}.documents.npy"), mmap_mode="r") for name in names]
    shares = document_shares(weights, [len(one) - 1 for one in starts], [int(one[-1]) for one in starts])
    return [float(share) for share in shares]

"""Questions: models that people train and measure for a search, and what is known of each answer.

What belongs here: what a question and an answer are, and how the lake keeps them. What a user is handed of them is
`asking`, what is taken back `telling`; which models a search asks for is training's to say.

Each partition that waits keeps its questions as an artefact (`ASKED`); all answers there are make up another (`TOLD`),
which whatever rests on such models has among its inputs. So an answer that is corrected makes stale what rests on it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from climb_assets.graph.assets import SPEC, ancestors
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import TOLD
from climb_assets.store.artifacts import Artifact, Draft, Order, canonical_json, sha256_text
from climb_assets.store.files import write_atomically
from climb_assets.store.store import Store
from climb_assets.tables import read_table, write_rows

ASKED = "asked_proxies"  # one for each partition that waits or has waited
SEARCH = "training_tokens"  # what all models of a search share
BETWEEN = "."  # an asset and its partition
QUESTIONS, ANSWERS = "questions.json", "told.parquet"

ANSWER = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("mixture", pa.string(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("loss", pa.float64()),
        pa.field("diverged", pa.bool_(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Question:
    """One model to train and to measure.

    Parameters
    ----------
    id
        Its name: a hash of all that is asked for.
    mixture
        The mixture's hash.
    repeat, seed
        Which of the models of the mixture it is, and the seed that all models of this repeat share.
    weights
        Share of each domain (K).
    tasks
        What is to be measured on it.
    tokens_version
        Data version of the files of the domains' tokens that it is to be trained on.
    """

    id: str
    mixture: str
    repeat: int
    seed: int
    weights: tuple[float, ...]
    tasks: tuple[str, ...]
    tokens_version: str


@dataclass(frozen=True)
class Asked:
    """The questions of one partition.

    Parameters
    ----------
    what
        Names the work.
    domains
        Names of the domains (K).
    training
        What the models are to be trained by: tokens, sequence and the other settings of a training.
    part
        Which part of each task's items they are measured on.
    task_versions
        Data version of each task as the lake has prepared it.
    search
        Data version of the training tokens: the search that asks. Questions of another one are nobody's any more.
    """

    what: str
    domains: tuple[str, ...]
    training: Mapping[str, Any]
    part: str
    task_versions: Mapping[str, str]
    questions: tuple[Question, ...]
    search: str


@dataclass(frozen=True)
class Answer:
    """What came of one model: who says it, by which metric of each task, and the losses, unless it diverged."""

    question: Question
    diverged: bool
    losses: Mapping[str, float]
    by: str
    metric: Mapping[str, str]

    def rows(self) -> list[dict[str, Any]]:
        """Return it as the table keeps it."""
        asked = self.question
        who = {"id": asked.id, "mixture": asked.mixture, "repeat": asked.repeat, "by": self.by}
        return [
            who | {"task": task, "loss": self.losses.get(task), "diverged": self.diverged, "metric": self.metric[task]}
            for task in asked.tasks
        ]


def put_questions(store: Store, node: tuple[str, str | None], asked: Asked) -> None:
    """Keep the questions of a partition, in the place of those that it had."""
    text = canonical_json(asdict(asked))
    asset, partition = node
    place = asset if partition is None else f"{asset}{BETWEEN}{partition}"
    order = Order(ASKED, place, {}, {"questions": sha256_text(text)}, {})

    def write(draft: Draft) -> None:
        write_atomically(draft.path / QUESTIONS, text.encode())
        draft.summary |= {"what": asked.what, "questions": len(asked.questions)}

    artifact, _ = store.put(order, write)
    while not store.swap(ASKED, place, store.reference(ASKED, place), artifact.fingerprint):
        pass


def read_questions(climb: Materializer) -> list[Asked]:
    """Return the questions that today's search has asked, by partition, answered or not."""
    found = [climb.store.current(ASKED, place) for place in climb.store.partitions(ASKED) if _asks(climb, place)]
    snapshot = climb.store.current(SEARCH)
    search = "" if snapshot is None else snapshot.data_version
    asked = [read_asked(artifact) for artifact in found if artifact is not None]
    return [one for one in asked if one.search == search]


def _asks(climb: Materializer, place: str) -> bool:
    """Return whether a partition is of today's graph and has models that people train."""
    asset, partition = _node(place)
    return SPEC[asset].told(climb.config) and partition in climb.partitions(SPEC[asset])


def _node(place: str) -> tuple[str, str | None]:
    asset, _, partition = place.partition(BETWEEN)
    return asset, partition or None


def forget_questions_behind(climb: Materializer, asset: str, partition: str | None) -> None:
    """Forget what was asked by partitions that rest on one which asks now: they will ask anew."""
    for place in climb.store.partitions(ASKED):
        later, key = _node(place)
        dimension = SPEC[later].dimension
        if later == asset:
            behind = dimension == "iteration" and str(key) > str(partition)
        else:
            same = dimension != SPEC[asset].dimension or dimension == "iteration" or key == partition
            behind = same and asset in ancestors(later, climb.config)
        if behind:
            climb.store.forget(ASKED, place)


def read_asked(artifact: Artifact) -> Asked:
    """Read what `put_questions` wrote."""
    record = artifact.json(QUESTIONS)
    questions = [
        Question(**(one | {name: tuple(one[name]) for name in ("weights", "tasks")})) for one in record["questions"]
    ]
    return Asked(**(record | {"domains": tuple(record["domains"]), "questions": tuple(questions)}))


def read_answers(told: Artifact | None) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each answer, by the id of its question."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_table(told.file(ANSWERS)).to_pylist() if told is not None else []:
        rows.setdefault(row["id"], []).append(row)
    return rows


def open_questions(asked: Iterable[Asked], told: Artifact | None) -> list[Asked]:
    """Return the questions that nobody has answered; partitions without one are left out."""
    answered = read_answers(told)
    left = [(one, tuple(question for question in one.questions if question.id not in answered)) for one in asked]
    return [replace(one, questions=questions) for one, questions in left if questions]


def put_answers(store: Store, before: Artifact | None, answers: Iterable[Answer], table: str) -> bool:
    """Add answers to those that there are, in the place of earlier ones to the same questions, at once or not at all.

    Parameters
    ----------
    before
        The answers that they were checked against.
    table
        Hash of the file that they were told by.

    Returns
    -------
    Whether they were added. Where they were not, somebody else has told something meanwhile.
    """
    new = {answer.question.id: answer.rows() for answer in answers}
    rows = [row for own in (read_answers(before) | new).values() for row in own]
    rows.sort(key=lambda row: (row["id"], row["task"]))
    inputs = (dict(before.manifest["inputs"]) if before is not None else {}) | {f"table:{table[:16]}": table}
    order = Order(TOLD, None, inputs, {"answers": sha256_text(canonical_json(rows))}, {})

    def write(draft: Draft) -> None:
        write_rows(draft.path / ANSWERS, rows, ANSWER)
        draft.summary |= {"answers": len({row["id"] for row in rows})}

    artifact, _ = store.put(order, write)
    return store.swap(TOLD, None, None if before is None else before.fingerprint, artifact.fingerprint)

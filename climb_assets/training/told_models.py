"""Models that people train: what they are asked, and what they told kept as models of climb's own are.

What belongs here: from the models that a search wants to questions, and from answers to artefacts. How a question looks
to a user is `climb_assets.search.asking`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from climb_assets.errors import ComputeError, WaitingForResults
from climb_assets.graph.code_identity import code_at_start
from climb_assets.graph.materializer import Materializer
from climb_assets.search.questions import Asked, Question, forget_questions_behind, put_questions, read_answers
from climb_assets.store.artifacts import Artifact, Draft, canonical_json, sha256_text
from climb_assets.store.store import Store
from climb_assets.training.domain_tokens import put_domain_tokens
from climb_assets.training.job_folder import describe_beginning, domain_names
from climb_assets.training.proxy_orders import REPORT, TELL, Conditions, ProxyOrders
from climb_assets.training.reported import Reported, score_reported, write_reported
from climb_assets.training.token_index import load_training_index

Rows = Sequence[Mapping[str, Any]]  # of one answer, one a task


def take_told(climb: Materializer, models: Sequence[ProxyOrders], what: str) -> dict[str, str]:
    """Keep the models that people have told of and their scores; return the version of each answer, by question.

    What is asked lies in the lake then, whether it was answered or not: an answer may be corrected.

    Parameters
    ----------
    models
        The models that are wanted.
    what
        Names the work.

    Raises
    ------
    WaitingForResults
        Some were not told of.
    ComputeError
        The source code is no longer the one that this process has imported.
    """
    answers = read_answers(climb.told())
    unanswered = [orders for orders in models if orders.question not in answers]
    assert climb.made_now is not None, "only what makes an asset asks"
    put_questions(climb.store, climb.made_now, _ask(climb.store, models, what))
    if unanswered:
        forget_questions_behind(climb, *climb.made_now)
        raise WaitingForResults(
            f"{what}: {len(unanswered)} of {len(models)} models wait for results; `climb ask` writes what is to be "
            "trained, `climb tell` takes what was measured"
        )
    _require_code(models[0].conditions)
    versions = {orders.question: _version(answers[orders.question]) for orders in models}
    for orders in models:
        told = replace(orders, conditions=replace(orders.conditions, told=versions))
        score_reported(climb.store, told, put_told_model(climb.store, told, answers[orders.question]))
    return versions


def _require_code(conditions: Conditions) -> None:
    if (code_at_start(TELL), code_at_start(REPORT)) != (conditions.train_code, conditions.evaluate_code):
        raise ComputeError("the source code of what people tell was changed while climb is at work; start again")


def _version(rows: Rows) -> str:
    return sha256_text(canonical_json(list(rows)))[:32]


def put_told_model(store: Store, orders: ProxyOrders, rows: Rows) -> Artifact:
    """Return the artefact of a model that people trained, kept now unless the store has it."""
    diverged = any(row["diverged"] for row in rows)
    reported = Reported(
        losses={} if diverged else {row["task"]: row["loss"] for row in rows},
        diverged=diverged,
        by=rows[0]["by"],
        metric={row["task"]: row["metric"] for row in rows},
    )

    def write(draft: Draft) -> None:
        write_reported(draft, orders, reported, None)
        draft.summary |= {"told": {"by": reported.by, "metric": dict(reported.metric)}}

    model, _ = store.put(orders.of_model(), write)
    return model


def _ask(store: Store, models: Sequence[ProxyOrders], what: str) -> Asked:
    """Return the questions for some models, the token files that they are to be trained on written."""
    first = models[0]
    index = load_training_index(first.data.folder, first.data.tokens)
    tokens = {orders.proxy.repeat: orders for orders in models}
    versions = {repeat: put_domain_tokens(store, orders, index).data_version for repeat, orders in tokens.items()}
    training = first.training.model_dump(mode="json", exclude={"trainer", "start", "size", "snapshots"})
    training |= first.widths() | describe_beginning(first)
    questions = {
        orders.question: Question(
            orders.question,
            orders.proxy.key,
            orders.proxy.repeat,
            orders.of_model().config["seed"],
            orders.proxy.weights,
            tuple(sorted(orders.tasks)),
            versions[orders.proxy.repeat],
        )
        for orders in models
    }
    (part, *_) = {task.part for task in first.tasks.values()}
    tasks = {name: task.artifact.data_version for name, task in first.tasks.items()}
    names = domain_names(first.data.folder)
    return Asked(what, names, training, part, tasks, tuple(questions.values()), first.data.version)

"""Any task of lm-evaluation-harness by name, scored by the harness itself (the extra `eval`).

What belongs here: handing a trained model to the harness and making scores of the samples that it logs. Tasks that are
prepared as token ids, which is what a search is best fed with, belong to `tasks` and `evaluation`.
"""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from climb_assets.config_tasks import HarnessTask
from climb_assets.corpus.frozen_tokenizer import end_token, load_tokenizer
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.training.evaluation import BATCH_TOKENS, Evaluation, Scores, gold_probability
from climb_assets.training.tasks import Part, choose_part

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MISSING = "a task of kind harness needs lm-evaluation-harness: pip install 'climb[eval]'"
ROLLING = "loglikelihood_rolling"
MEASURABLE = ("multiple_choice", "loglikelihood", ROLLING)  # output types that have a likelihood


def evaluate_with_harness(
    model: "PreTrainedModel", tokenizer: Path, task: HarnessTask, sequence: int, part: Part, version: str = ""
) -> Evaluation:
    """Score a model that is already loaded on a task of the harness, or on all tasks of a group.

    `accuracy` and `accuracy_norm` are the harness' acc and acc_norm, averaged over the items, where each item has them.
    `loss` is bits per byte: of the gold continuation for tasks with continuations, of the text for those with rolling
    likelihoods. As in training, an end-of-text mark precedes every text.

    Parameters
    ----------
    tokenizer
        The `tokenizers` file that the model was trained with.
    sequence
        Inputs in one window; what is longer loses its left end.
    part
        Which of the task's documents, in the harness' order: see `choose_part`. Of a group, those of each task.
    version
        Tells states of a folder of tasks apart: a task is loaded once for each.

    Raises
    ------
    ConfigError
        The harness is not installed, knows no such task, cannot load its data, measures no likelihood in it, or the
        task has too few documents for two parts.
    ComputeError
        A continuation has no token or does not fit the window.
    """
    try:
        from lm_eval import simple_evaluate
        from lm_eval.models.huggingface import HFLM
    except ImportError:
        raise ConfigError(MISSING) from None
    manager, tasks = _load(task.task, task.include, version)
    rolling = {loaded.OUTPUT_TYPE for loaded in tasks.values()} == {ROLLING}
    harnessed = HFLM(
        pretrained=model,
        tokenizer=_marking(tokenizer),
        max_length=sequence,
        batch_size=max(1, BATCH_TOKENS // sequence),
        add_bos_token=not rolling,  # rolling windows begin with the mark in any case
    )
    try:
        measured = simple_evaluate(
            model=harnessed,
            tasks=list(tasks.values()),
            task_manager=manager,
            samples={name: list(_documents(loaded, name, task, part)) for name, loaded in tasks.items()},
            bootstrap_iters=0,
            random_seed=None,
            numpy_random_seed=None,
            torch_random_seed=None,
        )
    except AssertionError:
        raise ComputeError(
            f"the harness cannot score {task.task!r}: a continuation has no token or more than the model's {sequence}"
        ) from None
    samples = [(tasks[name], sample) for name, logged in measured["samples"].items() for sample in logged]
    return _evaluation(samples)


def _documents(loaded: Any, name: str, task: HarnessTask, part: Part) -> range:
    """Return the places of the documents that are in this part of a loaded task."""
    documents = len(loaded.eval_docs)
    return range(documents)[choose_part(documents, task.items, task.split, part, f"harness task {name!r}")]


@functools.lru_cache
def _load(name: str, include: Path | None, _version: str) -> tuple[Any, dict[str, Any]]:
    """Return the harness' task manager and the task, or each of a group's, by name; once in a worker's life.

    The index of the harness' own tasks takes many seconds, so it is read only where no folder of tasks is given.
    """
    from lm_eval.tasks import TaskManager

    if include is not None and not include.is_dir():
        raise ConfigError(f"the folder of harness tasks is not there: {include}")
    manager = TaskManager(include_path=None if include is None else str(include), include_defaults=include is None)
    if name not in manager.all_tasks:
        raise ConfigError(f"{include or 'lm-evaluation-harness'} has no task {name!r}; `lm_eval ls tasks` lists them")
    try:
        tasks: dict[str, Any] = manager.load([name])["tasks"]
    except Exception as error:  # whatever the library that reads the task's data raises
        reason = " ".join(str(error).split())
        raise ConfigError(f"harness task {name!r} cannot be loaded, is its data there? {reason}") from None
    for task in tasks.values():
        if task.OUTPUT_TYPE not in MEASURABLE:
            raise ConfigError(
                f"harness task {name!r} has neither choices nor bits_per_byte but {task.OUTPUT_TYPE}; take another task"
            )
    return manager, tasks


def _marking(tokenizer: Path) -> "PreTrainedTokenizerFast":
    """Return the frozen tokenizer as the harness wants it; with special tokens, a text begins with the mark."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    frozen = load_tokenizer(tokenizer)
    number = end_token(frozen)
    mark = frozen.id_to_token(number)
    frozen.post_processor = TemplateProcessing(single=[mark, "$A"], special_tokens=[(mark, number)])
    return PreTrainedTokenizerFast(tokenizer_object=frozen, bos_token=mark, eos_token=mark, split_special_tokens=True)


def _evaluation(samples: Sequence[tuple[Any, dict[str, Any]]]) -> Evaluation:
    """Return what the logged samples, each with its task, come to."""
    answers = [(item, *answer) for item, (task, sample) in enumerate(samples) for answer in _answers(task, sample)]
    item, gold, nats, size = (np.array(column) for column in zip(*answers, strict=True))
    bits = -nats / math.log(2)
    loss = float(bits[gold].sum() / size[gold].sum())
    chosen = None if gold.all() else gold_probability(item, gold, bits / size)
    scores = Scores(loss, _mean(samples, "acc"), _mean(samples, "acc_norm"), len(samples), chosen)
    return Evaluation(scores, bits[gold], size[gold])


def _answers(task: Any, sample: dict[str, Any]) -> list[tuple[bool, float, int]]:
    """Return (is it gold, log-likelihood in nats, bytes) of each continuation of a logged sample."""
    if task.OUTPUT_TYPE == ROLLING:
        if "bits_per_byte" not in sample:
            raise ConfigError(f"harness task {task.config.task!r} has no bits_per_byte; add it to its metric_list")
        return [(True, *sample["bits_per_byte"])]
    target = sample["target"]
    if task.OUTPUT_TYPE == "loglikelihood":
        choices, gold = [target], 0
    elif task.multiple_input:  # the contexts are the choices, as in WinoGrande; the continuation is the same
        contexts = task.doc_to_choice(sample["doc"])
        choices, gold = [target] * len(contexts), task.doc_to_text(sample["doc"])
    else:
        choices = task.doc_to_choice(sample["doc"])
        right = target[0] if isinstance(target, list) else target
        gold = choices.index(right) if isinstance(right, str) else right
    likelihoods = [likelihood for likelihood, _ in sample["filtered_resps"][: len(choices)]]
    return [
        (position == gold, likelihood, len(choice.encode()))
        for position, (choice, likelihood) in enumerate(zip(choices, likelihoods, strict=True))
    ]


def _mean(samples: Sequence[tuple[Any, dict[str, Any]]], metric: str) -> float | None:
    """Return the mean of a metric over the samples, or None where one of them lacks it."""
    values = [float(sample[metric]) for _, sample in samples if metric in sample]
    return float(np.mean(values)) if len(values) == len(samples) else None

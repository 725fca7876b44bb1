"""What training and evaluation need from outside the lake, checked before any work: tasks, and models to go on from.

What belongs here: one check for each asset that trains, of what can be told without the corpus and without loading a
model. The items of a multiple-choice task are parsed by `corpus.choice_items`, for this and for what later reads them.
"""

import functools
import os
import re
import shutil
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path

from climb_assets.config import Config
from climb_assets.config_tasks import ChoiceTask, HarnessTask, Task
from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training
from climb_assets.corpus.choice_items import count_choice_items
from climb_assets.corpus.outside_files import TOKENIZER, check_model_folder, read_vocabulary
from climb_assets.environment import harness_version
from climb_assets.errors import ConfigError, CorruptArtifact
from climb_assets.search.search_state import deciding_tasks
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.task_sources import count_sources, require_sources
from climb_assets.training.tasks import choose_part


def check_proxies(config: Config) -> None:
    """Check the tasks that decide, the model that proxies go on from, and the command that trains them.

    Raises
    ------
    ConfigError
        A task cannot be measured, or there is no such model or command.
    """
    check_tasks(deciding_tasks(config))
    check_model(config.proxy, "proxy", config)


def check_fidelity(config: Config) -> None:
    """Check what targets and further settings of proxies go on from and are trained by; errors as of `check_model`."""
    if config.fidelity.mixtures:
        check_model(config.target.training, "target.training", config)
        for name, training in config.fidelity.settings.items():
            check_model(training, f"fidelity.settings.{name}", config)


def check_targets(config: Config) -> None:
    """Check all tasks, and what targets go on from and are trained by; errors as of `check_proxies`."""
    check_tasks(config.tasks)
    check_model(config.target.training, "target.training", config)


def check_corpus_sources(config: Config, corpus_manifest: Artifact) -> None:
    """Check that the corpus has what text tasks name; errors as of `require_sources`."""
    try:
        sources = corpus_manifest.file("sources.parquet")
    except CorruptArtifact:  # it is made again before anything reads it
        return
    require_sources(config.tasks, read_table(sources))


def check_snapshot_sources(config: Config, training_tokens: Artifact) -> None:
    """Check that the search's snapshot of the corpus has what text tasks name; errors as of `require_sources`."""
    try:
        evaluation = training_tokens.file("evaluation.parquet")
    except CorruptArtifact:  # it is made again before anything reads it
        return
    require_sources(config.tasks, count_sources(read_table(evaluation, ["source", "split"])))


def check_tasks(tasks: Mapping[str, Task]) -> None:
    """Check that tasks can be measured, as far as that does not hang on the corpus.

    Raises
    ------
    ConfigError
        A file of items is wrong or has too few, the harness is not installed, or it has no such task.
    """
    for name, task in tasks.items():
        if isinstance(task, ChoiceTask):
            choose_part(count_choice_items(task.path, name), task.items, task.split, "search", f"tasks.{name}.path")
        elif isinstance(task, HarnessTask):
            _check_harness_task(task, f"tasks.{name}")


def _check_harness_task(task: HarnessTask, key: str) -> None:
    """Check that the harness is there and that a file of it names the task.

    Its own index knows for certain, and takes many seconds and torch.
    """
    harness_version()
    if task.include is not None and not task.include.is_dir():
        raise ConfigError(f"{key}.include: {task.include} is not there or no folder; name a folder of task YAML files")
    named = _harness_knows(task.task) if task.include is None else _is_named_in(task.task, _yaml_files(task.include))
    if not named:
        where = task.include or "lm-evaluation-harness"
        raise ConfigError(f"{key}.task: {where} has no task {task.task!r}; `lm_eval ls tasks` lists them")


@functools.cache
def _harness_knows(task: str) -> bool:
    return _is_named_in(task, _harness_files())


@functools.cache
def _harness_files() -> tuple[Path, ...]:
    """Return the files of the harness' own tasks; nothing of it is imported."""
    found = find_spec("lm_eval")
    return () if found is None or found.origin is None else _yaml_files(Path(found.origin).parent / "tasks")


def _yaml_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of tasks, and those that they include, which in the harness' own folder have no suffix."""
    return tuple(file for file in folder.rglob("*") if file.suffix in (".yaml", ".yml", ""))


def _is_named_in(task: str, files: Collection[Path]) -> bool:
    """Return whether one of some files is called like a task or has its name among its words."""
    if task in {file.stem for file in files}:
        return True
    word = re.compile(rb"(?<![\w-])" + re.escape(task.encode()) + rb"(?![\w-])")
    return any(word.search(file.read_bytes()) for file in files if file.is_file())


def check_model(training: Training, section: str, config: Config) -> None:
    """Check what a training needs from outside the lake; errors as of `check_start` and `check_command`."""
    check_start(training, section, config)
    if isinstance(training.trainer, Trainer):
        check_command(training.trainer, f"{section}.trainer")


def check_command(trainer: Trainer, section: str) -> None:
    """Check that a trainer of the user's can be started.

    Raises
    ------
    ConfigError
        Its folder, its program or one of its files is not there.
    """
    if not trainer.folder.is_dir():
        raise ConfigError(f"{section}.folder: {trainer.folder} is no folder; name that in which the command is run")
    program = trainer.command[0]
    path = str(trainer.folder / program) if os.sep in program else program
    if shutil.which(path, path=trainer.environment.get("PATH")) is None:
        raise ConfigError(
            f"{section}.command: {path} is no program that can be run; name one, or give it the right to be"
        )
    for file in trainer.files:
        if not file.exists():
            raise ConfigError(f"{section}.files: {file} is not there; name what the trainer reads")


def check_start(training: Training, section: str, config: Config) -> None:
    """Check the model that a training goes on from, where it names one; no tensor is read.

    Raises
    ------
    ConfigError
        The folder holds no whole model in safetensors, or one for shorter sequences or with another tokenizer.
    """
    folder = training.start
    if folder is None:
        return
    key = f"{section}.start"
    described = check_model_folder(folder, key, "give the folder of a Hugging Face causal LM")
    positions = described.get("max_position_embeddings")
    if isinstance(positions, int) and positions < training.sequence:
        raise ConfigError(f"{key}: {folder} has {positions} positions; shorten {section}.sequence")
    theirs = read_vocabulary(folder / TOKENIZER, key)
    if config.tokenizer.path is not None:
        ours = read_vocabulary(config.tokenizer.path, "tokenizer.path")
        if any(theirs.get(token) != number for token, number in ours.items()):
            raise ConfigError(
                f"{key}: {folder} was trained with another tokenizer; set tokenizer.path to {folder / TOKENIZER}"
            )

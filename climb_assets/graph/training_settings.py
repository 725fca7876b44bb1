"""Which settings and files decide a trained model and what is measured on it: of a training, and of the tasks.

What belongs here: functions from the configuration to plain values, for all assets that train. What each of these
assets uses is `hashed_settings`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from climb_assets.config import Config
from climb_assets.config_base import Section
from climb_assets.config_tasks import ChoiceTask, HarnessTask
from climb_assets.config_trainer import Trainer
from climb_assets.config_training import Training
from climb_assets.environment import harness_version, resolve_precision


def values_of(section: Section, *without: str) -> dict[str, Any]:
    """Return a section's values without some."""
    return section.model_dump(mode="json", exclude=set(without))


def training_settings(config: Config, training: Training) -> dict[str, Any]:
    """Return what trained models depend on; a folder that they go on from counts by its content."""
    supply = {"target_tokens": config.mixture.tokens} if training.simulate_epochs else {}
    widths = {} if training.start is not None else training.shape._asdict()
    return values_of(training, "start", "size", "trainer") | widths | training.trained_by | supply


def training_precision(config: Config, device: str) -> str:
    """Return the precision that models are trained in on a device."""
    return resolve_precision("auto", device, gradients=True)


def training_files(trainings: Mapping[str, Training]) -> dict[str, Path]:
    """Return the folders that models go on from, and the files of their trainers, by the names of their settings."""
    starts = {f"start-{name}": training.start for name, training in trainings.items() if training.start is not None}
    return starts | {
        f"trainer-{name}-{place}": path
        for name, training in trainings.items()
        if isinstance(training.trainer, Trainer)
        for place, path in training.trainer.named_files.items()
    }


def asks(*trainings: Training) -> bool:
    """Return whether people train the models of one of some trainings, and tell what came of it."""
    return any(training.trainer == "ask" for training in trainings)


def task_settings(config: Config, *, deciding_only: bool) -> dict[str, Any]:
    """Return the tasks as configured; a file counts by its content, so its path is left out."""
    return {
        name: values_of(task, "path", "include") | (harness_facts() if isinstance(task, HarnessTask) else {})
        for name, task in config.tasks.items()
        if not deciding_only or task.split == "search_eval"
    }


def harness_facts() -> dict[str, Any]:
    """Return what the scores of lm-evaluation-harness depend on besides a task: its version, and our code around it."""
    return {"lm_eval": harness_version()}


def choice_files(config: Config) -> dict[str, Path]:
    """Return the files of all multiple-choice tasks, those for the report too."""
    return {f"task-{name}": task.path for name, task in config.tasks.items() if isinstance(task, ChoiceTask)}


def task_files(config: Config, *, deciding_only: bool) -> dict[str, Path]:
    """Return the files of the multiple-choice tasks, and the folders of the harness' that have one."""
    files = {}
    for name, task in config.tasks.items():
        path = task.path if isinstance(task, ChoiceTask) else task.include if isinstance(task, HarnessTask) else None
        if path is not None and (not deciding_only or task.split == "search_eval"):
            files[f"task-{name}"] = path
    return files

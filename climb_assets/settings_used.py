"""Which settings and which files outside the lake each asset uses: what of the configuration enters a fingerprint.

What belongs here: functions from the configuration to plain values. Paths never enter a fingerprint, but what they
hold does.
"""

from pathlib import Path
from typing import Any

from climb_assets.config import ChoiceTask, Config, Section


def iteration_number(key: str) -> int:
    """Return the number of an iteration's partition key, from 1."""
    return int(key.removeprefix("iteration-"))


def values_of(section: Section, *without: str) -> dict[str, Any]:
    """Return a section's values without some."""
    return section.model_dump(mode="json", exclude=set(without))


def tokenizer_files(config: Config) -> dict[str, Path]:
    """Return the tokenizer file, where one is given."""
    return {"tokenizer": config.tokenizer.path} if config.tokenizer.path else {}


def encoder_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what embeddings depend on: a model folder counts by its content, a hub model by name and revision."""
    local = Path(config.encoder.model).is_dir()
    settings = values_of(config.encoder, *(("model", "revision") if local else ()))
    # Parts decide which documents share a batch, and so the last bits of a vector.
    return {"encoder": settings, "part_documents": config.corpus.part_documents}


def encoder_files(config: Config) -> dict[str, Path]:
    """Return the model folder, unless the model is the name of one at a hub."""
    folder = Path(config.encoder.model)
    names_a_path = folder.is_absolute() or len(folder.parts) > 2  # a hub's name has at most an owner and a name
    return {"encoder": folder} if folder.is_dir() or names_a_path else {}


def search_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the candidates of one iteration depend on; the first asks no predictor."""
    assert key is not None, "the search is partitioned by iteration"
    plan = config.search.iterations[iteration_number(key) - 1]
    first = iteration_number(key) == 1
    shared = values_of(config.search, "iterations", *(("predictor", "top") if first else ("predictor",)))
    return {"search": shared, "candidates": plan} | ({} if first else {"objectives": config.objectives})


def task_settings(config: Config, *, deciding_only: bool) -> dict[str, Any]:
    """Return the tasks as configured; a file counts by its content, so its path is left out."""
    return {
        name: values_of(task, "path") if isinstance(task, ChoiceTask) else values_of(task)
        for name, task in config.tasks.items()
        if not deciding_only or task.split == "search_eval"
    }


def task_files(config: Config, *, deciding_only: bool) -> dict[str, Path]:
    """Return the files of the multiple-choice tasks."""
    return {
        f"task-{name}": task.path
        for name, task in config.tasks.items()
        if isinstance(task, ChoiceTask) and (not deciding_only or task.split == "search_eval")
    }

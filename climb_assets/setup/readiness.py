"""Whether a project is ready to run: corpus, tasks, files and packages, disk, memory and GPU, each in a sentence.

What belongs here: looking before anything long, and the command or the setting that mends what is missing. What stages
take is `stage_costs`.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.languages import Writing
from climb_assets.config import Config
from climb_assets.config_tasks import HarnessTask
from climb_assets.corpus.quarantine import advise
from climb_assets.environment import resolve_device
from climb_assets.errors import ClimbError, ConfigError
from climb_assets.executor.capacity import measure_capacity
from climb_assets.graph.assets import SPECS
from climb_assets.setup.raw_sample import RawSample, in_bytes
from climb_assets.setup.stage_costs import bytes_needed
from climb_assets.sizes import estimate_parameters
from climb_assets.training.swarm import BYTES_PER_PARAMETER, WORKER_BYTES
from climb_assets.training.task_sources import require_sources

State = Literal["good", "doubtful", "missing"]

MUCH_UNUSED = 0.1  # of the records of a format, from which on it is doubtful
LEAST_DOCUMENTS = 200  # with fewer to train on, domains and held-out text say little
MOST_OTHER = 0.5  # of the texts in a language that the rules for quality do not know


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    cure
        What mends it; empty where nothing has to be.
    """

    what: str
    state: State
    says: str
    cure: str = ""


def look_at_corpus(config: Config, sample: RawSample) -> Iterator[Finding]:
    """Yield what is to be said of the raw files."""
    about = "" if sample.whole else "about "
    says = f"{sample.files:,} files in {sample.shards} shards, {about}{sample.total:,} documents to use"
    if not sample.total:
        yield Finding("corpus", "missing", says, "see what is unusable below, and correct corpus in climb.yaml")
    elif sample.of_split("train") < LEAST_DOCUMENTS:
        yield Finding("corpus", "doubtful", f"{says}; an answer needs more", "add text")
    else:
        yield Finding("corpus", "good", says)
    for kind, one in sorted(sample.formats.items()):
        reason = one.unused.most_common(1)[0][0] if one.unused else None
        doubtful = reason is not None and sum(one.unused.values()) > MUCH_UNUSED * one.records
        yield Finding(
            kind, "doubtful" if doubtful else "good", one.in_words(), advise(reason) if reason and doubtful else ""
        )
    others = sum(count for kind, count in sample.writings.items() if kind is not Writing.ENGLISH)
    if others > MOST_OTHER * sum(sample.writings.values()):
        cure = "give encoder.model a multilingual model, and see `climb status` for what is pruned"
        yield Finding("languages", "doubtful", f"{sample.written_in()}; the demo's encoder knows English", cure)


def look_at_tasks(config: Config, sample: RawSample) -> Finding:
    """Return whether each text task finds enough held-out documents of its sources."""
    rows = [(source, split, round(n)) for source, counts in sample.documents.items() for split, n in counts.items()]
    table = pa.table(
        {
            "source": [row[0] for row in rows],
            "split": [row[1] for row in rows],
            "documents": pa.array([row[2] for row in rows], pa.int64()),
        }
    )
    try:
        require_sources(config.tasks, table.filter(pc.greater(table["documents"], 0)))
    except ConfigError as error:
        return Finding("tasks", "missing" if sample.whole else "doubtful", str(error), "correct tasks in climb.yaml")
    objectives = ", ".join(f"{name} ({len(tasks)} tasks)" for name, tasks in config.objectives.items())
    return Finding("tasks", "good", f"{len(config.tasks)} tasks; objectives: {objectives}")


def look_at_files(config: Config) -> Iterator[Finding]:
    """Yield what is wrong with the files that the configuration names: encoder, tokenizer, items of tasks."""
    told: list[str] = []
    for spec in SPECS:
        try:
            spec.check_files(config)
        except ClimbError as error:
            says, model = str(error), config.encoder.model
            if says in told or (model in says and any(model in one for one in told)):  # several assets need the model
                continue
            told.append(says)
            cure = "climb fetch-encoder" if "climb fetch-encoder" in says else "correct it in climb.yaml"
            yield Finding("files", "missing", says, cure)
    if not told:
        yield Finding("files", "good", f"encoder {Path(config.encoder.model).name} and all else that climb.yaml names")


def look_at_packages(config: Config) -> Iterator[Finding]:
    """Yield the packages that the configuration needs and that are not installed."""
    wanted = {"faiss": "cpu"}  # by module, with the extra that brings it
    if config.store is not None or not isinstance(config.corpus.raw, Path):
        wanted["obstore"] = "objects"
    if config.runtime.backend == "ray":
        wanted["ray"] = "ray"
    if config.quality.scorer == "fasttext":
        wanted["fasttext"] = "fasttext"
    if any(isinstance(task, HarnessTask) for task in config.tasks.values()):
        wanted["lm_eval"] = "eval"
    absent = {module: extra for module, extra in wanted.items() if find_spec(module) is None}
    for module, extra in absent.items():
        yield Finding("packages", "missing", f"{module} is not installed", f"pip install 'climb[{extra}]'")
    if not absent:
        yield Finding("packages", "good", f"{', '.join(wanted)} and all that climb always needs")


def look_at_machine(config: Config, sample: RawSample) -> Iterator[Finding]:
    """Yield what is to be said of disk, memory and GPU."""
    needed = bytes_needed(config, sample)
    there = next(folder for folder in (config.lake, *config.lake.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    says = f"about {in_bytes(needed)} needed, {in_bytes(free)} free at {there}"
    short = free < needed
    yield Finding("disk", "missing" if short else "good", says, "make room, or set lake elsewhere" if short else "")
    capacity, device = measure_capacity(), resolve_device(config.runtime.device)
    trainings = (config.proxy, config.target.training)
    largest = max(estimate_parameters(one, config.tokenizer.vocabulary) for one in trainings)
    memory = WORKER_BYTES + BYTES_PER_PARAMETER * largest
    says = f"{in_bytes(memory)} for the largest model, {in_bytes(capacity.memory_bytes)} to use"
    short = capacity.memory_bytes < memory
    cure = "choose a smaller proxy or target.training" if short else ""
    yield Finding("memory", "doubtful" if short else "good", says, cure)
    yield Finding("GPU", "good", "there is one" if device == "cuda" else f"none is used; {capacity.cores} cores train")


def look_at_project(config: Config, sample: RawSample) -> list[Finding]:
    """Return all findings, in the order in which people read them."""
    return [
        *look_at_corpus(config, sample),
        look_at_tasks(config, sample),
        *look_at_files(config),
        *look_at_packages(config),
        *look_at_machine(config, sample),
    ]

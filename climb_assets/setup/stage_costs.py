"""What each long stage of a project will take, from speeds that were measured on a sample, and the room it needs.

What belongs here: which speeds a project needs, counting what there is to do, and multiplying. What was made already is
not looked at: `climb plan` tells what is left of it.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean

from climb_assets.config import Config
from climb_assets.config_tasks import Task, TextTask
from climb_assets.config_training import Training
from climb_assets.corpus.raw_place import RawPlace
from climb_assets.executor.capacity import measure_capacity
from climb_assets.graph.estimates import Models, add_up, in_hours, models_of
from climb_assets.graph.spec import iteration_keys
from climb_assets.graph.speeds import Speed, Speeds
from climb_assets.setup.first_settings import TOKEN_BYTES, sampling_settings
from climb_assets.setup.measured_speeds import measure_speeds
from climb_assets.setup.raw_sample import RawSample, in_bytes, sample_raw

SCORING_SHARE = 1 / 3  # of training a token: the pass forward alone
CHOICE_TOKENS = 60  # in a request of a multiple-choice task, about
STORED_TEXT = 1.0  # bytes in the lake for one of text: documents, signatures and tokens, packed
VECTOR_BYTES = 2 * 384  # of a document, by the demo's encoder
EXPORTED_TOKEN_BYTES = 2 * TOKEN_BYTES  # of the data set, once in the lake and once exported


@dataclass(frozen=True)
class StageCost:
    """What a stage takes.

    Parameters
    ----------
    seconds
        By the fastest and by the slowest measurement; None: it cannot be measured here.
    work
        What there is to do, in words.
    """

    stage: str
    seconds: tuple[float, float] | None
    work: str

    def in_words(self) -> str:
        """Return the time as people say it."""
        return "not measured" if self.seconds is None else between(*self.seconds)


def between(low: float, high: float) -> str:
    """Return the time between two bounds as people say it."""
    least, most = in_hours(low), in_hours(high)
    if least == most:
        return f"about {least}"
    number, _, unit = least.partition(" ")
    return f"{number if most.endswith(f' {unit}') else least} to {most}"


def total_of(costs: Sequence[StageCost]) -> tuple[float, float]:
    """Return the bounds of all stages that were measured together."""
    known = [cost.seconds for cost in costs if cost.seconds is not None]
    return sum(low for low, _ in known), sum(high for _, high in known)


def sample_and_time(place: RawPlace, config: Config) -> tuple[RawSample, Speed]:
    """Return a sample of the raw files, and the seconds in which a byte of text is read."""
    begun = time.perf_counter()
    sample = sample_raw(place, sampling_settings(config.corpus))
    took = time.perf_counter() - begun
    seconds = took / max(1, sample.read_bytes)
    return sample, Speed(seconds, seconds)


def count_models(config: Config) -> dict[str, list[Models]]:
    """Return the models that are trained on the way to all answers, by stage."""
    objectives = config.objectives
    nodes: dict[str, list[tuple[str, str | None]]] = {
        "proxies of the search": [("proxy_results", key) for key in iteration_keys(config)],
        "baselines that search": [("baseline_mixtures", name) for name in objectives],
        "confirmation": [("confirmation_results", name) for name in objectives],
        "fidelity of proxies": [("proxy_fidelity", None)],
        "target models": [("target_comparison", name) for name in objectives],
    }
    found = {stage: [one for node in ours for one in models_of(*node, config)] for stage, ours in nodes.items()}
    return {stage: models for stage, models in found.items() if models}


def measure_project(config: Config, sample: RawSample, tell: Callable[[str], None]) -> Speeds:
    """Measure how fast this machine is at what a project trains and embeds; see `measure_speeds`."""
    models = count_models(config)
    trained = {stage: [one.training for one in of_stage] for stage, of_stage in models.items()}
    speeds = measure_speeds(config, sample.texts, trained, tell)
    return replace(speeds, scoring_tokens=scoring_tokens(config, sample, next(iter(models.values()))[0]))


def count_costs(config: Config, sample: RawSample, reading: Speed, speeds: Speeds) -> list[StageCost]:
    """Return what each long stage takes from an empty lake; seconds of work.

    Parameters
    ----------
    reading
        Seconds in which a byte of text is read.
    speeds
        Those that `measure_project` measured for this configuration.
    """
    about = f"{sample.total:,} documents, {in_bytes(sample.text_bytes)} of text"
    costs = [StageCost("read the corpus", reading.times(sample.text_bytes), about)]
    if (embedding := speeds.of_embedding(config)) is not None:
        costs.append(StageCost("embed it", embedding.times(sample.total), f"{sample.total:,} documents"))
    for stage, models in count_models(config).items():
        count = sum(one.count for one in models)
        low = high = 0.0
        for one in models:
            speed = speeds.of_training(config, one.training)
            if speed is None:
                costs.append(StageCost(stage, None, f"at most {count} models, trained outside climb"))
                break
            scoring = one.points * one.tasks * scoring_tokens(config, sample, one)
            least, most = speed.times(one.count * (one.training.trained_tokens + scoring))
            low, high = low + least, high + most
        else:
            costs.append(StageCost(stage, (low, high), f"at most {count} models"))
    return costs


def scoring_tokens(config: Config, sample: RawSample, models: Models) -> float:
    """Return the tokens that a model is trained on in the time in which it is scored on a task, on average."""
    deciding = models.tasks < len(config.tasks)
    tasks = [task for task in config.tasks.values() if not deciding or task.split == "search_eval"]
    if not tasks:
        return 0.0
    return SCORING_SHARE * fmean(_requests(task, models.training, sample) for task in tasks)


def _requests(task: Task, training: Training, sample: RawSample) -> float:
    """Return about how many tokens a task has in one part."""
    if isinstance(task, TextTask):
        return len(task.sources) * task.documents * sample.text_bytes / max(1, sample.total) / TOKEN_BYTES
    choices = 1 if getattr(task, "choices", "all") == "gold" else 4
    return task.items * choices * min(CHOICE_TOKENS, training.sequence)


def bytes_needed(config: Config, sample: RawSample) -> float:
    """Return about how many bytes all that is made will take in the lake."""
    nodes: list[tuple[str, str | None]] = [("proxy_results", key) for key in iteration_keys(config)]
    nodes.append(("proxy_fidelity", None))
    nodes += list(product(["baseline_mixtures", "confirmation_results", "target_comparison"], config.objectives))
    models = add_up(((asset, key, 0.0) for asset, key in nodes), config).model_bytes
    made = sample.text_bytes * STORED_TEXT + sample.total * VECTOR_BYTES
    return made + models + len(config.objectives) * config.mixture.tokens * EXPORTED_TOKEN_BYTES


def cores_in_words(device: str) -> str:
    """Return what computes, and whether something else is at work there."""
    capacity = measure_capacity()
    computes = f"{capacity.cores} cores" if device == "cpu" else f"a GPU and {capacity.cores} cores"
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return computes if busy <= capacity.cores else f"{computes} that {busy:.0f} processes share at the moment"

"""How fast this machine is at what takes longest, measured on a sample of the corpus in some seconds.

What belongs here: trying the work itself for a moment, the encoder on texts and each model for a few steps. Every speed
is measured several times, and the fastest and the slowest of them are the bounds that are told. What it comes to for a
whole project is `stage_costs`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from climb_assets.config import Config
from climb_assets.config_training import Training
from climb_assets.environment import resolve_device
from climb_assets.executor.capacity import measure_capacity
from climb_assets.executor.executor import Resources
from climb_assets.executor.layout import choose_layout
from climb_assets.graph.speeds import Speed, Speeds, embedding_key, training_key
from climb_assets.randomness import generator
from climb_assets.sizes import estimate_parameters
from climb_assets.training.sequence_plan import SequencePlan, Stream
from climb_assets.training.swarm import BYTES_PER_PARAMETER, WORKER_BYTES

ROUNDS = 4  # measurements of each speed
ROUND_TEXTS = 24  # texts in a measurement of the encoder
ROUND_SECONDS = 0.5  # of steps in a measurement of a model, at least
SEED = 0


def measure_speeds(
    config: Config, texts: Sequence[str], models: Mapping[str, Sequence[Training]], tell: Callable[[str], None]
) -> Speeds:
    """Measure how fast texts are embedded, and how fast models are trained that are trained here.

    Parameters
    ----------
    models
        Those that are trained, by the stage that trains them.
    tell
        Is told what is being measured.

    Raises
    ------
    ConfigError
        The encoder cannot be loaded.
    ComputeError
        Not even one sequence of a model fits into memory.
    """
    tell("measuring the encoder")
    embedding = {embedding_key(config): measure_encoder(config, texts)}
    training: dict[str, Speed] = {}
    for stage, of_stage in models.items():
        for one in of_stage:
            key = training_key(config, one)
            if one.trainer is None and key not in training:
                tell(f"measuring a model of the {stage}")
                training[key] = measure_training(config, one)
    return Speeds(embedding, training)


def speed_of(measured: Sequence[float]) -> Speed:
    """Return the bounds of some measurements."""
    return Speed(min(measured), max(measured))


def measure_encoder(config: Config, texts: Sequence[str]) -> Speed:
    """Return the seconds in which a text is embedded, by all cores or the GPU.

    Raises
    ------
    ConfigError
        The encoder cannot be loaded.
    """
    from climb_assets.embeddings.encoder import load_encoder_once

    encoder = load_encoder_once(config.encoder, config.runtime)
    order = generator(SEED, "texts to measure by").permutation(len(texts))
    rounds = [[texts[i] for i in order[start::ROUNDS][:ROUND_TEXTS]] for start in range(ROUNDS)]
    rounds = [chosen for chosen in rounds if chosen]
    encoder.encode(rounds[0])  # the first time is slower, and is not again
    return speed_of([_seconds(partial(encoder.encode, chosen)) / len(chosen) for chosen in rounds])


def measure_training(config: Config, training: Training) -> Speed:
    """Return the seconds for a token of training, where as many models are trained at once as there is room for.

    The model has its widths and its batch, and text of random tokens, which costs the same.

    Raises
    ------
    ComputeError
        Not even one sequence fits into memory.
    """
    import torch

    from climb_assets.training.proxy_training import make_model
    from climb_assets.training.train import train

    vocabulary, capacity = config.tokenizer.vocabulary, measure_capacity()
    gpu = resolve_device(config.runtime.device) == "cuda"
    memory = WORKER_BYTES + BYTES_PER_PARAMETER * estimate_parameters(training, vocabulary)
    layout = choose_layout(Resources(memory, gpu=gpu), config.runtime.workers, capacity)
    before = torch.get_num_threads()
    torch.set_num_threads(layout.threads)
    try:
        tokenizer = Path() if training.start is None else training.start / "tokenizer.json"
        model = make_model(training, vocabulary, tokenizer, SEED, config.runtime.device)

        def seconds(steps: int) -> float:
            plan = _random_plan(training, steps, int(model.config.vocab_size))
            return _seconds(lambda: train(model, plan, training))

        once = seconds(1)
        once = min(once, seconds(1))  # the first time is slower
        steps = max(1, min(round(ROUND_SECONDS / once), training.steps))
        measured = [seconds(steps) / steps for _ in range(ROUNDS)]
    finally:
        torch.set_num_threads(before)
    tokens = training.batch * training.sequence
    return speed_of([one / tokens / layout.workers for one in measured])


def _random_plan(training: Training, steps: int, vocabulary: int) -> SequencePlan:
    """Return a plan of so many steps over one domain of random tokens."""
    count = steps * training.batch
    length = count * training.sequence + 1
    tokens = generator(SEED, "tokens to measure by").integers(vocabulary, size=length, dtype=np.int32)
    stream = Stream(np.array([[0, 0, 0, length]]), np.array([0]))
    slots = np.stack([np.zeros(count, np.int64), np.arange(count)], axis=1)
    ones = np.ones(1)
    return SequencePlan(
        [tokens], {0: stream}, slots, training.sequence, training.batch, ones, np.array([length - 1]), ones
    )


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun

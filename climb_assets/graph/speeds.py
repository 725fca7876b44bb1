"""How fast this machine is at what takes longest, as `climb check` measured it on a sample.

What belongs here: the speeds, and the file of the lake that keeps them, so that estimates have something to rest on
before anything was made here. Measuring is `climb_assets.setup.measured_speeds`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from climb_assets.config import Config
from climb_assets.config_training import Training
from climb_assets.environment import resolve_device
from climb_assets.executor.capacity import measure_capacity
from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.files import write_atomically

FILE = Path("cache") / "speeds.json"  # in the lake


@dataclass(frozen=True)
class Speed:
    """Seconds for one of something, by the fastest and by the slowest measurement."""

    fastest: float
    slowest: float

    def times(self, count: float) -> tuple[float, float]:
        """Return the seconds that so many take, between these bounds."""
        return self.fastest * count, self.slowest * count

    @property
    def middle(self) -> float:
        """The seconds half-way between the bounds."""
        return (self.fastest + self.slowest) / 2


@dataclass(frozen=True)
class Speeds:
    """What was measured, of each thing under the settings and the machine that it was measured for.

    Parameters
    ----------
    embedding
        Of a text.
    training
        Of a token, where as many models are trained at once as there is room for.
    scoring_tokens
        The tokens that a proxy is trained on in the time in which it is scored on a task, on average; by the tasks'
        sizes, not measured.
    """

    embedding: Mapping[str, Speed]
    training: Mapping[str, Speed]
    scoring_tokens: float = 0.0

    @classmethod
    def load(cls, lake: Path) -> Self:
        """Return what a lake keeps; nothing where there is no such file or it is damaged: the next check writes it."""
        try:
            found = json.loads((lake / FILE).read_text(encoding="utf-8"))
            embedding, training = (
                {key: Speed(float(one["fastest"]), float(one["slowest"])) for key, one in found[kind].items()}
                for kind in ("embedding", "training")
            )
            return cls(embedding, training, float(found["scoring_tokens"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls({}, {})

    def save(self, lake: Path) -> None:
        """Keep them in a lake, in place of what it kept."""
        (lake / FILE).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(lake / FILE, json.dumps(asdict(self), indent=1).encode())

    def of_embedding(self, config: Config) -> Speed | None:
        """Return the speed of embedding a text by this configuration here; None: not measured."""
        return self.embedding.get(embedding_key(config))

    def of_training(self, config: Config, training: Training) -> Speed | None:
        """Return the speed of training a token of such a model here; None: not measured."""
        return self.training.get(training_key(config, training))


def embedding_key(config: Config) -> str:
    """Return what the speed of embedding depends on, as a key."""
    return _key(config.encoder.model_dump(mode="json"), config)


def training_key(config: Config, training: Training) -> str:
    """Return what the speed of training depends on, as a key; not how many tokens there are."""
    shape = training.model_dump(mode="json", exclude={"tokens", "snapshots"})
    return _key([shape, config.tokenizer.vocabulary], config)


def _key(settings: object, config: Config) -> str:
    runtime = config.runtime
    machine = [resolve_device(runtime.device), measure_capacity().cores, runtime.workers, runtime.threads]
    return sha256_text(canonical_json([settings, machine]))

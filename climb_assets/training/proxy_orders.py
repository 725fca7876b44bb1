"""What one proxy is made from: its seeds, and the orders of its model and of its scores.

What belongs here: identity. Equal work has one name, whoever asks for it: another candidate, objective or search over
the same lake. How the work is done is `proxy_training` and `proxy_scoring`, whose turn it is `swarm`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from climb_assets.config import Runtime
from climb_assets.config_tasks import HarnessTask
from climb_assets.config_training import Training
from climb_assets.randomness import derived_seed
from climb_assets.simplex.mixtures import DECIMALS, mixture_key
from climb_assets.store.artifacts import Artifact, Order, canonical_json, sha256_text
from climb_assets.store.store import Store
from climb_assets.training.tasks import Part

MODELS, SCORES = "proxy_models", "proxy_scores"
TRAIN = "climb_assets.training.proxy_training:train_proxy"  # the code that a model answers for
EVALUATE = "climb_assets.training.proxy_scoring:score_proxy"  # the code that scores answer for
COMMAND = "climb_assets.training.command_training:train_by_command"  # that of a model which a command trains
TELL = "climb_assets.training.told_models:put_told_model"  # that of a model which people train
REPORT = "climb_assets.training.reported:score_reported"  # that of scores which somebody else has measured


@dataclass(frozen=True)
class Proxy:
    """One model to train: its mixture, and which of the models of that mixture it is.

    All models of one `repeat` share what chance decides, whatever their mixtures; see `training_seed`.
    """

    weights: tuple[float, ...]
    repeat: int = 0

    @property
    def key(self) -> str:
        """The mixture's hash."""
        return mixture_key(self.weights)


@dataclass(frozen=True)
class TrainingData:
    """Where the training index is: the folder of `training_tokens`, its data version, each shard's token file."""

    version: str
    folder: Path
    tokens: Mapping[str, Path]


@dataclass(frozen=True)
class Conditions:
    """What all proxies of a swarm share.

    Parameters
    ----------
    vocabulary, tokenizer
        Entries and file of the tokenizer.
    search_seed
        The seed that every training seed is derived from.
    target_tokens
        Token budget whose repetition is simulated where the training asks for it.
    start
        Version of the folder that models are continued from, if any.
    train_code, evaluate_code
        Code hashes that the two stores answer for.
    runtime
        How fast: device, compilation, workers, time between checkpoints.
    trainer_files
        Versions of the files that decide what a trainer of the user's does, by their places.
    told
        Versions of what people have told, by the name of the question.
    environment, counted
        What else the numbers of models and scores may depend on, and the names of it that their orders answer for.
    """

    vocabulary: int
    tokenizer: Path
    search_seed: int
    target_tokens: int
    start: str | None
    train_code: Mapping[str, str]
    evaluate_code: Mapping[str, str]
    runtime: Runtime
    trainer_files: Mapping[str, str] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PreparedTask:
    """A part of a task as a worker needs it: its folder, and for lm-evaluation-harness what the harness is asked."""

    artifact: Artifact
    part: Part
    harness: HarnessTask | None = None


@dataclass(frozen=True)
class ProxyOrders:
    """Everything that one proxy is made from, and the orders that follow."""

    data: TrainingData
    conditions: Conditions
    training: Training
    tasks: Mapping[str, PreparedTask]
    proxy: Proxy

    def of_model(self) -> Order:
        """Return the order of the trained model.

        The weights tell mixtures apart and the seeds do not: they come from the search and the repeat. A model that
        somebody else measures is one with its losses, so its order has the tasks too.
        """
        conditions = self.conditions
        inputs, config = self._made_from()
        if self.training.trainer == "ask":
            config["told"] = conditions.told.get(self.question)
        code, environment = conditions.train_code, conditions.environment
        return Order(MODELS, None, inputs, config, code, environment, conditions.counted)

    @property
    def question(self) -> str:
        """The name of the model where people train it: no code of climb's changes what they are asked for."""
        return sha256_text(canonical_json(self._made_from()))[:16]

    def _made_from(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the inputs and the settings of the trained model."""
        conditions, repeat = self.conditions, self.proxy.repeat
        config: dict[str, Any] = {
            "weights": [round(weight, DECIMALS) for weight in self.proxy.weights],
            "training": self.training.model_dump(mode="json", exclude={"start", "size", "trainer"})
            | self.widths()
            | self.training.trained_by,
            "seed": training_seed(conditions.search_seed, repeat),
            "vocabulary": conditions.vocabulary,
        }
        if self.training.simulate_epochs:
            seed = supply_seed(conditions.search_seed, repeat)
            config["supply"] = {"target_tokens": conditions.target_tokens, "seed": seed}
        inputs = {"training_tokens": self.data.version}
        if conditions.start is not None:
            inputs["start"] = conditions.start
        inputs |= {f"trainer:{place}": version for place, version in conditions.trainer_files.items()}
        if self.training.measured_by_trainer:
            inputs |= {f"task:{name}": task.artifact.data_version for name, task in self.tasks.items()}
        return inputs, config

    def widths(self) -> dict[str, int]:
        """Return the widths of the model, so that a named size and its numbers are the same work."""
        return {} if self.training.start is not None else self.training.shape._asdict()

    def of_scores(self, model: Artifact, name: str) -> Order:
        """Return the order of a trained model's scores on the task of this name."""
        task = self.tasks[name]
        inputs = {"proxy_model": model.data_version, f"task:{name}": task.artifact.data_version}
        config = {"sequence": self.training.sequence, "part": task.part}
        code, environment = self.conditions.evaluate_code, self.conditions.environment
        return Order(SCORES, None, inputs, config, code, environment, self.conditions.counted)


def training_code(training: Training) -> str:
    """Return the function that trains, as ``module:name``: the code that a model answers for."""
    return TRAIN if training.trainer is None else TELL if training.trainer == "ask" else COMMAND


def scoring_code(training: Training) -> str:
    """Return the function that scores, as ``module:name``: the code that scores answer for."""
    return REPORT if training.measured_by_trainer else EVALUATE


def training_seed(search_seed: int, repeat: int) -> int:
    """Return the seed of a model's first weights and of the order of its text: common random numbers.

    Mixtures that are compared on one repeat begin with the same weights and read each domain's documents in the same
    order, so their losses err together and their difference errs less (Glasserman and Yao 1992).
    """
    return derived_seed(search_seed, "train", repeat)


def supply_seed(search_seed: int, repeat: int) -> int:
    """Return the seed of the part of each domain that a proxy draws from; see `sequence_plan.simulate_supply`."""
    return derived_seed(search_seed, "supply", repeat)


def find_kept(store: Store, order: Order) -> Artifact | None:
    """Return the artefact of one of the two stores, unless it is absent or has lost a file."""
    found = store.find(order.asset, order.partition, order.fingerprint)
    return found if found is not None and found.is_complete() else None


def snapshots_of(model: Artifact) -> list[int]:
    """Return the token counts at which a model's weights were kept before its end."""
    counts: list[int] = model.summary["snapshots"]
    return counts

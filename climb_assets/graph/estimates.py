"""What making something will cost, by what it took here before; what nobody has measured is unknown.

What belongs here: seconds and bytes from a configuration and from the facts of earlier runs. What is stale belongs to
`climb_assets.graph.planner`.

Training and scoring are by far the most of it and grow with tokens times parameters, so they are scaled by that against
the rate of the models that were trained here, those nearest in size: a small one leaves a core half idle, so its rate
would promise twice the time for a large one. Before anything was made, what `climb check` measured is in its place, for
embeddings too. All else is taken to last as it did, and where its settings changed nobody knows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import log
from statistics import fmean, median
from typing import Any

from climb_assets.config import Config
from climb_assets.config_training import Training
from climb_assets.environment import resolve_device
from climb_assets.executor.capacity import measure_capacity
from climb_assets.graph.hashed_settings import iteration_number
from climb_assets.graph.speeds import Speeds
from climb_assets.graph.training_settings import training_settings
from climb_assets.sizes import estimate_parameters
from climb_assets.store.artifacts import Artifact, canonical_json
from climb_assets.store.store import Store

Node = tuple[str, str | None]

SCORING_TOKENS = "scoring_tokens"  # in the facts of a run of proxy_results; see `measure_scoring`
KEPT_BYTES = 4  # a parameter of a kept one, in float32
SEARCHING, SHARING = {"climb"}, {"regmix", "olmix"}  # baselines with a swarm of their own, and with one for all
TRAINING = {"proxy_results", "baseline_mixtures", "confirmation_results", "proxy_fidelity", "target_comparison"}
OF_AN_OBJECTIVE = SEARCHING | SHARING  # the others are one mixture for every objective, so their models are found again


@dataclass(frozen=True)
class Models:
    """Models of one kind that are trained: at most so many, since those that are kept are not trained again.

    Parameters
    ----------
    tasks
        On how many each is scored, at its snapshots and at its end.
    """

    count: int
    training: Training
    tasks: int

    @property
    def points(self) -> int:
        """At how many points of its training a model is scored and kept."""
        return 1 + len(self.training.snapshots)

    def work(self, vocabulary: int, scoring_tokens: float) -> float:
        """Return tokens times parameters of all of them, with what scoring them takes.

        Parameters
        ----------
        scoring_tokens
            The tokens that a model is trained on in the time in which it is scored once on one task.
        """
        tokens = self.training.trained_tokens
        training = self.count * tokens * estimate_parameters(self.training, vocabulary)
        return training + self.scoring_work(vocabulary, scoring_tokens)

    def scoring_work(self, vocabulary: int, scoring_tokens: float) -> float:
        """Return what scoring all of them takes, in tokens times parameters; see `work`."""
        tokens = self.count * self.points * self.tasks * scoring_tokens
        return tokens * estimate_parameters(self.training, vocabulary)

    def bytes(self, vocabulary: int) -> int:
        """Return the bytes of their weights on the disk, those at snapshots too."""
        return self.count * self.points * KEPT_BYTES * estimate_parameters(self.training, vocabulary)


def count_deciding(config: Config) -> int:
    """Return how many tasks decide."""
    return sum(task.split == "search_eval" for task in config.tasks.values())


def models_of(asset: str, partition: str | None, config: Config) -> list[Models]:
    """Return the models that making a partition trains; none where it trains none, as those not of `TRAINING` do.

    Those that all objectives share count for the first one alone.
    """
    search, baselines, target = config.search, set(config.baselines.mixtures), config.target
    first = partition == next(iter(config.objectives))
    own = baselines if first else baselines & OF_AN_OBJECTIVE
    every, deciding = len(config.tasks), count_deciding(config)
    match asset:
        case "proxy_results":
            number = iteration_number(str(partition))
            repeated = search.anchors * search.repeats if number == 1 else 0
            found = [Models(search.iterations[number - 1] + repeated, config.proxy, deciding)]
        case "baseline_mixtures":
            swarms = (first and bool(baselines & SHARING)) + len(baselines & SEARCHING)
            found = [Models(swarms * sum(search.iterations), config.proxy, deciding)]
            found += [Models(2 * ("doremi" in own), config.proxy, 0)]
        case "confirmation_results":
            listed = search.choice.measured + 1 + (search.choice.average > 0)
            asked = (listed + len(own)) * search.choice.seeds if search.choice.rule == "confirmed" else 0
            found = [Models(asked, config.proxy, deciding)]
        case "proxy_fidelity":
            mixtures = config.fidelity.mixtures + 2 if config.fidelity.mixtures else 0  # uniform and proportional too
            found = [Models(mixtures * config.fidelity.seeds, target.training, deciding)]
            found += [Models(mixtures, training, deciding) for training in config.fidelity.settings.values()]
        case "target_comparison":
            found = [Models((1 + len(own)) * len(target.seeds), target.training, every)]
        case _:
            found = []
    return [models for models in found if models.count]


@dataclass
class Estimates:
    """What partitions will take, from what the current ones took.

    Parameters
    ----------
    current
        The current artefact of each partition.
    """

    config: Config
    store: Store
    current: Mapping[Node, Artifact | None]
    _averages: dict[str, float | None] = field(init=False, default_factory=dict)
    _rates: dict[str, dict[int, list[float]]] = field(init=False, default_factory=dict)

    def seconds(self, node: Node, *, changed: bool, renewed: bool = False) -> float | None:
        """Return the seconds that making a partition will take; None: nobody has measured anything like it.

        Parameters
        ----------
        changed
            Whether its settings or its device are others than last time.
        renewed
            Whether the training tokens are made anew, so that all models there are will be of an earlier search.
        """
        if node[0] == "carried_evidence" and (carried := self._count_carried(renewed=renewed)):
            return self._scoring_seconds(carried)
        last, models = self.current[node], models_of(*node, self.config)
        if models and (last is None or changed):
            return self._training_seconds(models)
        if not models and node[0] in TRAINING:
            return 0.0 if last is None else _took(last)
        seconds = None
        if not changed:
            seconds = _took(last) if last is not None else self._average(node[0])
        return self._embedding_seconds(node[1]) if seconds is None and node[0] == "embeddings" else seconds

    def _embedding_seconds(self, shard: str | None) -> float | None:
        """Return the seconds of embedding a shard that was read, by the speed that `climb check` measured."""
        documents, speed = self.current.get(("corpus_shards", shard)), self._speeds.of_embedding(self.config)
        if documents is None or speed is None:
            return None
        return round(int(documents.summary["kept"]) * speed.middle, 1)

    def _training_seconds(self, models: Iterable[Models]) -> float | None:
        vocabulary, seconds = self.config.tokenizer.vocabulary, 0.0
        for one in models:
            rate = self._rate(one.training)
            if rate is None:
                return None
            seconds += one.work(vocabulary, self._scoring_tokens) / rate
        return round(seconds, 1)

    def _count_carried(self, *, renewed: bool) -> int:
        """Return how many kept models of earlier searches may be scored on the tasks of today, at most."""
        if not self.config.search.carry:
            return 0
        asked, today = training_settings(self.config, self.config.proxy), self.current.get(("training_tokens", None))
        asked.pop("target_tokens", None)
        return sum(
            model.manifest["config"]["training"] == asked
            and (renewed or today is None or model.manifest["inputs"]["training_tokens"] != today.data_version)
            for model in self.store.all_of("proxy_models")
        )

    def _scoring_seconds(self, count: int) -> float | None:
        rate = self._rate(self.config.proxy)
        if rate is None:
            return None
        kept = Models(count, self.config.proxy, count_deciding(self.config))
        return round(kept.scoring_work(self.config.tokenizer.vocabulary, self._scoring_tokens) / rate, 1)

    @cached_property
    def _scoring_tokens(self) -> float:
        """Tokens that a proxy is trained on in the time in which it is scored on a task; 0 where nobody knows."""
        results = [item for (asset, _), item in self.current.items() if asset == "proxy_results" and item is not None]
        measured = [float(item.run[SCORING_TOKENS]) for item in results if SCORING_TOKENS in item.run]
        return median(measured) if measured else self._speeds.scoring_tokens

    @cached_property
    def _speeds(self) -> Speeds:
        return Speeds.load(self.config.lake)

    def _rate(self, training: Training) -> float | None:
        """Return the tokens times parameters that are trained in a second on all that this machine may use.

        It is that of models with the same trainer, of those that are nearest in size; where none was trained, that of
        `climb check`; else None.
        """
        known = self._rates_by_size(training)
        wanted = estimate_parameters(training, self.config.tokenizer.vocabulary)
        if not known:
            speed = self._speeds.of_training(self.config, training)
            return None if speed is None else wanted / speed.middle
        nearest = min(known, key=lambda parameters: abs(log(parameters / max(wanted, 1))))
        runtime, lanes = self.config.runtime, measure_capacity().cores if self._device == "cpu" else 1
        if runtime.workers is not None and self._device == "cpu":
            lanes = min(lanes, runtime.workers * (runtime.threads or 1))
        return median(known[nearest]) * lanes

    @cached_property
    def _device(self) -> str:
        return resolve_device(self.config.runtime.device)

    def _rates_by_size(self, training: Training) -> dict[int, list[float]]:
        """Return the rates, on one core or one GPU, of the models with the same trainer, by their parameters."""
        trainer = canonical_json(training.trained_by.get("trainer"))
        if trainer not in self._rates:
            found: dict[int, list[float]] = {}
            for model in self.store.all_of("proxy_models"):
                run, parameters = model.run, model.summary["parameters"]
                if canonical_json(model.manifest["config"]["training"].get("trainer")) != trainer:
                    continue
                if str(run.get("device", "")).startswith(self._device) and run.get("tokens_per_second", 0) > 0:
                    share = (run.get("threads") or 1) if self._device == "cpu" else 1
                    found.setdefault(parameters, []).append(run["tokens_per_second"] * parameters / share)
            self._rates[trainer] = found
        return self._rates[trainer]

    def _average(self, asset: str) -> float | None:
        """Return the seconds that the partitions of an asset took on average, worked out once."""
        if asset not in self._averages:
            took = [_took(item) for node, item in self.current.items() if node[0] == asset and item is not None]
            known = [seconds for seconds in took if seconds is not None]
            self._averages[asset] = round(fmean(known), 1) if known else None
        return self._averages[asset]


def _took(artifact: Artifact) -> float | None:
    """Return the seconds that a partition took last time; None where the file that says it is lost."""
    seconds = artifact.run.get("seconds")
    return round(float(seconds), 1) if isinstance(seconds, int | float) else None


def measure_scoring(scored: Iterable[tuple[float, Mapping[str, Any], int]]) -> dict[str, float]:
    """Return what scoring took, as a fact of a run: in tokens that a model is trained on in the time (median).

    Nothing where nothing was scored.

    Parameters
    ----------
    scored
        Of each model the seconds in which it was scored, the facts of its training, and how often it was scored: tasks
        times points of the training.
    """
    tokens = [seconds * float(run.get("tokens_per_second", 0.0)) / times for seconds, run, times in scored]
    return {SCORING_TOKENS: median(tokens)} if tokens else {}


@dataclass(frozen=True)
class Cost:
    """What bringing everything up to date costs at most: seconds of what is known, what is not, bytes of models."""

    seconds: float
    unknown: tuple[str, ...]
    model_bytes: int

    def in_words(self) -> str:
        """Return it as people read it."""
        if self.unknown:
            more = f" and {len(self.unknown) - 3} more" if len(self.unknown) > 3 else ""
            text = (
                f"about {in_hours(self.seconds)} for what was measured here before" if self.seconds else "time unknown"
            )
            text += f", not known for {', '.join(self.unknown[:3])}{more}"
        else:
            text = f"about {in_hours(self.seconds)} if all are redone"
        return text + (f"; up to {self.model_bytes / 1e9:,.1f} GB of models" if self.model_bytes > 1e8 else "")


def in_hours(seconds: float) -> str:
    """Return a time as people say it: in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:,.0f} hours"


def add_up(items: Iterable[tuple[str, str | None, float | None]], config: Config) -> Cost:
    """Return what some partitions cost together, each with its seconds."""
    seconds, size, unknown = 0.0, 0, dict[str, None]()
    for asset, partition, took in items:
        size += sum(models.bytes(config.tokenizer.vocabulary) for models in models_of(asset, partition, config))
        if took is None:
            unknown[asset] = None
        else:
            seconds += took
    return Cost(seconds, tuple(unknown), size)

"""The asset graph as data: what each asset is made from.

What belongs here: one `Recipe` per asset, naming its inputs, the settings it uses and the modules it
calls. Dagster's dependencies, the planner and every fingerprint are read off these recipes, so they cannot
disagree. How an asset is made belongs to the `assets.py` of its stage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from climb_assets.config import ChoiceTask, Config, Section

Dimension = Literal["shard", "iteration", "objective"]
Reach = Literal["same", "all", "last", "previous"]


@dataclass(frozen=True)
class Input:
    """One input of an asset.

    Parameters
    ----------
    asset
        Name of the asset that is read.
    reach
        Which of its partitions: the same key, all of them, the last one, or the one before.
    drawn
        Whether Dagster is told. Candidates read the predictor of the iteration before, which Dagster would
        take for a cycle between asset keys; the manifest, the planner and the audit know it all the same.
    """

    asset: str
    reach: Reach = "same"
    drawn: bool = True


@dataclass(frozen=True)
class Recipe:
    """How one asset comes about, apart from the computing itself.

    Parameters
    ----------
    settings
        The configuration values that the asset uses, given the configuration and the partition key.
    files
        Files or folders outside the lake whose content it uses, by name.
    faithful
        Whether its content changes whenever an input's does, so that what lies behind it is certain too.
    """

    asset: str
    group: str
    dimension: Dimension | None = None
    inputs: tuple[Input, ...] = ()
    modules: tuple[str, ...] = ()
    settings: Callable[[Config, str | None], dict[str, Any]] = lambda config, key: {}
    files: Callable[[Config], dict[str, Path]] = lambda config: {}
    kinds: tuple[str, ...] = ("python",)
    faithful: bool = False


def iteration_keys(config: Config) -> list[str]:
    """Return the partition keys of the search, ``iteration-01`` onwards."""
    return [f"iteration-{number:02d}" for number in range(1, len(config.search.iterations) + 1)]


def iteration_number(key: str) -> int:
    """Return the number of an iteration's partition key, from 1."""
    return int(key.removeprefix("iteration-"))


def _values(section: Section, *without: str) -> dict[str, Any]:
    return section.model_dump(mode="json", exclude=set(without))


def _tokenizer_files(config: Config) -> dict[str, Path]:
    return {"tokenizer": config.tokenizer.path} if config.tokenizer.path else {}


def _encoder(config: Config, key: str | None) -> dict[str, Any]:
    # A folder counts by its content, so that it can be moved; a hub model by its name and revision.
    local = Path(config.encoder.model).is_dir()
    settings = _values(config.encoder, *(("model", "revision") if local else ()))
    # Parts decide which documents share a batch, and so the last bits of a vector.
    return {"encoder": settings, "part_documents": config.corpus.part_documents}


def _encoder_files(config: Config) -> dict[str, Path]:
    folder = Path(config.encoder.model)
    return {"encoder": folder} if folder.is_dir() else {}


def _search(config: Config, key: str | None) -> dict[str, Any]:
    assert key is not None
    plan = config.search.iterations[iteration_number(key) - 1]
    first = iteration_number(key) == 1
    shared = _values(config.search, "iterations", *(("predictor", "top") if first else ("predictor",)))
    return {"search": shared, "candidates": plan} | ({} if first else {"objectives": config.objectives})


def task_settings(config: Config, *, deciding_only: bool) -> dict[str, Any]:
    """Return the tasks as configured; a file counts by its content, so its path is left out."""
    return {
        name: _values(task, "path") if isinstance(task, ChoiceTask) else _values(task)
        for name, task in config.tasks.items()
        if not deciding_only or task.split == "search_eval"
    }


def _task_files(config: Config, *, deciding_only: bool) -> dict[str, Path]:
    return {
        f"task-{name}": task.path
        for name, task in config.tasks.items()
        if isinstance(task, ChoiceTask) and (not deciding_only or task.split == "search_eval")
    }


TRAINING_MODULES = ("proxy.model", "proxy.batches", "proxy.spans", "proxy.train")
EVALUATION_MODULES = ("proxy.evaluation",)
TASK_MODULES = ("proxy.tasks",)

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "tokenizer",
        "corpus",
        modules=("corpus.tokenizer",),
        settings=lambda config, key: {"tokenizer": _values(config.tokenizer, "path")},
        files=_tokenizer_files,
        kinds=("python", "huggingface"),
    ),
    Recipe("raw_shards", "corpus", "shard", modules=("corpus.listing",), faithful=True),
    Recipe(
        "corpus_shards",
        "corpus",
        "shard",
        inputs=(Input("raw_shards"),),
        modules=("corpus.ingest",),
        settings=lambda config, key: {"corpus": _values(config.corpus, "raw", "part_documents")},
        kinds=("python", "parquet"),
    ),
    Recipe(
        "tokenized_shards",
        "corpus",
        "shard",
        inputs=(Input("corpus_shards"), Input("tokenizer")),
        modules=("corpus.tokens",),
        kinds=("python", "numpy"),
    ),
    Recipe(
        "embeddings",
        "embeddings",
        "shard",
        inputs=(Input("corpus_shards"),),
        modules=("embeddings.encoder", "embeddings.embed"),
        settings=_encoder,
        files=_encoder_files,
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "quality_scores",
        "embeddings",
        "shard",
        inputs=(Input("corpus_shards"),),
        modules=("clusters.quality",),
        settings=lambda config, key: {"quality": _values(config.quality, "models")},
        files=lambda config: {f"quality-{name}": path for name, path in config.quality.models.items()},
        kinds=("python", "parquet"),
    ),
    Recipe(
        "corpus_manifest",
        "clusters",
        inputs=(
            Input("raw_corpus"),
            Input("corpus_shards", "all", drawn=False),
            Input("tokenized_shards", "all"),
            Input("embeddings", "all"),
            Input("quality_scores", "all"),
        ),
        modules=("corpus.manifest",),
        kinds=("duckdb", "parquet"),
    ),
    Recipe(
        "cluster_model",
        "clusters",
        inputs=(Input("corpus_manifest"),),
        modules=("clusters.kmeans",),
        settings=lambda config, key: {
            "clusters": _values(config.clusters, "prune", "merge_distance", "domains", "terms")
        },
        kinds=("python", "faiss"),
    ),
    Recipe(
        "cluster_assignments",
        "clusters",
        "shard",
        inputs=(Input("embeddings"), Input("cluster_model")),
        modules=("clusters.kmeans",),
        kinds=("python", "faiss"),
    ),
    Recipe(
        "cluster_statistics",
        "clusters",
        inputs=(Input("corpus_manifest"), Input("cluster_assignments", "all")),
        modules=("clusters.statistics",),
        kinds=("duckdb",),
    ),
    Recipe(
        "domains",
        "clusters",
        inputs=(
            Input("cluster_model"),
            Input("cluster_statistics"),
            Input("corpus_manifest", drawn=False),
            Input("cluster_assignments", "all", drawn=False),
        ),
        modules=("clusters.domains", "clusters.terms", "clusters.agreement"),
        settings=lambda config, key: {
            "clusters": {
                name: getattr(config.clusters, name) for name in ("prune", "merge_distance", "domains", "terms")
            }
        },
        kinds=("python", "scikitlearn"),
    ),
    Recipe(
        "training_tokens",
        "search",
        inputs=(Input("domains"), Input("cluster_assignments", "all"), Input("corpus_manifest")),
        modules=("proxy.spans",),
        kinds=("duckdb", "numpy"),
    ),
    Recipe(
        "mixture_candidates",
        "search",
        "iteration",
        inputs=(Input("domains"), Input("predictor_state", "previous", drawn=False)),
        modules=("search.proposal", "search.iteration"),
        settings=_search,
        kinds=("python", "lightgbm"),
    ),
    Recipe(
        "proxy_results",
        "search",
        "iteration",
        inputs=(Input("mixture_candidates"), Input("training_tokens"), Input("tokenizer", drawn=False)),
        modules=(*TRAINING_MODULES, *EVALUATION_MODULES, *TASK_MODULES),
        settings=lambda config, key: {
            "proxy": _values(config.proxy),
            "tasks": task_settings(config, deciding_only=True),
            "seed": config.search.seed,
        },
        files=lambda config: _task_files(config, deciding_only=True),
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "predictor_state",
        "search",
        "iteration",
        inputs=(Input("mixture_candidates", drawn=False), Input("proxy_results"), Input("predictor_state", "previous")),
        modules=("search.iteration", "search.predictor"),
        settings=lambda config, key: {
            "predictor": _values(config.search.predictor),
            "seed": config.search.seed,
            "objectives": config.objectives,
        },
        kinds=("python", "lightgbm"),
    ),
    Recipe(
        "baseline_mixtures",
        "search",
        "objective",
        inputs=(Input("domains"), Input("training_tokens"), Input("proxy_results", "all")),
        modules=("search.baselines",),
    ),
    Recipe(
        "optimal_mixture",
        "mixture",
        "objective",
        inputs=(Input("domains", drawn=False), Input("predictor_state", "last"), Input("proxy_results", "all")),
        modules=("mixture.selection",),
        settings=lambda config, key: {
            "search": _values(config.search, "iterations"),
            "objective": config.objectives[str(key)],
        },
        kinds=("python", "lightgbm"),
    ),
    Recipe(
        "target_comparison",
        "mixture",
        "objective",
        inputs=(
            Input("optimal_mixture"),
            Input("baseline_mixtures"),
            Input("training_tokens"),
            Input("tokenizer", drawn=False),
        ),
        modules=(*TRAINING_MODULES, *EVALUATION_MODULES, *TASK_MODULES, "mixture.comparison"),
        settings=lambda config, key: {
            "target": _values(config.target),
            "tasks": task_settings(config, deciding_only=False),
            "objective": config.objectives[str(key)],
            "seed": config.search.seed,
        },
        files=lambda config: _task_files(config, deciding_only=False),
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "mixed_corpus",
        "mixture",
        "objective",
        inputs=(
            Input("optimal_mixture"),
            Input("domains"),
            Input("training_tokens", drawn=False),
            Input("corpus_shards", "all"),
        ),
        modules=("mixture.realisation", "mixture.corpus_writer"),
        settings=lambda config, key: {"mixture": _values(config.mixture)},
        kinds=("duckdb", "parquet"),
    ),
    Recipe(
        "audit_bundle",
        "audit",
        "objective",
        inputs=(Input("mixed_corpus"), Input("target_comparison")),
        modules=("audit.bundle",),
        kinds=("python",),
    ),
)

SEARCH = ("mixture_candidates", "proxy_results", "predictor_state")  # the three outputs of one iteration
RECIPE = {recipe.asset: recipe for recipe in RECIPES}

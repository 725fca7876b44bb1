"""The asset graph as data: what each asset is made from.

What belongs here: one `Recipe` per asset, naming its inputs, the settings it uses and the modules it
calls. Dagster's dependencies, the planner and every fingerprint are read off these recipes, so they cannot
disagree. How an asset is made belongs to the `assets.py` of its stage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from climb_assets.config import Config
from climb_assets.settings_used import (
    REPEATED,
    encoder_files,
    encoder_settings,
    fidelity_files,
    fidelity_settings,
    proxy_settings,
    search_settings,
    start_files,
    task_files,
    task_settings,
    tokenizer_files,
    training_settings,
    values_of,
)

Dimension = Literal["shard", "iteration", "objective"]
Reach = Literal["same", "all", "first", "last", "previous"]


@dataclass(frozen=True)
class Input:
    """One input of an asset.

    Parameters
    ----------
    asset
        Name of the asset that is read.
    reach
        Which of its partitions: the same key, all of them, the first or the last one, or the one before.
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


def artefact_name(asset: str, partition: str | None) -> str:
    """Return an artefact's name as manifests write it: ``asset`` or ``asset@partition``."""
    return asset if partition is None else f"{asset}@{partition}"


def hidden(*assets: str) -> tuple[Input, ...]:
    """Return all partitions of assets as inputs that are not drawn, since another input carries their versions."""
    return tuple(Input(asset, "all", drawn=False) for asset in assets)


def iteration_key(number: int) -> str:
    """Return the partition key of an iteration, from 1."""
    return f"iteration-{number:02d}"


def iteration_keys(config: Config) -> list[str]:
    """Return the partition keys of the search, ``iteration-01`` onwards."""
    return [iteration_key(number) for number in range(1, len(config.search.iterations) + 1)]


TRAINING_MODULES = ("proxy.model", "proxy.batches", "proxy.spans", "proxy.train")
EVALUATION_MODULES = ("proxy.evaluation",)
TASK_MODULES = ("proxy.tasks",)
HARNESS_MODULES = ("proxy.harness",)  # of tasks that lm-evaluation-harness scores

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "tokenizer",
        "corpus",
        modules=("corpus.tokenizer",),
        settings=lambda config, key: {"tokenizer": values_of(config.tokenizer, "path")},
        files=tokenizer_files,
        kinds=("python", "huggingface"),
    ),
    Recipe("raw_shards", "corpus", "shard", modules=("corpus.listing",), faithful=True),
    Recipe(
        "corpus_shards",
        "corpus",
        "shard",
        inputs=(Input("raw_shards"),),
        modules=("corpus.ingest",),
        settings=lambda config, key: {"corpus": values_of(config.corpus, "raw", "part_documents")},
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
        settings=encoder_settings,
        files=encoder_files,
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "quality_scores",
        "embeddings",
        "shard",
        inputs=(Input("corpus_shards"),),
        modules=("clusters.quality",),
        settings=lambda config, key: {"quality": values_of(config.quality, "models")},
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
        inputs=(Input("corpus_manifest"), *hidden("corpus_shards", "embeddings")),
        modules=("clusters.kmeans",),
        settings=lambda config, key: {
            "clusters": values_of(config.clusters, "prune", "merge_distance", "domains", "terms")
        },
        kinds=("python", "faiss"),
    ),
    Recipe(
        "cluster_assignments",
        "clusters",
        "shard",
        inputs=(Input("corpus_shards", drawn=False), Input("embeddings"), Input("cluster_model")),
        modules=("clusters.kmeans",),
        kinds=("python", "faiss"),
    ),
    Recipe(
        "cluster_statistics",
        "clusters",
        inputs=(
            Input("corpus_manifest"),
            Input("cluster_assignments", "all"),
            *hidden("corpus_shards", "tokenized_shards", "quality_scores"),
        ),
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
            *hidden("corpus_shards", "tokenized_shards", "quality_scores", "cluster_assignments"),
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
        inputs=(
            Input("domains"),
            Input("cluster_assignments", "all"),
            Input("corpus_manifest"),
            *hidden("corpus_shards", "tokenized_shards"),
        ),
        modules=("proxy.spans",),
        kinds=("duckdb", "numpy"),
    ),
    Recipe(
        "mixture_candidates",
        "search",
        "iteration",
        inputs=(Input("domains"), Input("predictor_state", "previous", drawn=False)),
        modules=("search.proposal", "search.iteration"),
        settings=search_settings,
        kinds=("python", "lightgbm"),
    ),
    Recipe(
        "proxy_results",
        "search",
        "iteration",
        inputs=(
            Input("mixture_candidates"),
            Input("training_tokens"),
            Input("tokenizer", drawn=False),
            *hidden("tokenized_shards"),
        ),
        modules=(*TRAINING_MODULES, *EVALUATION_MODULES, *TASK_MODULES),
        settings=proxy_settings,
        files=lambda config: task_files(config, deciding_only=True) | start_files({"proxy": config.proxy}),
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "predictor_state",
        "search",
        "iteration",
        inputs=(Input("mixture_candidates", drawn=False), Input("proxy_results"), Input("predictor_state", "previous")),
        modules=("search.iteration", "search.predictor", "proxy.noise"),
        settings=lambda config, key: {
            "predictor": values_of(config.search.predictor),
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
        "proxy_fidelity",
        "search",
        inputs=(
            Input("domains"),
            Input("mixture_candidates", "first"),
            Input("training_tokens"),
            Input("tokenizer", drawn=False),
            *hidden("tokenized_shards"),
        ),
        modules=(*TRAINING_MODULES, *EVALUATION_MODULES, *TASK_MODULES, "proxy.fidelity", "search.baselines"),
        settings=fidelity_settings,
        files=fidelity_files,
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "optimal_mixture",
        "mixture",
        "objective",
        inputs=(Input("domains", drawn=False), Input("predictor_state", "last"), Input("proxy_results", "all")),
        modules=("mixture.selection",),
        settings=lambda config, key: {
            "search": values_of(config.search, "iterations", *REPEATED),
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
            *hidden("tokenized_shards"),
        ),
        modules=(*TRAINING_MODULES, *EVALUATION_MODULES, *TASK_MODULES, "mixture.comparison"),
        settings=lambda config, key: {
            "target": values_of(config.target, "training")
            | {"training": training_settings(config, config.target.training)},
            "tasks": task_settings(config, deciding_only=False),
            "objective": config.objectives[str(key)],
            "seed": config.search.seed,
        },
        files=lambda config: task_files(config, deciding_only=False) | start_files({"target": config.target.training}),
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "mixed_corpus",
        "mixture",
        "objective",
        inputs=(
            Input("optimal_mixture"),
            Input("domains"),
            Input("corpus_shards", "all"),
            Input("corpus_manifest", drawn=False),
            *hidden("tokenized_shards", "cluster_assignments"),
        ),
        modules=("mixture.realisation", "mixture.corpus_writer"),
        settings=lambda config, key: {"mixture": values_of(config.mixture)},
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

"""The asset graph as data: what each asset is made from.

What belongs here: one `Recipe` per asset, naming its inputs, the settings it uses and the modules it
calls. Dagster's dependencies, the planner and every fingerprint are read off these recipes, so they cannot
disagree. How an asset is made belongs to the `assets.py` of its stage.
"""

from climb_assets.recipe import Input, Recipe, hidden
from climb_assets.settings_used import (
    baseline_files,
    baseline_settings,
    choice_settings,
    confirmation_settings,
    encoder_files,
    encoder_settings,
    evidence_files,
    fidelity_files,
    fidelity_settings,
    proxy_files,
    proxy_settings,
    search_settings,
    start_files,
    task_files,
    task_settings,
    tokenizer_files,
    training_settings,
    values_of,
)

TRAINING_MODULES = ("proxy.model", "proxy.batches", "proxy.spans", "proxy.train")
EVALUATION_MODULES = ("proxy.evaluation",)
DOREMI_MODULES = ("proxy.doremi",)  # beside those of training
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
        modules=("search.space",),
        settings=search_settings,
        files=evidence_files,
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
        files=proxy_files,
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "predictor_state",
        "search",
        "iteration",
        inputs=(
            Input("domains", drawn=False),
            Input("mixture_candidates", drawn=False),
            Input("proxy_results"),
            Input("predictor_state", "previous"),
        ),
        modules=("search.iteration", "search.predictor", "search.swarm_table", "proxy.noise"),
        settings=lambda config, key: {
            "predictor": values_of(config.search.predictor),
            "seed": config.search.seed,
            "objectives": config.objectives,
        },
        files=evidence_files,
        kinds=("python", "lightgbm"),
    ),
    Recipe(
        "baseline_mixtures",
        "search",
        "objective",
        inputs=(
            Input("domains"),
            Input("training_tokens"),
            Input("tokenizer", drawn=False),
            Input("proxy_results", "all"),
            *hidden("tokenized_shards"),
        ),
        modules=(
            *TRAINING_MODULES,
            *EVALUATION_MODULES,
            *TASK_MODULES,
            *DOREMI_MODULES,
            "search.baselines",
            "search.baseline_searches",
        ),
        settings=baseline_settings,
        files=baseline_files,
        kinds=("pytorch", "lightgbm"),
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
        "confirmation_results",
        "mixture",
        "objective",
        inputs=(
            Input("predictor_state", "last"),
            Input("baseline_mixtures"),
            Input("training_tokens"),
            Input("domains", drawn=False),
            Input("tokenizer", drawn=False),
            *hidden("tokenized_shards"),
        ),
        modules=(*TRAINING_MODULES, *EVALUATION_MODULES, *TASK_MODULES, "mixture.choice"),
        settings=confirmation_settings,
        files=proxy_files,
        kinds=("pytorch", "huggingface"),
    ),
    Recipe(
        "optimal_mixture",
        "mixture",
        "objective",
        inputs=(
            Input("domains", drawn=False),
            Input("predictor_state", "last"),
            Input("proxy_results", "all"),
            Input("baseline_mixtures", drawn=False),
            Input("confirmation_results"),
        ),
        modules=("mixture.choice",),
        settings=choice_settings,
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

"""The asset graph as data: what each asset is made from.

What belongs here: one `Spec` per asset: inputs and settings. Dagster's dependencies, the planner and every fingerprint
are read off these, so they cannot disagree. How an asset is made is the function of its name in its stage.
"""

from collections.abc import Collection

from climb_assets.config import Config
from climb_assets.environment import resolve_precision
from climb_assets.graph.hashed_settings import (
    baseline_files,
    baseline_settings,
    centroid_settings,
    choice_files,
    choice_settings,
    confirmation_settings,
    contamination_settings,
    domain_settings,
    encoder_commit,
    encoder_files,
    encoder_settings,
    evidence_files,
    fidelity_files,
    fidelity_settings,
    ingest_settings,
    manifest_settings,
    proxy_files,
    proxy_settings,
    score_files,
    score_settings,
    search_settings,
    signature_settings,
    snapshot_settings,
    start_files,
    task_files,
    task_settings,
    tokenizer_files,
    training_precision,
    training_settings,
    values_of,
)
from climb_assets.graph.spec import PREDICTOR, Input, Spec, hidden

SOURCES_IN_CORPUS = ("corpus_manifest", "climb_assets.training.task_files:check_corpus_sources")
SOURCES_IN_SNAPSHOT = ("training_tokens", "climb_assets.training.task_files:check_snapshot_sources")

TAXONOMY = "taxonomy"  # centroids, and which of them form which domain
SNAPSHOT = "search"  # the tokens that all models of a search are trained on, and their supply

SPECS: tuple[Spec, ...] = (
    Spec(
        "tokenizer",
        "corpus",
        settings=lambda config, key: {"tokenizer": values_of(config.tokenizer, "path")},
        files=tokenizer_files,
        kept="tokenizer",
        check="climb_assets.corpus.tokenizer:check_tokenizer_file",
        kinds=("python", "huggingface"),
    ),
    Spec("raw_shards", "corpus", "shard", faithful=True),
    Spec(
        "corpus_shards",
        "corpus",
        "shard",
        inputs=(Input("raw_shards"),),
        settings=ingest_settings,
        kinds=("python", "parquet"),
    ),
    Spec("document_signatures", "corpus", "shard", inputs=(Input("corpus_shards"),), settings=signature_settings),
    Spec(
        "contamination",
        "corpus",
        "shard",
        inputs=(Input("corpus_shards"),),
        settings=contamination_settings,
        files=choice_files,
        check="climb_assets.corpus.choice_items:check_choice_files",
    ),
    Spec(
        "near_duplicates",
        "corpus",
        inputs=(Input("raw_corpus"), Input("document_signatures", "all")),
        settings=lambda config, key: {"threshold": config.corpus.near_duplicates.threshold},
    ),
    Spec(
        "tokenized_shards", "corpus", "shard", (Input("corpus_shards"), Input("tokenizer")), kinds=("python", "numpy")
    ),
    Spec(
        "embeddings",
        "embeddings",
        "shard",
        inputs=(Input("corpus_shards"),),
        settings=encoder_settings,
        files=encoder_files,
        check="climb_assets.embeddings.encoder:check_encoder_folder",
        resumable=True,
        precision=lambda config, device: resolve_precision(config.encoder.precision, device),
        commit=encoder_commit,
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "quality_scores",
        "clusters",
        "shard",
        inputs=(Input("corpus_shards"),),
        settings=score_settings,
        files=score_files,
        check="climb_assets.clusters.quality:check_quality",
        kinds=("python", "parquet"),
    ),
    Spec(
        "corpus_manifest",
        "corpus",
        inputs=(
            Input("raw_corpus"),
            Input("corpus_shards", "all", drawn=False),
            Input("tokenized_shards", "all"),
            Input("embeddings", "all"),
            Input("quality_scores", "all"),
            Input("contamination", "all"),
            Input("near_duplicates"),
        ),
        settings=manifest_settings,
        kinds=("duckdb", "parquet"),
    ),
    Spec(
        "cluster_model",
        "clusters",
        inputs=(Input("corpus_manifest"), *hidden("corpus_shards", "embeddings")),
        settings=centroid_settings,
        files=encoder_files,
        kept=TAXONOMY,
        methods=("climb_assets.embeddings.assets:embeddings",),
        precision=lambda config, device: "float32",  # of FAISS, on a GPU too
        commit=encoder_commit,
        kinds=("python", "faiss"),
    ),
    Spec(
        "cluster_assignments",
        "clusters",
        "shard",
        inputs=(Input("corpus_shards", drawn=False), Input("embeddings"), Input("cluster_model")),
        kinds=("python", "faiss"),
    ),
    Spec(
        "cluster_statistics",
        "clusters",
        inputs=(
            Input("corpus_manifest"),
            Input("cluster_assignments", "all"),
            *hidden("corpus_shards", "tokenized_shards", "quality_scores"),
        ),
        kinds=("duckdb",),
    ),
    Spec(
        "domains",
        "clusters",
        inputs=(
            Input("cluster_model"),
            Input("cluster_statistics"),
            Input("corpus_manifest", drawn=False),
            *hidden("corpus_shards", "tokenized_shards", "quality_scores", "cluster_assignments"),
            *hidden("embeddings", "near_duplicates"),  # of what drift is held against
        ),
        settings=domain_settings,
        files=score_files,
        kept=TAXONOMY,
        methods=("climb_assets.clusters.assets:quality_scores",),
        kinds=("python", "scikitlearn"),
    ),
    Spec("domain_supply", "clusters", inputs=(Input("domains"), Input("cluster_statistics"))),
    Spec(
        "taxonomy_drift",
        "clusters",
        inputs=(
            *(Input(asset) for asset in ("domains", "domain_supply", "corpus_manifest")),
            *hidden("corpus_shards", "tokenized_shards", "embeddings", "cluster_assignments", "near_duplicates"),
        ),
        settings=lambda config, key: {"seed": config.clusters.seed},
    ),
    Spec(
        "training_tokens",
        "training",
        inputs=(
            Input("domains"),
            Input("tokenizer", drawn=False),
            Input("cluster_assignments", "all"),
            Input("corpus_manifest"),
            *hidden("corpus_shards", "tokenized_shards"),
        ),
        settings=snapshot_settings,
        files=choice_files,
        kept=SNAPSHOT,
        methods=("climb_assets.corpus.assets:tokenized_shards",),
        still_read=("tokenized_shards",),
        check_against=SOURCES_IN_CORPUS,
        kinds=("duckdb", "numpy"),
    ),
    Spec(
        "mixture_candidates",
        "search",
        "iteration",
        inputs=(Input("training_tokens"), Input("predictor_state", "previous", drawn=False)),
        settings=search_settings,
        files=evidence_files,
        check="climb_assets.search.search_state:check_evidence",
        kinds=("python", PREDICTOR),
    ),
    Spec(
        "proxy_results",
        "training",
        "iteration",
        inputs=(Input("mixture_candidates"), Input("training_tokens"), Input("tokenizer", drawn=False)),
        settings=proxy_settings,
        files=proxy_files,
        check="climb_assets.training.task_files:check_proxies",
        check_against=SOURCES_IN_SNAPSHOT,
        precision=training_precision,
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "predictor_state",
        "search",
        "iteration",
        inputs=(
            Input("training_tokens", drawn=False),
            Input("mixture_candidates", drawn=False),
            Input("proxy_results"),
            Input("predictor_state", "previous"),
        ),
        settings=lambda config, key: {
            "predictor": values_of(config.search.predictor),
            "seed": config.search.seed,
            "objectives": config.objectives,
        },
        files=evidence_files,
        kinds=("python", PREDICTOR),
    ),
    Spec(
        "baseline_mixtures",
        "training",
        "objective",
        inputs=(Input("training_tokens"), Input("tokenizer", drawn=False), Input("proxy_results", "all")),
        settings=baseline_settings,
        files=baseline_files,
        precision=training_precision,
        kinds=("pytorch", "lightgbm"),
    ),
    Spec(
        "proxy_fidelity",
        "training",
        inputs=(Input("mixture_candidates", "first"), Input("training_tokens"), Input("tokenizer", drawn=False)),
        settings=fidelity_settings,
        files=fidelity_files,
        check="climb_assets.training.task_files:check_fidelity",
        precision=training_precision,
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "confirmation_results",
        "mixture",
        "objective",
        inputs=(
            Input("predictor_state", "last"),
            Input("baseline_mixtures"),
            Input("training_tokens"),
            Input("domain_supply"),
            Input("tokenizer", drawn=False),
        ),
        settings=confirmation_settings,
        files=proxy_files,
        precision=training_precision,
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "optimal_mixture",
        "mixture",
        "objective",
        inputs=(
            Input("training_tokens", drawn=False),
            Input("domain_supply"),
            Input("predictor_state", "last"),
            Input("proxy_results", "all"),
            Input("baseline_mixtures", drawn=False),
            Input("confirmation_results"),
        ),
        settings=choice_settings,
        kinds=("python", PREDICTOR),
    ),
    Spec(
        "target_comparison",
        "mixture",
        "objective",
        inputs=(
            Input("optimal_mixture"),
            Input("baseline_mixtures"),
            Input("training_tokens"),
            Input("tokenizer", drawn=False),
        ),
        settings=lambda config, key: {
            "target": values_of(config.target, "training")
            | {"training": training_settings(config, config.target.training)},
            "tasks": task_settings(config, deciding_only=False),
            "objective": config.objectives[str(key)],
            "seed": config.search.seed,
        },
        files=lambda config: task_files(config, deciding_only=False) | start_files({"target": config.target.training}),
        check="climb_assets.training.task_files:check_targets",
        precision=training_precision,
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "mixed_corpus",
        "mixture",
        "objective",
        inputs=(
            Input("optimal_mixture"),
            Input("domains"),
            Input("corpus_shards", "all"),
            Input("corpus_manifest", drawn=False),
            Input("training_tokens", drawn=False),
            *hidden("tokenized_shards", "cluster_assignments"),
        ),
        settings=lambda config, key: {"mixture": values_of(config.mixture)},
        kinds=("duckdb", "parquet"),
    ),
    Spec("audit_bundle", "audit", "objective", (Input("mixed_corpus"), Input("target_comparison")), lineage=True),
)

OF_TEXTS = ("document_signatures", "contamination", "tokenized_shards", "embeddings", "quality_scores")
SHARD_CHAIN = ("raw_shards", "corpus_shards", *OF_TEXTS)  # of one shard
SEARCH = ("mixture_candidates", "proxy_results", "predictor_state")  # the three outputs of one iteration
SPEC = {spec.asset: spec for spec in SPECS}


def check_outside_files(config: Config, assets: Collection[str]) -> None:
    """Check every file outside the lake that some assets use, before anything is made; see `Spec.check_files`."""
    for spec in SPECS:
        if spec.asset in assets:
            spec.check_files(config)


def checks_against(assets: Collection[str]) -> list[tuple[Spec, str, str]]:
    """Return which of some assets are checked against what, and by which function; see `Spec.check_against`."""
    return [(spec, *spec.check_against) for spec in SPECS if spec.asset in assets and spec.check_against is not None]

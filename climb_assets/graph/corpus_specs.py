"""The specs of the corpus and of its domains, inputs before what is made from them.

What belongs here: the assets from raw shards to what the domains hold. Those of the search are `search_specs`.
"""

from climb_assets.graph.hashed_settings import (
    cell_settings,
    centroid_settings,
    contamination_settings,
    domain_settings,
    encoder_commit,
    encoder_files,
    encoder_precision,
    encoder_settings,
    ingest_settings,
    manifest_settings,
    parts_clusters,
    probes,
    score_files,
    score_settings,
    scorer_files,
    scorer_precision,
    scorer_settings,
    signature_settings,
    tokenizer_files,
)
from climb_assets.graph.spec import Input, Spec, hidden
from climb_assets.graph.training_settings import choice_files, values_of

OF_STATISTICS = ("quality_scorer", "quality_scores", "cluster_assignments", "cluster_statistics")

TAXONOMY = "taxonomy"  # the group of kept assets: centroids, and which of them form which domain

CORPUS_SPECS: tuple[Spec, ...] = (
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
    Spec(
        "document_signatures",
        "corpus",
        "shard",
        inputs=(Input("corpus_shards"),),
        settings=signature_settings,
        kinds=("python", "numpy"),
    ),
    Spec(
        "contamination",
        "corpus",
        "shard",
        inputs=(Input("corpus_shards"),),
        settings=contamination_settings,
        files=choice_files,
        check="climb_assets.corpus.choice_items:check_choice_files",
        kinds=("python", "parquet"),
    ),
    Spec(
        "near_duplicates",
        "corpus",
        inputs=(Input("raw_corpus"), Input("document_signatures", "all")),
        settings=lambda config, key: {"threshold": config.corpus.near_duplicates.threshold},
        kinds=("python", "parquet"),
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
        check="climb_assets.embeddings.encoder:check_encoder",
        parts="climb_assets.embeddings.part_unit:parts_to_embed",
        resumable=True,
        precision=encoder_precision,
        commit=encoder_commit,
        shown_in="corpus",
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "quality_scorer",
        "clusters",
        settings=scorer_settings,
        files=scorer_files,
        check="climb_assets.clusters.quality:check_quality",
        precision=scorer_precision,
        commit=lambda config: encoder_commit(config) if probes(config) else None,
        shown_in="corpus",
        kinds=("python", "scikitlearn"),
    ),
    Spec(
        "quality_scores",
        "clusters",
        "shard",
        inputs=(Input("corpus_shards"), Input("quality_scorer"), Input("embeddings", used=probes)),
        settings=score_settings,
        files=score_files,
        check="climb_assets.clusters.quality:check_quality",
        shown_in="corpus",
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
        inputs=(
            Input("corpus_shards", drawn=False),
            Input("embeddings"),
            Input("cluster_model"),
            Input("quality_scores", used=parts_clusters),
        ),
        settings=cell_settings,
        kinds=("python", "faiss", "parquet"),
    ),
    Spec(
        "cluster_statistics",
        "clusters",
        inputs=(
            Input("corpus_manifest"),
            Input("cluster_assignments", "all"),
            *hidden("corpus_shards", "tokenized_shards", "quality_scores"),
        ),
        kinds=("duckdb", "parquet"),
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
        methods=tuple(f"climb_assets.clusters.assets:{asset}" for asset in OF_STATISTICS),
        kinds=("python", "scikitlearn"),
    ),
    Spec(
        "domain_supply",
        "clusters",
        inputs=(Input("domains"), Input("cluster_statistics")),
        kinds=("python", "parquet"),
    ),
    Spec(
        "taxonomy_drift",
        "clusters",
        inputs=(
            *(Input(asset) for asset in ("domains", "domain_supply", "corpus_manifest")),
            *hidden("corpus_shards", "tokenized_shards", "embeddings", "cluster_assignments", "near_duplicates"),
        ),
        settings=lambda config, key: {"seed": config.clusters.seed},
        kinds=("python", "parquet"),
    ),
)

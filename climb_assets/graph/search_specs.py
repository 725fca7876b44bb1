"""The specs of the search and of what comes of it, inputs before what is made from them.

What belongs here: the assets from the search's training tokens to the audit. Those of the corpus are `corpus_specs`.
"""

from climb_assets.graph.hashed_settings import (
    baseline_files,
    baseline_settings,
    carried_settings,
    choice_settings,
    confirmation_settings,
    evidence_files,
    fidelity_files,
    fidelity_settings,
    proxy_files,
    proxy_settings,
    search_settings,
    snapshot_settings,
)
from climb_assets.graph.spec import PREDICTOR, Input, Spec, hidden
from climb_assets.graph.training_settings import (
    asks,
    choice_files,
    task_files,
    task_settings,
    training_files,
    training_precision,
    training_settings,
    values_of,
)

SOURCES_IN_CORPUS = ("corpus_manifest", "climb_assets.training.task_files:check_corpus_sources")
SOURCES_IN_SNAPSHOT = ("training_tokens", "climb_assets.training.task_files:check_snapshot_sources")

OF_SPLITS = ("corpus_shards", "document_signatures", "contamination", "near_duplicates", "corpus_manifest")

SNAPSHOT = "search"  # the group of kept assets: the tokens that all its models are trained on, and their supply

SEARCH_SPECS: tuple[Spec, ...] = (
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
        methods=(
            *(f"climb_assets.corpus.assets:{asset}" for asset in (*OF_SPLITS, "tokenized_shards")),
            "climb_assets.clusters.assets:cluster_assignments",
        ),
        still_read=("tokenized_shards",),
        check_against=SOURCES_IN_CORPUS,
        shown_in="search",
        kinds=("duckdb", "numpy"),
    ),
    Spec(
        "carried_evidence",
        "training",
        inputs=(Input("training_tokens"), Input("tokenizer", drawn=False), *hidden("cluster_assignments")),
        settings=carried_settings,
        files=proxy_files,
        check="climb_assets.training.task_files:check_proxies",
        check_against=SOURCES_IN_SNAPSHOT,
        kept=SNAPSHOT,
        precision=training_precision,
        shown_in="search",
        kinds=("duckdb", "pytorch"),
    ),
    Spec(
        "mixture_candidates",
        "search",
        "iteration",
        inputs=(
            Input("training_tokens"),
            Input("carried_evidence"),
            Input("predictor_state", "previous", drawn=False),
        ),
        settings=search_settings,
        files=evidence_files,
        check="climb_assets.search.evidence:check_evidence",
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
        told=lambda config: asks(config.proxy),
        shown_in="search",
        kinds=("pytorch", "huggingface"),
    ),
    Spec(
        "predictor_state",
        "search",
        "iteration",
        inputs=(
            Input("training_tokens", drawn=False),
            Input("carried_evidence", drawn=False),
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
        told=lambda config: asks(config.proxy),
        shown_in="search",
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
        told=lambda config: asks(config.proxy, config.target.training, *config.fidelity.settings.values()),
        shown_in="search",
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
        told=lambda config: asks(config.proxy),
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
        files=lambda config: (
            task_files(config, deciding_only=False) | training_files({"target": config.target.training})
        ),
        check="climb_assets.training.task_files:check_targets",
        precision=training_precision,
        told=lambda config: asks(config.target.training),
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

"""How the assets of the clusters come about: scorer, scores, k-means, assignments, statistics, domains, supply, drift.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.annotations import read_annotations
from climb_assets.clusters.cells import read_bands
from climb_assets.clusters.domains import DomainInputs, write_domains
from climb_assets.clusters.drift import write_drift
from climb_assets.clusters.fit import FIT, FIT_FACTS, FIT_SHARDS, read_fit, write_fit
from climb_assets.clusters.fitted_scorer import fit_scorer, fitted_models, fitted_probe, write_unfitted
from climb_assets.clusters.kmeans import ShardVectors, assign_shard, fit_centroids, read_centroids, sample_vectors
from climb_assets.clusters.left_out import assign_left_out, tally_left_out
from climb_assets.clusters.moments import sum_up
from climb_assets.clusters.quality import FastTextScorer, load_scorer, score_shard, score_vectors
from climb_assets.clusters.shards import embedded_shards, scored_shards
from climb_assets.clusters.statistics import compute_statistics
from climb_assets.clusters.supply import write_supply
from climb_assets.embeddings.encoder import load_encoder_once
from climb_assets.environment import resolve_device
from climb_assets.graph.hashed_settings import encoder_commit, probes
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft
from climb_assets.tables import TEXTS, read_table


def quality_scorer(climb: Materializer, draft: Draft) -> None:
    """What scores documents where it is fitted on annotations, and how well it does on those held out."""
    settings, runtime = climb.config.quality, climb.config.runtime
    if settings.annotations is None:
        draft.summary = write_unfitted(settings, draft.path)
        return

    def encode(texts: list[str]) -> NDArray[np.float16]:
        encoder, most = load_encoder_once(climb.config.encoder, runtime), climb.config.corpus.part_documents
        starts = range(0, len(texts), most)
        return np.concatenate([encoder.encode(texts[start : start + most]).vectors for start in starts])

    annotations = read_annotations(settings.annotations, whole=settings.scorer == "fasttext")
    progress = partial(climb.progress, "quality_scorer")
    draft.summary = fit_scorer(annotations, settings, encode, draft.path, runtime.workers, progress)
    if probes(climb.config):
        _note_commit(climb, draft)


def _note_commit(climb: Materializer, draft: Draft) -> None:
    """Note the commit of the encoder, which may have come from its hub only now."""
    commit = encoder_commit(climb.config)
    draft.environment |= {"commit": commit} if commit is not None else {}


def quality_scores(climb: Materializer, shard: str, draft: Draft) -> None:
    """The paper's quality dimensions of each document, 0 to 5, higher is better."""
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    settings, fitted = climb.config.quality, climb.get("quality_scorer")
    if probes(climb.config):
        vectors = climb.get("embeddings", shard).file("vectors.npy")
        most = climb.config.corpus.part_documents
        draft.summary = score_vectors(documents, vectors, fitted_probe(fitted), most, draft.path)
    else:
        scorer = FastTextScorer(fitted_models(fitted)) if settings.fitted else load_scorer(settings)
        draft.summary = score_shard(documents, scorer, TEXTS, draft.path)


def cluster_model(climb: Materializer, draft: Draft) -> None:
    """The centroids of k-means, fitted on a sample that depends on the documents and not on their order."""
    settings = climb.config.clusters
    vectors = [
        ShardVectors(
            shard=shard,
            documents=climb.get("corpus_shards", shard).file("documents.parquet"),
            vectors=climb.get("embeddings", shard).file("vectors.npy"),
        )
        for shard in climb.listing().shards
    ]
    splits = climb.get("corpus_manifest").file("splits.parquet")
    sample = sample_vectors(vectors, splits, settings.count * settings.sample_per_cluster, settings.seed)
    runtime = climb.config.runtime
    draft.summary = fit_centroids(sample, settings, runtime.threads, draft.path, resolve_device(runtime.device))
    _note_commit(climb, draft)


def cluster_assignments(climb: Materializer, shard: str, draft: Draft) -> None:
    """The nearest centroid of each document, and how far it is; the cell within it, where there are cells."""
    cells = climb.config.clusters.cells
    centroids = read_centroids(climb.get("cluster_model").file("centroids.npy"))
    documents = climb.get("corpus_shards", shard).file("documents.parquet")
    vectors = climb.get("embeddings", shard).file("vectors.npy")
    bands = None
    if cells is not None:
        bands = read_bands(documents, climb.get("quality_scores", shard).file("scores.parquet"), cells)
    draft.summary = assign_shard(documents, vectors, centroids, draft.path, bands)


def cluster_statistics(climb: Materializer, draft: Draft) -> None:
    """Tokens, quality, sources of each cluster, computed by DuckDB over the shards' tables."""
    splits = climb.get("corpus_manifest").file("splits.parquet")
    shards = scored_shards(climb)
    draft.summary = compute_statistics(shards, splits, draft.path)
    tally_left_out(shards, splits, draft.path)


def domains(climb: Materializer, draft: Draft) -> None:
    """What the search mixes: poor clusters pruned, near ones merged, each domain named by its terms."""
    inputs = DomainInputs(
        statistics=climb.get("cluster_statistics").file("clusters.parquet"),
        centroids=read_centroids(climb.get("cluster_model").file("centroids.npy")),
        shards=scored_shards(climb),
        splits=climb.get("corpus_manifest").file("splits.parquet"),
        needed=climb.config.mixture.tokens / climb.config.mixture.max_epochs,
    )
    draft.summary = write_domains(inputs, climb.config.clusters, draft.path)
    pairs = climb.get("near_duplicates").file("pairs.parquet")
    write_fit(sum_up(embedded_shards(climb), draft.path / "clusters.parquet", inputs.splits, pairs), draft.path)


def domain_supply(climb: Materializer, draft: Draft) -> None:
    """What each domain holds today: documents, tokens, quality, sources, and its share of the corpus."""
    made, counted = climb.get("domains"), climb.get("cluster_statistics")
    clusters = made.file("clusters.parquet")
    draft.summary = write_supply(made.file("domains.parquet"), clusters, counted.file("tally.parquet"), draft.path)
    assign_left_out(counted.file("left_out.parquet"), clusters, draft.path)


def taxonomy_drift(climb: Materializer, draft: Draft) -> None:
    """How far the corpus has moved since the domains were fitted, and how far chance alone would move it."""
    made = climb.get("domains")
    fit = read_fit(made.file(FIT), made.file(FIT_SHARDS), made.json(FIT_FACTS)["far_bin"])
    splits, pairs = (
        climb.get("corpus_manifest").file("splits.parquet"),
        climb.get("near_duplicates").file("pairs.parquet"),
    )
    today = sum_up(embedded_shards(climb), made.file("clusters.parquet"), splits, pairs, fit.far_bin)
    names = read_table(climb.get("domain_supply").file("supply.parquet"), ["name"])["name"].to_pylist()
    draft.summary = write_drift(fit, today, names, climb.config.clusters.seed, draft.path)

"""Assets of the clusters stage: manifest, k-means, statistics, domains. Bodies only; the compute lies beside."""

import dagster as dg

from climb_assets.clusters.domains import DomainInputs, write_domains
from climb_assets.clusters.figures import cluster_map
from climb_assets.clusters.kmeans import ShardVectors, assign_shard, fit_centroids, read_centroids, sample_vectors
from climb_assets.clusters.shards import scored_shards
from climb_assets.clusters.statistics import compute_statistics
from climb_assets.config import Config
from climb_assets.corpus.manifest import ShardParts, build_manifest
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft
from climb_assets.tables import read_table
from dagster_project.reporting import Climb, declare, image_metadata, result, table_metadata

VERSIONED = {
    "corpus_shards": "corpus_version",
    "tokenized_shards": "tokens_version",
    "embeddings": "embeddings_version",
    "quality_scores": "quality_version",
}


def corpus_manifest(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """All shards as one: what they hold, in which versions, and which documents an earlier shard already has."""

    def write(draft: Draft) -> None:
        parts = []
        for shard in climb.listing().shards:
            made = {asset: climb.get(asset, shard) for asset in VERSIONED}
            parts.append(
                ShardParts(
                    shard=shard,
                    documents=made["corpus_shards"].file("documents.parquet"),
                    tokens=made["tokenized_shards"].file("documents.parquet"),
                    accounts=made["corpus_shards"].file("accounts.parquet"),
                    versions={VERSIONED[asset]: artifact.data_version for asset, artifact in made.items()},
                )
            )
        rejected = [f"{entry.name}: {entry.reason}" for entry in climb.listing().rejected]
        draft.summary = build_manifest(parts, draft.path) | {"rejected_names": rejected}

    made = climb.make("corpus_manifest", None, write)
    return result(made, {"shards": table_metadata(read_table(made.artifact.file("shards.parquet")))})


def _vectors(climb: Materializer) -> list[ShardVectors]:
    return [
        ShardVectors(
            shard=shard,
            documents=climb.get("corpus_shards", shard).file("documents.parquet"),
            vectors=climb.get("embeddings", shard).file("vectors.npy"),
        )
        for shard in climb.listing().shards
    ]


def cluster_model(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The centroids of k-means, fitted on a sample that depends on the documents and not on their order."""
    settings, threads = climb.config.clusters, climb.config.runtime.threads

    def write(draft: Draft) -> None:
        duplicates = climb.get("corpus_manifest").file("duplicates.parquet")
        size = settings.count * settings.sample_per_cluster
        sample = sample_vectors(_vectors(climb), duplicates, size, settings.seed)
        draft.summary = fit_centroids(sample, settings, threads, draft.path)

    return result(climb.make("cluster_model", None, write))


def cluster_assignments(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The nearest centroid of each document, and how far it is."""
    shard = context.partition_key

    def write(draft: Draft) -> None:
        centroids = read_centroids(climb.get("cluster_model").file("centroids.npy"))
        documents = climb.get("corpus_shards", shard).file("documents.parquet")
        vectors = climb.get("embeddings", shard).file("vectors.npy")
        draft.summary = assign_shard(documents, vectors, centroids, draft.path)

    return result(climb.make("cluster_assignments", shard, write))


def cluster_statistics(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Tokens, quality, sources of each cluster, computed by DuckDB over the shards' tables."""

    def write(draft: Draft) -> None:
        duplicates = climb.get("corpus_manifest").file("duplicates.parquet")
        draft.summary = compute_statistics(scored_shards(climb), duplicates, draft.path)

    made = climb.make("cluster_statistics", None, write)
    return result(made, {"clusters": table_metadata(read_table(made.artifact.file("clusters.parquet")))})


def domains(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """What the search mixes: poor clusters pruned, near ones merged, each domain named by its terms."""

    def write(draft: Draft) -> None:
        inputs = DomainInputs(
            statistics=climb.get("cluster_statistics").file("clusters.parquet"),
            centroids=read_centroids(climb.get("cluster_model").file("centroids.npy")),
            shards=scored_shards(climb),
            duplicates=climb.get("corpus_manifest").file("duplicates.parquet"),
        )
        draft.summary = write_domains(inputs, climb.config.clusters, draft.path)

    made = climb.make("domains", None, write)
    table = read_table(made.artifact.file("domains.parquet"))
    return result(made, {"domains": table_metadata(table), "cluster_map": image_metadata(_map(climb))})


def _map(climb: Materializer) -> bytes:
    """Draw the centroids of all clusters, coloured by domain."""
    made = climb.get("domains")
    return cluster_map(
        read_centroids(climb.get("cluster_model").file("centroids.npy")),
        read_table(made.file("clusters.parquet")),
        read_table(made.file("domains.parquet")),
    )


def cluster_assets(config: Config) -> list[dg.AssetsDefinition]:
    """Return the assets of this stage."""
    bodies = (corpus_manifest, cluster_model, cluster_assignments, cluster_statistics, domains)
    return [declare(body, config) for body in bodies]

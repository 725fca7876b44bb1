"""From clusters to domains: poor clusters are pruned, near ones merged (paper section 3.1, NVIDIA's 3_prune.py).

What belongs here: the decision which cluster is part of which domain, and what a domain is called. What it holds
is `supply`: it follows the corpus, and this does not.

Where clusters are parted into cells, clusters are merged into topics, and a domain is the cells of a topic within one
band. Without cells there is one band: a cell is a cluster, and a topic a domain.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.clusters.agreement import measure_agreement
from climb_assets.clusters.balancing import Bounds, balance_clusters, explain_unbalanced, ward_tree
from climb_assets.clusters.cells import bounds_of, centroids_of_cells, count_bands, name_band
from climb_assets.clusters.domain_names import name_domains
from climb_assets.clusters.pruned import sum_up_pruned, tabulate_pruned
from climb_assets.clusters.shards import ScoredShard
from climb_assets.clusters.statistics import tally_clusters
from climb_assets.clusters.terms import characteristic_terms, sample_texts
from climb_assets.config import Clusters
from climb_assets.config_cells import Cells
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import write_array, write_atomically
from climb_assets.tables import read_table, write_table

EMPTY = "empty"
ALIKE = 1e-3  # Ward distance within what 16-bit vectors resolve: there is nothing to part


@dataclass(frozen=True)
class DomainInputs:
    """What domains are made from.

    Parameters
    ----------
    statistics
        clusters.parquet of the cluster statistics.
    centroids
        (clusters, dimension)
    shards
        Tables of all shards, for terms and sources.
    splits
        ``splits.parquet`` of the corpus manifest.
    needed
        Tokens that the domains must hold for the target's budget; see `form_domains`.
    """

    statistics: Path
    centroids: NDArray[np.float32]
    shards: Sequence[ScoredShard]
    splits: Path
    needed: float = 0.0


@dataclass(frozen=True)
class Partition:
    """The decision.

    Parameters
    ----------
    domain_of, pruned_by
        Of each cell its domain, -1 where it is pruned, and why it is pruned, None where it is kept.
    topic, band
        Of each domain (domains,): the topic that its clusters form, numbered by its first domain, and the band.
    """

    domain_of: NDArray[np.int64]
    pruned_by: list[str | None]
    topic: NDArray[np.int64]
    band: NDArray[np.int64]

    @property
    def domains(self) -> int:
        """Number of domains."""
        return int(self.domain_of.max()) + 1


def form_domains(
    statistics: pa.Table, centroids: NDArray[np.float32], settings: Clusters, needed: float = 0.0
) -> Partition:
    """Prune and merge clusters.

    A cell is pruned when it holds no train document or when its mean score is below ``clusters.prune`` in any
    dimension; a dimension that could not judge its documents prunes nothing. The centroids of the clusters that have
    another are merged by Ward linkage, unweighted as in NVIDIA's recipe, up to a distance or to a number of domains, or
    shared out to domains of bounded size; then each band is a domain of its own. Domains are numbered by their tokens,
    most first.

    Parameters
    ----------
    statistics
        A row for each cell that holds a train document.
    centroids
        Of the clusters, (clusters, dimension).
    needed
        ``mixture.tokens / mixture.max_epochs``, from which the smallest size of a domain follows where
        ``clusters.balance`` states none.

    Raises
    ------
    ConfigError
        A threshold names a dimension that has no score.
    ComputeError
        Fewer than two domains are left, or none that keep the bounds.
    """
    bands = count_bands(settings.cells)
    pruned_by = _prune(statistics, len(centroids) * bands, settings.prune)
    kept = np.array([cell for cell, reason in enumerate(pruned_by) if reason is None], np.int64)
    if not len(kept):
        raise ComputeError(_explain_pruned(statistics, settings.prune))
    of_cell = dict(zip(statistics["cluster"].to_pylist(), statistics["tokens"].to_pylist(), strict=True))
    tokens = np.array([of_cell[cell] for cell in kept.tolist()], np.int64)
    clusters, place = np.unique(kept // bands, return_inverse=True)
    if settings.balance is None:
        topics = _merge(centroids[clusters], settings)[place]
    else:
        topics = _balance(centroids[kept], tokens, Bounds.of(settings.balance, int(tokens.sum()), needed))
    labels = topics * bands + kept % bands
    if labels.max() == labels.min():
        raise ComputeError(
            f"the {len(kept)} {'clusters' if bands == 1 else 'cells'} that are kept form one domain, and a mixture "
            "needs two; " + _advise_on_one_domain(centroids, pruned_by, settings)
        )
    domains = _number_by_supply(labels, tokens)
    domain_of = np.full(len(pruned_by), -1, np.int64)
    domain_of[kept] = domains
    _, first = np.unique(domains, return_index=True)
    of_first = topics[first].tolist()
    number_of = {topic: number for number, topic in enumerate(dict.fromkeys(of_first))}
    topic = np.array([number_of[topic] for topic in of_first], np.int64)
    return Partition(domain_of, pruned_by, topic, kept[first] % bands)


def _prune(statistics: pa.Table, cells: int, thresholds: dict[str, float]) -> list[str | None]:
    """Return for each cell the dimensions that it fails, joined, or None."""
    reasons: list[str | None] = [EMPTY] * cells
    for dimension in thresholds:
        if f"mean_{dimension}" not in statistics.column_names:
            known = [name.removeprefix("mean_") for name in statistics.column_names if name.startswith("mean_")]
            raise ConfigError(f"clusters.prune names {dimension!r}, which is not scored; known: {', '.join(known)}")
    for row in statistics.to_pylist():
        means = {name: row[f"mean_{name}"] for name in sorted(thresholds)}
        failed = [name for name, mean in means.items() if mean is not None and mean < thresholds[name]]
        reasons[row["cluster"]] = ", ".join(failed) or None
    return reasons


def _explain_pruned(statistics: pa.Table, thresholds: dict[str, float]) -> str:
    means = {name: statistics[f"mean_{name}"].drop_null().to_pylist() for name in sorted(thresholds)}
    best = {name: max(values) for name, values in means.items() if values}
    strictest = min(best, key=lambda name: best[name] - thresholds[name])
    return (
        f"every cluster is pruned; lower clusters.prune.{strictest}, now {thresholds[strictest]}: "
        f"the best cluster's mean is {best[strictest]:.2f}"
    )


def _advise_on_one_domain(centroids: NDArray[np.float32], pruned_by: Sequence[str | None], settings: Clusters) -> str:
    """Return what would give two domains, tried on these clusters."""
    kept = np.array([reason is None for reason in pruned_by]).reshape(len(centroids), -1)
    filled = np.array([reason != EMPTY for reason in pruned_by]).reshape(len(centroids), -1)
    widest = _widest(centroids[kept.any(axis=1)])
    if widest > ALIKE and settings.domains is None:
        return f"set clusters.merge_distance to {0.9 * widest:.2g} or less"
    if _widest(centroids[filled.any(axis=1)]) > ALIKE or filled.any(axis=0).sum() > 1:
        return "lower the thresholds in clusters.prune, which leave out what differs from them"
    return (
        "all documents embed alike, so no other number of clusters parts them: raise encoder.max_tokens if they differ "
        "only further on, take another encoder, or add documents of another kind"
    )


def _widest(centroids: NDArray[np.float32]) -> float:
    """Return the Ward distance at which all centroids are one; 0 of a single one."""
    return float(ward_tree(centroids)[-1, 2]) if len(centroids) > 1 else 0.0


def _merge(centroids: NDArray[np.float32], settings: Clusters) -> NDArray[np.int64]:
    """Return a label for each centroid; equal labels are one domain."""
    from scipy.cluster.hierarchy import fcluster

    if len(centroids) == 1:
        return np.zeros(1, np.int64)
    tree = ward_tree(centroids)
    rule = (settings.merge_distance, "distance") if settings.domains is None else (settings.domains, "maxclust")
    labels: NDArray[np.int64] = fcluster(tree, *rule).astype(np.int64)
    return labels


def _balance(centroids: NDArray[np.float32], tokens: NDArray[np.int64], bounds: Bounds) -> NDArray[np.int64]:
    """Return a label for each centroid; the domains keep bounds."""
    found = balance_clusters(centroids, tokens, bounds) if bounds.domains <= len(tokens) else None
    if found is None:
        raise ComputeError(explain_unbalanced(centroids, tokens, bounds))
    return found


def _number_by_supply(labels: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Replace labels by ranks: most tokens first, ties by the first cluster."""
    _, first, codes = np.unique(labels, return_index=True, return_inverse=True)
    supply = np.bincount(codes, weights=tokens)
    rank = np.empty(len(first), np.int64)
    rank[np.lexsort((first, -supply))] = np.arange(len(first))
    return rank[codes]


def write_domains(inputs: DomainInputs, settings: Clusters, out: Path) -> dict[str, Any]:
    """Form the domains and write them.

    Files: ``clusters.parquet``, ``domains.parquet``, ``pruned.parquet``, ``centroids.npy`` and ``agreement.json``. A
    domain's centroid is the mean of its clusters', weighted by documents.

    Returns
    -------
    Facts: domains, clusters that are kept, pruned and empty, what is pruned, and how many clusters each dimension could
    not judge; with cells the number of bands, and cells for clusters.
    """
    statistics = read_table(inputs.statistics)
    partition = form_domains(statistics, inputs.centroids, settings, inputs.needed)
    tally = tally_clusters(inputs.shards, inputs.splits, out)
    samples = sample_texts(inputs.shards, inputs.splits, partition.domain_of)
    texts = ["\n".join(of_domain) for of_domain in samples]
    pruned = tabulate_pruned(statistics, partition.pruned_by, inputs.shards, inputs.splits, texts, settings.terms)
    _write_clusters(partition, count_bands(settings.cells), out)
    write_table(out / "domains.parquet", _describe(partition, texts, settings))
    write_table(out / "pruned.parquet", pruned)
    weights = np.zeros(len(partition.domain_of))
    weights[statistics["cluster"].to_numpy()] = statistics["documents"].to_numpy()
    of_cells = centroids_of_cells(inputs.centroids, count_bands(settings.cells))
    write_array(out / "centroids.npy", _mean_centroids(of_cells, weights, partition))
    agreement = measure_agreement(tally, partition.domain_of)
    write_atomically(out / "agreement.json", canonical_json(agreement).encode())
    not_judged = {name: statistics[f"mean_{name}"].null_count for name in sorted(settings.prune)}
    return {
        "domains": partition.domains,
        **({} if settings.cells is None else {"bands": count_bands(settings.cells)}),
        "clusters_kept": int((partition.domain_of >= 0).sum()),
        "clusters_pruned": pruned.num_rows,
        "clusters_empty": partition.pruned_by.count(EMPTY),
        **sum_up_pruned(pruned, settings.prune),
        "clusters_not_judged": {name: count for name, count in not_judged.items() if count},
    }


def _describe(partition: Partition, texts: Sequence[str], settings: Clusters) -> pa.Table:
    """Return domains.parquet's table: number, name, terms and number of clusters of each domain.

    With cells also the topic, the band and the scores between which it lies.
    """
    cells, terms = settings.cells, characteristic_terms(texts, settings.terms)
    columns: dict[str, Any] = {
        "domain": pa.array(range(partition.domains), pa.int32()),
        "name": name_domains(terms) if cells is None else _name_bands(partition, texts, cells, settings.terms),
        "terms": pa.array(terms, pa.list_(pa.string())),
        "clusters": pa.array(np.bincount(partition.domain_of[partition.domain_of >= 0]), pa.int32()),
    }
    if cells is not None:
        least, below = zip(*(bounds_of(band, cells) for band in partition.band.tolist()), strict=True)
        columns |= {"topic": pa.array(partition.topic, pa.int32()), "band": pa.array(partition.band, pa.int32())}
        columns |= {"score_from": pa.array(least, pa.float64()), "score_below": pa.array(below, pa.float64())}
    return pa.table(columns)


def _name_bands(partition: Partition, texts: Sequence[str], cells: Cells, terms: int) -> list[str]:
    """Return a name for each domain: that of its topic, from the texts of all its domains, and the band."""
    topics = range(partition.topic.max() + 1)
    of_topic = ["\n".join(itertools.compress(texts, partition.topic == topic)) for topic in topics]
    names = name_domains(characteristic_terms(of_topic, terms), "topic")
    pairs = zip(partition.topic.tolist(), partition.band.tolist(), strict=True)
    return [f"{names[topic]} ({name_band(band, cells)})" for topic, band in pairs]


def _write_clusters(partition: Partition, bands: int, out: Path) -> None:
    domain_of = partition.domain_of
    columns = {
        "cluster": pa.array(range(len(domain_of)), pa.int32()),
        "domain": pa.array(domain_of, pa.int32(), mask=domain_of < 0),
        "pruned_by": pa.array(partition.pruned_by, pa.string()),
    }
    if bands > 1:
        columns["band"] = pa.array(np.arange(len(domain_of)) % bands, pa.int32())
    write_table(out / "clusters.parquet", pa.table(columns))


def _mean_centroids(
    centroids: NDArray[np.float32], weights: NDArray[np.float64], partition: Partition
) -> NDArray[np.float32]:
    member = partition.domain_of[:, None] == np.arange(partition.domains)
    shares = member * weights[:, None]
    means: NDArray[np.float64] = (shares / shares.sum(axis=0)).T @ centroids
    return means.astype(np.float32)

"""How far the corpus has moved away from the fit of its taxonomy, and how far chance alone would move it.

What belongs here: comparing two samples, the noise of each measure, and the sentence about it. What a sample is made of
is `moments`; what follows from drift is decided by whoever renews.

The noise is that of a bootstrap over documents: two corpora of the sizes of these, drawn from the documents of the fit,
with as many documents in common as these have. Sums of many independent weights are normal, and their variances follow
from sums and sums of squares, so that no document is drawn. Documents that both corpora have differ in neither, so with
n and m documents, c of them common, the difference of two means varies as (n + m - 2 c) / (n m) times a document does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.clusters.moments import FAR, Sample
from climb_assets.randomness import generator
from climb_assets.tables import read_table, write_table

TOKEN_SHARE, DISTANCE, FAR_SHARE = "token_share", "mean_distance", "far_share"
SHIFT, NEAR_DUPLICATES = "embedding_shift", "near_duplicate_share"
MEASURES = {  # what each is of a domain; of all documents together it is the same, but for the shares of tokens
    TOKEN_SHARE: "share of the tokens; of all: half the sum of the differences, the share that moved between domains",
    DISTANCE: "mean distance of a document to its centroid",
    FAR_SHARE: f"share of the documents farther than {FAR:.0%} of all documents of the fit",
    SHIFT: "distance between the mean embeddings",
    NEAR_DUPLICATES: "share of the documents that are nearly equal to another one of the corpus",
}
LEVEL = 0.01  # how often chance goes beyond the threshold of the corpus, and beyond any of its domains': once in 100
DRAWS = 10_000  # of the share that moves; 100 of them lie beyond the threshold, so the level is right to a tenth
SCHEMA = pa.schema(
    [
        ("measure", pa.string()),
        ("domain", pa.int32()),
        ("name", pa.string()),
        ("fit", pa.float64()),
        ("today", pa.float64()),
        ("difference", pa.float64()),
        ("threshold", pa.float64()),
        ("beyond", pa.bool_()),
    ]
)

Places = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """One measure of each domain and, in the last place, of all documents; NaN where there is none today (places,)."""

    fit: Places
    today: Places
    difference: Places
    threshold: Places

    @property
    def beyond(self) -> NDArray[np.bool_]:
        """Where the difference is larger than chance makes it."""
        return np.abs(self.difference) > self.threshold


def compare(fit: Sample, today: Sample, seed: int) -> dict[str, Measured]:
    """Return each of `MEASURES`, how it differs, and beyond which difference chance does not explain it."""
    spread = _spread(fit, today)
    places = len(fit.documents)
    level = np.append(np.full(places - 1, LEVEL / max(places - 1, 1)), LEVEL)  # Bonferroni over the domains
    return {
        TOKEN_SHARE: _token_shares(fit, today, spread[-1], level, seed),
        DISTANCE: _mean_distances(fit, today, spread, level),
        FAR_SHARE: _shares(fit.far, today.far, fit, today, spread, level),
        SHIFT: _shifts(fit, today, spread, level),
        NEAR_DUPLICATES: _shares(fit.near_duplicates, today.near_duplicates, fit, today, spread, level),
    }


def _spread(fit: Sample, today: Sample) -> Places:
    """Return, of each place, how the difference of two means varies where a document varies by 1."""
    differing = fit.documents + today.documents - 2 * fit.common(today)
    spread: Places = differing / (np.maximum(fit.documents, 1.0) * np.maximum(today.documents, 1.0))
    return spread


def _token_shares(fit: Sample, today: Sample, spread: float, level: Places, seed: int) -> Measured:
    from scipy.special import ndtri

    shares = [sample.tokens[:-1] / max(sample.tokens[-1], 1) for sample in (fit, today)]
    before, now = shares
    squared, total = fit.tokens_squared[:-1], fit.tokens[-1]
    scale = spread * fit.documents[-1]  # of the variance of a sum
    others = fit.tokens_squared[-1] - squared
    deviation = np.sqrt(scale * (squared * np.square(1 - before) + others * np.square(before))) / total
    random = generator(seed, "drift", TOKEN_SHARE)
    drawn = np.maximum(fit.tokens[:-1] + random.normal(size=(DRAWS, len(before))) * np.sqrt(scale * squared), 0)
    moved = np.abs(drawn / np.maximum(drawn.sum(axis=1, keepdims=True), 1) - before).sum(axis=1) / 2
    threshold = np.append(-ndtri(level[:-1] / 2) * deviation, np.quantile(moved, 1 - LEVEL))
    difference = now - before
    share_moved = np.abs(difference).sum() / 2
    return Measured(np.append(before, 0), np.append(now, share_moved), np.append(difference, share_moved), threshold)


def _mean_distances(fit: Sample, today: Sample, spread: Places, level: Places) -> Measured:
    from scipy.special import stdtrit

    documents = np.maximum(fit.documents, 1)
    free = np.maximum(documents - 1, 1)
    before, now = fit.distance / documents, _means(today.distance, today)
    variance = np.maximum(fit.distance_squared - documents * np.square(before), 0) / free
    return Measured(before, now, now - before, -stdtrit(free, level / 2) * np.sqrt(spread * variance))


def _shares(
    of_fit: NDArray[np.int64], of_today: NDArray[np.int64], fit: Sample, today: Sample, spread: Places, level: Places
) -> Measured:
    """Return the shares of documents that have something; one more that has and one that has not are taken as seen.

    Else a domain without such a document would have no noise, and its first one would be drift. What is added to the
    threshold is half a document (Yates), since few of them are no normal sum.
    """
    from scipy.special import ndtri

    before, now = of_fit / np.maximum(fit.documents, 1), _means(of_today, today)
    likely = (of_fit + 1) / (fit.documents + 2)
    half = (0.5 / np.maximum(fit.documents, 1) + 0.5 / np.maximum(today.documents, 1)) * (spread > 0)
    threshold = -ndtri(level / 2) * np.sqrt(spread * likely * (1 - likely)) + half
    return Measured(before, now, now - before, threshold)


def _shifts(fit: Sample, today: Sample, spread: Places, level: Places) -> Measured:
    """Return the distances between mean embeddings; their square is as a chi-square of as many freedoms as dimensions.

    By the variance of a document, which is estimated from as many documents as there are: so an F.
    """
    from scipy.special import fdtri

    shift = np.linalg.norm(today.embedding - fit.embedding, axis=1)
    shift = np.where(today.documents > 0, shift, np.nan)
    free = np.maximum(fit.documents - 1, 1)
    variance = (1 - np.square(fit.embedding).sum(axis=1)) * fit.documents / free
    quantile = fdtri(fit.dimensions, fit.dimensions * free, 1 - level)
    threshold = np.sqrt(spread * np.maximum(variance, 0) * quantile)
    return Measured(np.zeros(len(shift)), shift, shift, threshold)


def _means(sums: NDArray[Any], sample: Sample) -> Places:
    return np.where(sample.documents > 0, sums / np.maximum(sample.documents, 1), np.nan)


def write_drift(fit: Sample, today: Sample, names: Sequence[str], seed: int, out: Path) -> dict[str, Any]:
    """Write ``drift.parquet``: a row for each measure and domain, and one, with no domain, for all documents.

    Parameters
    ----------
    names
        Of the domains.

    Returns
    -------
    Facts, numbers of today each: token_drift and its noise, mean_distance, far_share, near_duplicate_share,
    largest_embedding_shift (of a domain), common_documents (with the fit), and how many rows are beyond their noise.
    """
    measured = compare(fit, today, seed)
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for measure, found in measured.items():
        columns["measure"] += [measure] * len(found.fit)
        columns["domain"] += [*range(len(names)), None]
        columns["name"] += [*names, None]
        for name in ("fit", "today", "difference", "threshold"):
            columns[name] += [None if np.isnan(value) else value for value in getattr(found, name).tolist()]
        columns["beyond"] += found.beyond.tolist()
    write_table(out / "drift.parquet", pa.table(columns, schema=SCHEMA))
    shifts = measured[SHIFT].today[:-1]
    return {
        "token_drift": float(measured[TOKEN_SHARE].today[-1]),
        "token_drift_noise": float(measured[TOKEN_SHARE].threshold[-1]),
        DISTANCE: float(measured[DISTANCE].today[-1]),
        FAR_SHARE: float(measured[FAR_SHARE].today[-1]),
        "largest_embedding_shift": float(np.nanmax(shifts)),
        NEAR_DUPLICATES: float(measured[NEAR_DUPLICATES].today[-1]),
        "common_documents": int(fit.common(today)[-1]),
        "documents": int(today.documents[-1]),
        "beyond": int(sum(found.beyond.sum() for found in measured.values())),
    }


def read_drift(path: Path, measure: str) -> list[dict[str, Any]]:
    """Return the rows of one measure, the one of all documents last."""
    rows: list[dict[str, Any]] = read_table(path).to_pylist()
    return [row for row in rows if row["measure"] == measure]

"""How well a scorer that was fitted on annotations does on those that it has not seen.

What belongs here: folds, correlations with their intervals, and words for them. What is fitted is `probe` and
`fasttext_training`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.config_quality import Quality
from climb_assets.correlation import pearson, percentile_interval
from climb_assets.randomness import generator
from climb_assets.tables import read_table, write_rows

HELD_OUT = pa.schema(
    [
        pa.field("dimension", pa.string(), nullable=False),
        pa.field("documents", pa.int64(), nullable=False),
        ("spearman", pa.float64()),
        ("spearman_low", pa.float64()),
        ("spearman_high", pa.float64()),
        ("pearson", pa.float64()),
        ("pearson_low", pa.float64()),
        ("pearson_high", pa.float64()),
        pa.field("mean_annotated", pa.float64(), nullable=False),
        pa.field("mean_predicted", pa.float64(), nullable=False),
    ]
)
FILE = "held_out.parquet"


@dataclass(frozen=True)
class HeldOut:
    """Scores of one dimension against annotations that the scorer was not fitted on.

    Parameters
    ----------
    spearman, pearson
        Correlations with their bootstrap intervals; None where all scores are equal, or all annotations.
    mean_annotated, mean_predicted
        Clusters are pruned by means, so these should agree.
    """

    dimension: str
    documents: int
    spearman: float | None
    spearman_low: float | None
    spearman_high: float | None
    pearson: float | None
    pearson_low: float | None
    pearson_high: float | None
    mean_annotated: float
    mean_predicted: float

    @property
    def tells(self) -> bool:
        """Whether it ranks documents better than chance does: its interval lies above 0."""
        return self.spearman_low is not None and self.spearman_low > 0

    def in_words(self) -> str:
        """Return its rank correlation as people read it."""
        if self.spearman is None:
            return "not known, as all are equal"
        return f"{self.spearman:.2f} ({self.spearman_low:.2f} .. {self.spearman_high:.2f})"


def assign_folds(documents: int, settings: Quality) -> NDArray[np.int64]:
    """Return the fold of each document (documents,), from 0; sizes differ by one at most."""
    folds: NDArray[np.int64] = generator(settings.seed, "folds of annotations").permutation(documents) % settings.folds
    return folds


def compare_held_out(
    dimensions: Sequence[str], predicted: NDArray[np.float64], annotated: NDArray[np.float64], settings: Quality
) -> list[HeldOut]:
    """Return one row a dimension.

    Parameters
    ----------
    predicted, annotated
        Scores (documents, dimensions); each of the first by what was fitted without the document.
    """
    return [_compare(name, x, y, settings) for name, x, y in zip(dimensions, predicted.T, annotated.T, strict=True)]


def _compare(
    dimension: str, predicted: NDArray[np.float64], annotated: NDArray[np.float64], settings: Quality
) -> HeldOut:
    from scipy.stats import rankdata

    spearman = _correlate(rankdata(predicted), rankdata(annotated), settings)
    pearson = _correlate(predicted, annotated, settings)
    means = {"mean_annotated": float(annotated.mean()), "mean_predicted": float(predicted.mean())}
    return HeldOut(dimension, len(annotated), *spearman, *pearson, **means)


def _correlate(
    x: NDArray[np.float64], y: NDArray[np.float64], settings: Quality
) -> tuple[float | None, float | None, float | None]:
    """Return a correlation and its percentile bootstrap interval over documents; ranks stay those among all of them."""
    found = float(pearson(x, y))
    if not np.isfinite(found):
        return None, None, None
    random = generator(settings.seed, "resamples of annotations")
    resampled = []
    for _ in range(settings.resamples):
        rows = random.integers(len(x), size=len(x))
        resampled.append(float(pearson(x[rows], y[rows])))
    return found, *percentile_interval(resampled, settings.confidence)


def write_held_out(out: Path, rows: Sequence[HeldOut]) -> None:
    """Write ``held_out.parquet``: one row a dimension, none where nothing was fitted."""
    write_rows(out / FILE, [asdict(row) for row in rows], HELD_OUT)


def read_held_out(path: Path) -> list[HeldOut]:
    """Read what `write_held_out` wrote."""
    return [HeldOut(**row) for row in read_table(path).to_pylist()]

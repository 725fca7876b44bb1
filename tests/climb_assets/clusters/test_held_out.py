"""Held-out correlations: intervals hold what they promise, and chance is called chance."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.clusters.held_out import FILE, assign_folds, compare_held_out, read_held_out, write_held_out
from climb_assets.config_quality import Quality

SETTINGS = Quality(resamples=200)


def compare(x: np.ndarray, y: np.ndarray, settings: Quality = SETTINGS):
    """Return the row of one dimension."""
    (row,) = compare_held_out(["quality"], x[:, None], y[:, None], settings)
    return row


@settings(max_examples=50)
@given(documents=st.integers(20, 200), folds=st.integers(2, 20), seed=st.integers(0, 5))
def test_folds_part_the_documents_evenly(documents: int, folds: int, seed: int) -> None:
    sizes = np.bincount(assign_folds(documents, Quality(folds=folds, seed=seed)), minlength=folds)
    assert sizes.sum() == documents and len(sizes) == folds and sizes.max() - sizes.min() <= 1


def test_correlations_are_those_of_scipy() -> None:
    from scipy.stats import pearsonr, spearmanr

    random = np.random.default_rng(0)
    y = random.integers(6, size=300).astype(float)
    x = y**3 + random.normal(size=300) * 20
    row = compare(x, y)
    assert row.spearman == pytest.approx(spearmanr(x, y).statistic)
    assert row.pearson == pytest.approx(pearsonr(x, y).statistic)
    assert 0 < row.spearman_low < row.spearman < row.spearman_high < 1 and row.tells
    assert row.mean_annotated == pytest.approx(y.mean()) and row.mean_predicted == pytest.approx(x.mean())


def test_an_interval_holds_0_about_as_often_as_it_promises() -> None:
    random = np.random.default_rng(1)
    rows = [compare(random.normal(size=60), random.normal(size=60)) for _ in range(200)]
    beyond = np.mean([row.tells for row in rows])
    assert beyond < 0.07  # half of 5 % lie above


@pytest.mark.parametrize("constant", ["predicted", "annotated"])
def test_what_is_all_equal_has_no_correlation(constant: str, tmp_path: Path) -> None:
    varied, equal = np.arange(30.0), np.full(30, 3.0)
    row = compare(*((equal, varied) if constant == "predicted" else (varied, equal)))
    assert row.spearman is None and row.pearson_high is None and not row.tells
    assert row.in_words().startswith("not known")
    write_held_out(tmp_path, [row])
    assert read_held_out(tmp_path / FILE) == [row]

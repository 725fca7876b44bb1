"""Scorers that are fitted on annotations: what is there to be learnt is, noise is called noise, bytes repeat."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from climb_assets.clusters.annotations import Annotations, read_annotations
from climb_assets.clusters.fitted_scorer import fit_scorer, write_unfitted
from climb_assets.clusters.held_out import FILE, HeldOut, read_held_out
from climb_assets.clusters.probe import INTERCEPTS, WEIGHTS, Probe, fit_probe
from climb_assets.clusters.quality import FastTextScorer, score_vectors
from climb_assets.config_quality import Quality
from climb_assets.errors import ComputeError
from climb_assets.tables import read_table, write_table
from tests.climb_assets.clusters.annotated import PLANTED, annotate, write_annotations
from tests.conftest import WORDS

LENGTH = 16


def encode(texts: list[str]) -> NDArray[np.float16]:
    """Return unit vectors that tell the topic, under noise of their own."""
    topics = [
        next(place for place, name in enumerate(sorted(WORDS)) if text.split()[0] in WORDS[name]) for text in texts
    ]
    noise = np.random.default_rng(len(texts)).normal(size=(len(texts), LENGTH)) * 0.1
    vectors = np.eye(LENGTH)[topics] + noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.fixture
def annotations(tmp_path: Path) -> Path:
    """Return a file of annotations with something to learn and something not."""
    return write_annotations(tmp_path / "annotations.jsonl", annotate(150))


def fit(annotations: Path, scorer: str, out: Path, **settings: int) -> dict[str, HeldOut]:
    """Fit a scorer and return what it does on what is held out, by dimension."""
    out.mkdir()
    asked = Quality(scorer=scorer, annotations=annotations, resamples=200, **settings)
    facts = fit_scorer(read_annotations(annotations, whole=scorer == "fasttext"), asked, encode, out, workers=1)
    rows = {row.dimension: row for row in read_held_out(out / FILE)}
    assert facts["annotated_documents"] == 150
    assert facts["held_out_spearman"] == {name: row.spearman for name, row in rows.items()}
    return rows


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_probe_learns_what_follows_from_the_topic_and_tells_noise(annotations: Path, tmp_path: Path) -> None:
    rows = fit(annotations, "probe", tmp_path / "out")
    assert rows["quality"].spearman > 0.8 and rows["quality"].pearson > 0.8 and rows["quality"].tells
    assert rows["quality"].mean_predicted == pytest.approx(rows["quality"].mean_annotated, abs=0.1)
    assert not rows["luck"].tells


def test_what_is_held_out_is_not_learnt_from() -> None:
    """With as many numbers in a vector as there are texts a probe can learn any scores by heart."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(60, 200))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    noise = random.integers(6, size=(60, 1)).astype(float)
    _, (row,) = fit_probe(Annotations([""] * 60, ("quality",), noise), vectors, Quality(resamples=200))
    assert not row.tells


@pytest.mark.slow
def test_fasttext_learns_it_too_and_its_models_score(annotations: Path, tmp_path: Path) -> None:
    pytest.importorskip("fasttext", reason="fastText is not installed: pip install 'climb[fasttext]'")
    rows = fit(annotations, "fasttext", tmp_path / "out", epochs=60, folds=3)
    assert rows["quality"].spearman > 0.8 and rows["quality"].tells and not rows["luck"].tells
    scorer = FastTextScorer({name: tmp_path / "out" / f"{name}.bin" for name in rows})
    texts = [" ".join(WORDS[name]) for name in sorted(WORDS)]
    quality = scorer.score(texts)[:, scorer.dimensions.index("quality")]
    assert np.abs(quality - [PLANTED[name] for name in sorted(WORDS)]).max() <= 1
    assert set(contents(tmp_path / "out")) == {"scorer.json", FILE, "luck.bin", "quality.bin"}


@pytest.mark.slow
@pytest.mark.parametrize("scorer", ["probe", "fasttext"])
def test_equal_annotations_give_equal_bytes(annotations: Path, tmp_path: Path, scorer: str) -> None:
    if scorer == "fasttext":
        pytest.importorskip("fasttext", reason="fastText is not installed: pip install 'climb[fasttext]'")
    for name in ("one", "two"):
        fit(annotations, scorer, tmp_path / name, folds=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_a_label_in_a_text_is_text(annotations: Path, tmp_path: Path) -> None:
    pytest.importorskip("fasttext", reason="fastText is not installed: pip install 'climb[fasttext]'")
    records = annotate(150)
    records[0]["text"] += " __label__9 __label__4"
    fit(write_annotations(annotations, records), "fasttext", tmp_path / "out", folds=2)
    FastTextScorer({"quality": tmp_path / "out" / "quality.bin"})  # refuses other labels


def test_what_needs_no_fitting_is_always_the_same(tmp_path: Path) -> None:
    for name, settings in (("one", Quality()), ("two", Quality(seed=7, folds=9))):
        (tmp_path / name).mkdir()
        write_unfitted(settings, tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert read_held_out(tmp_path / "one" / FILE) == []


def probe() -> Probe:
    """Return a probe that gives 2 and twice 5 times the first number of a vector."""
    weights = np.zeros((2, LENGTH), np.float32)
    weights[1, 0] = 10
    return Probe(("a", "b"), weights, np.array([2, 0], np.float32))


def test_scores_stay_on_the_scale_and_no_vector_has_none(tmp_path: Path) -> None:
    vectors = np.zeros((5, LENGTH), np.float16)
    vectors[[0, 1, 2], [0, 0, 1]] = [1, -1, 1]
    vectors[3] = np.nan
    write_table(tmp_path / "documents.parquet", pa.table({"id": list("vwxyz"), "text": [""] * 5}))
    np.save(tmp_path / "vectors.npy", vectors)
    tables = []
    for most in (2, 5):
        facts = score_vectors(tmp_path / "documents.parquet", tmp_path / "vectors.npy", probe(), most, tmp_path)
        tables.append((tmp_path / "scores.parquet").read_bytes())
    table = read_table(tmp_path / "scores.parquet")
    assert table["a"].to_pylist() == [2, 2, 2, None, None]
    assert table["b"].to_pylist() == [5, 0, 0, None, None]
    assert facts["not_judged"] == {"a": 2, "b": 2} and tables[0] == tables[1]


def test_vectors_of_other_documents_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "documents.parquet", pa.table({"id": ["a", "b"], "text": ["", ""]}))
    np.save(tmp_path / "vectors.npy", np.zeros((3, LENGTH), np.float16))
    with pytest.raises(ComputeError, match="has 3 vectors, not one for each document"):
        score_vectors(tmp_path / "documents.parquet", tmp_path / "vectors.npy", probe(), 8, tmp_path)


def test_a_probe_is_written_as_it_scores(annotations: Path, tmp_path: Path) -> None:
    fit(annotations, "probe", tmp_path / "out")
    weights, intercepts = (np.load(tmp_path / "out" / name) for name in (WEIGHTS, INTERCEPTS))
    assert weights.shape == (2, LENGTH) and weights.dtype == intercepts.dtype == np.float32
    scores = Probe(("luck", "quality"), weights, intercepts).score(encode([" ".join(WORDS[n]) for n in sorted(WORDS)]))
    assert np.abs(scores[:, 1] - [PLANTED[name] for name in sorted(WORDS)]).max() < 1.5

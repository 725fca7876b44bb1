"""Quality: the rules tell good text from spam, fastText models are read as NVIDIA's are."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.clusters.quality import (
    DIMENSIONS,
    FastTextScorer,
    RuleScorer,
    load_scorer,
    prepare_for_fasttext,
    score_shard,
)
from climb_assets.config import Quality
from climb_assets.errors import ConfigError
from climb_assets.tables import read_table, write_table
from tests.climb_assets.clusters.samples import CODE, JUNK, PROSE

LESSON = """
A glacier is a persistent body of dense ice that moves under its own weight. Glaciers form where the
accumulation of snow exceeds its loss over many years. Because the pressure of the upper layers deforms the
crystals below, the ice flows slowly, for example by about 30 metres a year in the Alps. The study of this
process is known as glaciology, which describes how temperature, slope and the structure of the bed determine
the motion. Scientists use different methods to measure it, such as satellite images and stakes drilled into
the surface. Therefore the position of moraines in the Rhone valley, defined as ridges of debris left by the
ice, explains the climate of the past 20,000 years. Glacial ice holds most of the fresh water on Earth, and
its loss since 1850 has a measurable effect on the level of the sea in general.
"""
SPAM = """
CONGRATULATIONS!!! You have been selected to receive a FREE GIFT! Buy now and save $500 on the lowest price
offers!!! ACT NOW! This is a limited time special offer, 100% money back guarantee, risk free, no
obligation!!! Click here to order now http://www.deals.example http://www.cash.example or call now toll free!
Earn $10,000 cash from home! Discount mortgage loans and credit for you! Buy cheap, save cash, earn profit! To
be removed from our mailing list, unsubscribe at remove@deals.example!!!
"""
REPEATED = "the same line of words\n" * 80


@pytest.fixture(scope="module")
def scored() -> dict[str, dict[str, float]]:
    """Rule scores by text and dimension."""
    texts = {"lesson": LESSON, "spam": SPAM, "repeated": REPEATED}
    scores = RuleScorer().score(list(texts.values()))
    return {name: dict(zip(DIMENSIONS, row.tolist(), strict=True)) for name, row in zip(texts, scores, strict=True)}


def test_a_lesson_passes_every_dimension(scored) -> None:
    assert min(scored["lesson"].values()) > 3.0


def test_advertisement_is_high_where_there_is_none(scored) -> None:
    assert scored["lesson"]["advertisement"] > 4.5
    assert scored["spam"]["advertisement"] < 1.0


@pytest.mark.parametrize("dimension", DIMENSIONS[:3])
def test_a_lesson_beats_repetition(scored, dimension: str) -> None:
    assert scored["lesson"][dimension] > scored["repeated"][dimension] + 0.5


def rules(text: str) -> dict[str, float]:
    """Return the scores of the rules, by dimension."""
    return dict(zip(DIMENSIONS, RuleScorer().score([text])[0].tolist(), strict=True))


@pytest.mark.parametrize("language", [name for name in PROSE if name != "English"])
def test_good_text_is_not_poor_for_being_in_another_language(language: str) -> None:
    scores = rules(PROSE[language])
    assert np.isnan(scores.pop("educational_value"))  # asks for English phrases: not judged
    assert min(scores.values()) > 3.0


def test_code_is_not_judged_as_prose() -> None:
    scores = rules(CODE)
    assert scores["quality"] > 3.5
    assert all(np.isnan(scores[name]) for name in DIMENSIONS[1:])


@pytest.mark.parametrize("junk", JUNK)
def test_junk_is_poor_in_any_language(junk: str) -> None:
    assert rules(JUNK[junk])["quality"] < 3.0


def test_promotion_shows_in_other_languages_too() -> None:
    offer = "Купите прямо сейчас!!! Скидка 50 %! Всего $9! Пишите на sale@shop.example, https://shop.example !!! " * 4
    assert rules(PROSE["Russian"])["advertisement"] > 4.5
    assert rules(offer)["advertisement"] < 2.5


@pytest.mark.parametrize("language", PROSE)
def test_a_fault_weighs_as_much_in_any_language(language: str) -> None:
    footer = "\n\nNAME\nhttps://gnu.org, mail@gnu.org, https://debian.org, help@debian.org, https://kernel.org\n"
    text = (PROSE[language] + " ") * 4 + footer
    lost = rules(PROSE[language])["advertisement"] - rules(text)["advertisement"]
    assert 0.2 < lost <= 1.0  # of one condition, links


def test_what_is_not_judged_is_null_and_counted(tmp_path: Path) -> None:
    documents = tmp_path / "documents.parquet"
    write_table(documents, pa.table({"id": ["a", "b"], "text": [LESSON, PROSE["Japanese"]]}))
    facts = score_shard(documents, RuleScorer(), 8, tmp_path)
    scores = read_table(tmp_path / "scores.parquet")
    assert scores["educational_value"].is_null().to_pylist() == [False, True]
    assert facts["not_judged"] == dict.fromkeys(DIMENSIONS, 0) | {"educational_value": 1}
    assert facts["means"]["educational_value"] == pytest.approx(scores["educational_value"][0].as_py(), abs=1e-3)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(st.text(max_size=200), max_size=4))
def test_any_text_has_scores_from_0_to_5(texts: list[str]) -> None:
    scores = RuleScorer().score(texts)
    assert scores.shape == (len(texts), 4)
    assert scores.dtype == np.float32
    assert (np.isnan(scores) | ((scores >= 0) & (scores <= 5))).all()


def test_scores_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    documents = tmp_path / "documents.parquet"
    texts = [LESSON, SPAM, REPEATED, "short"]
    write_table(documents, pa.table({"id": list("abcd"), "text": texts}))
    for part in (1, 4):
        (tmp_path / str(part)).mkdir()
        facts = score_shard(documents, RuleScorer(), part, tmp_path / str(part))
    table = read_table(tmp_path / "1" / "scores.parquet")
    assert table.equals(read_table(tmp_path / "4" / "scores.parquet"))
    assert table.column_names == ["id", *DIMENSIONS]
    assert facts["documents"] == 4


def test_text_is_prepared_as_nvidia_does() -> None:
    assert prepare_for_fasttext("It's  (so)\nGood!") == "it ' s ( so ) <newline>good !"


def train(path: Path, labels: tuple[int, int]) -> Path:
    """Train a real, tiny classifier: glaciers get the first label, offers the second."""
    fasttext = pytest.importorskip("fasttext")
    lines = path.with_suffix(".txt")
    pairs = ((labels[0], prepare_for_fasttext(LESSON)), (labels[1], prepare_for_fasttext(SPAM)))
    lines.write_text("".join(f"__label__{label} {text}\n" for label, text in pairs) * 20)
    # Each thread initialises a tenth of the weights (fastText 0.9.2); with fewer than 11 some are left as memory was.
    model = fasttext.train_supervised(str(lines), dim=8, epoch=20, thread=11, verbose=0)
    model.save_model(str(path))
    return path


def test_fasttext_models_give_their_likeliest_label(tmp_path: Path) -> None:
    models = {"quality": train(tmp_path / "q.bin", (5, -1)), "advertisement": train(tmp_path / "a.bin", (4, 0))}
    scorer = load_scorer(Quality(scorer="fasttext", models=models))
    assert scorer.dimensions == ("advertisement", "quality")
    assert scorer.score([LESSON, SPAM]).tolist() == [[4.0, 5.0], [0.0, -1.0]]


def test_a_model_with_other_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"quality\.models\.quality: .* labels other than"):
        FastTextScorer({"quality": train(tmp_path / "q.bin", (1, 9))})


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    pytest.importorskip("fasttext")
    with pytest.raises(ConfigError, match=r"quality\.models\.quality: .*none\.bin"):
        FastTextScorer({"quality": tmp_path / "none.bin"})


@pytest.mark.parametrize("place", [8, 48, 32], ids=["no memory", "a signal", "an exception"])
def test_files_that_fasttext_cannot_bear_end_no_process_but_their_own(tmp_path: Path, place: int) -> None:
    path = train(tmp_path / "q.bin", (5, -1))
    content = bytearray(path.read_bytes())
    content[place : place + 4] = b"\xff" * 4  # a number of the header, which fastText trusts
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"quality\.models\.quality: .*q\.bin cannot be loaded; give a fastText"):
        load_scorer(Quality(scorer="fasttext", models={"quality": path}))

"""Quality of documents on the paper's dimensions, each 0 to 5, higher is better.

What belongs here: scoring one document at a time. What a poor score does to a cluster belongs to `domains`.

Two scorers read texts. `FastTextScorer` runs classifiers with the conventions of NVIDIA's released ones (3_prune.py of
the NeMo Curator tutorial), given or trained from annotations. `RuleScorer` needs no download: it reads each dimension
as the prompt does that those classifiers were distilled from (paper, appendix D.11: start at 0, add a point per
condition), with conditions that can be counted in the text. The third, a `probe`, reads vectors.
"""

import functools
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.clusters.annotations import annotated_dimensions
from climb_assets.clusters.probe import Probe
from climb_assets.clusters.text_statistics import Signals, read_signals
from climb_assets.config import Config
from climb_assets.config_quality import Quality
from climb_assets.corpus.outside_files import open_named
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.executor.executor import UnitError
from climb_assets.executor.trial import try_in_child
from climb_assets.executor.worker import WorkerDied
from climb_assets.tables import count_rows, iterate_batches, iterate_texts, write_table

DIMENSIONS = ("quality", "educational_value", "informational_value", "advertisement")
LEAST_CONDITIONS = 2  # of a dimension that must be able to judge a text; one alone says too little


class QualityScorer(Protocol):
    """What scores documents."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the columns of `score`."""
        ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return scores (texts, dimensions), 0 to 5, higher is better (advertisement: 5 = no promotion at all).

        NaN where the scorer cannot judge the text.
        """
        ...


def _ramp(values: NDArray[np.float64], none: float, full: float) -> NDArray[np.float64]:
    """Return 0 at `none`, 1 at `full`, linear between; `none` may be the larger."""
    return np.clip((values - none) / (full - none), 0, 1)


class Condition(NamedTuple):
    """How far n texts meet a condition, 0 to 1 (n,), and which of them it can judge (n,)."""

    met: NDArray[np.float64]
    judged: NDArray[np.bool_]


class RuleScorer:
    """Transparent rules: five conditions a dimension, one point each, partly met conditions count in part.

    The signals are those of Gopher (arXiv 2112.11446, appendix A), C4 and FineWeb; the ramps were set so that
    encyclopaedic prose scores 3 to 5 and unsolicited mail fails the advertisement dimension.

    A condition that knows English judges no text in another language, and one that asks for sentences no code. It
    counts as met then; where only one condition is left there is no score.
    """

    dimensions = DIMENSIONS

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return scores (texts, 4); NaN where the rules cannot judge."""
        signals = read_signals(texts)
        rules = (self._quality, self._education, self._information, self._advertisement)
        return np.stack([_combine(rule(signals)) for rule in rules], axis=1)

    @staticmethod
    def _quality(s: Signals) -> list[Condition]:
        """Is it coherent natural language?"""
        sentences = _ramp(s.sentence_words, 3, 10) * _ramp(s.sentence_words, 80, 40)
        varied = np.where(s.prose, _ramp(s.distinct_share, 0.20, 0.40), 1)  # code says the same names again and again
        repetition = _ramp(s.repeated_lines, 0.30, 0.05) * varied
        return [
            Condition(_ramp(s.words, 20, 100), s.any),  # Gopher: at least 50 words
            Condition(_ramp(s.stop_share, 0.10, 0.30), s.english),  # function words hold sentences together
            Condition(_ramp(s.letter_share, 0.65, 0.90), s.prose),  # Gopher: four words in five have a letter
            Condition(sentences, s.prose),  # C4: sentences that end
            Condition(repetition, s.any),  # Gopher
        ]

    @staticmethod
    def _education(s: Signals) -> list[Condition]:
        """Could somebody learn a subject from it?"""
        return [
            Condition(_ramp(s.reasoning, 0.2, 1.5), s.english),  # per 100 words: because, therefore, for example
            Condition(_ramp(s.definitions, 0.1, 1.0), s.english),  # per 100 words: is a, refers to, known as
            Condition(_ramp(s.teaching, 0.1, 1.5), s.english),  # per 100 words: theory, method, explain, introduction
            Condition(_ramp(s.personal_share, 0.08, 0.02), s.english),  # a text on a subject speaks little of I and you
            Condition(_ramp(s.sentence_words, 5, 15), s.prose),  # explanations need full sentences
        ]

    @staticmethod
    def _information(s: Signals) -> list[Condition]:
        """Does it hold much that is specific?"""
        return [
            Condition(_ramp(s.stop_share, 0.60, 0.45), s.english),  # share of content words
            Condition(_ramp(s.distinct_share, 0.35, 0.60), s.prose),
            Condition(_ramp(s.long_share, 0.10, 0.25), s.english),
            Condition(_ramp(s.numbers + s.names, 0.5, 6.0), s.english),  # per 100 words; few scripts have capitals
            Condition(_ramp(s.words, 30, 200), s.any),  # enough room to say something
        ]

    @staticmethod
    def _advertisement(s: Signals) -> list[Condition]:
        """Is it free of promotion?"""
        return [
            Condition(_ramp(s.selling, 2.0, 0.2), s.english),  # per 100 words: buy, discount, guarantee
            Condition(_ramp(s.urging, 0.5, 0.0), s.english),  # per 100 words: click here, order now, limited time
            Condition(_ramp(s.shouting, 4.0, 0.5), s.prose),  # per 100 words: exclamation marks and capitals
            Condition(_ramp(s.links, 1.5, 0.1), s.any),  # per 100 words: addresses of sites and people
            Condition(_ramp(s.money, 1.5, 0.1), s.prose),  # per 100 words: sums of money; $1 is a variable
        ]


def _combine(conditions: Sequence[Condition]) -> NDArray[np.float32]:
    """Return scores 0 to 5 (n,): a point for each condition that is met or cannot judge; NaN where fewer than two can.

    What cannot judge holds nothing against a text. Were the others to stand for it, each of their faults would weigh
    more in a language that the rules do not know than in English.
    """
    judged = np.array([condition.judged for condition in conditions])
    points = np.where(judged, [condition.met for condition in conditions], 1).sum(axis=0)
    return np.where(judged.sum(axis=0) >= LEAST_CONDITIONS, points, np.nan).astype(np.float32)


NEWLINE = "<newline>"
PUNCTUATION = re.compile(r"([.!?,'/()])")
LABEL = "__label__"
HEADER = struct.Struct("<ii")  # of a fastText model: a number that says so, and the version of its format
FASTTEXT, LATEST = 793712314, 12  # fasttext.cc


def prepare_for_fasttext(text: str) -> str:
    """Return the text as NVIDIA's classifiers expect it: one lower-case line, punctuation set apart (3_prune.py)."""
    return " ".join(PUNCTUATION.sub(r" \1 ", text.replace("\n", NEWLINE)).lower().split())


class FastTextScorer:
    """One fastText classifier a dimension, with labels ``__label__-1`` to ``__label__5``; the likeliest is the score.

    Raises
    ------
    ConfigError
        A model is not there, or its labels are not of this kind.
    """

    def __init__(self, models: Mapping[str, Path]) -> None:
        self.dimensions = tuple(sorted(models))
        self._models = [_load_fasttext(name, models[name]) for name in self.dimensions]

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return scores (texts, models); -1 is a label as good as any."""
        lines = [prepare_for_fasttext(text) for text in texts]
        scores = np.empty((len(texts), len(self._models)), np.float32)
        for column, model in enumerate(self._models):
            if lines:
                labels, _ = model.predict(lines)
                scores[:, column] = [float(label[0].removeprefix(LABEL)) for label in labels]
        return scores


def _load_fasttext(name: str, path: Path) -> Any:
    import fasttext

    try:
        model = fasttext.load_model(str(path))
    except ValueError as error:
        raise ConfigError(f"quality.models.{name}: {error}; give a fastText .bin file") from None
    allowed = {f"{LABEL}{score}" for score in range(-1, 6)}
    if not set(model.labels) <= allowed:
        raise ConfigError(
            f"quality.models.{name}: {path} has labels other than {LABEL}-1 to {LABEL}5; give a quality model"
        )
    return model


@dataclass(frozen=True)
class LoadScorer:
    """Load one fastText model and use it once, so that a file which the library cannot bear shows itself."""

    dimension: str
    path: Path

    @property
    def name(self) -> str:
        """What people read of it."""
        return str(self.path)

    def run(self) -> None:
        """Load it and score a text."""
        FastTextScorer({self.dimension: self.path}).score(["Is it a classifier?"])


@functools.cache
def _require_loadable(dimension: str, path: Path, changed_ns: int) -> None:
    """Load a model in a child first, once for each version of its file: a broken one may end the process."""
    try:
        try_in_child(LoadScorer(dimension, path), path)
    except (WorkerDied, UnitError):
        raise ConfigError(f"quality.models.{dimension}: {path} cannot be loaded; give a fastText .bin file") from None


def check_quality(config: Config) -> None:
    """Check the headers of fastText models, all annotations, and that what clusters are pruned or parted by is scored.

    Raises
    ------
    ConfigError
        A file cannot be read or is not of its kind, fastText is not installed, or a dimension is not scored.
    """
    cure = "give a fastText .bin file"
    for dimension, path in config.quality.models.items():
        key = f"quality.models.{dimension}"
        with open_named(path, key, cure) as stream:
            header = stream.read(HEADER.size)
        number, version = HEADER.unpack(header) if len(header) == HEADER.size else (0, 0)
        if number != FASTTEXT or version > LATEST:
            raise ConfigError(f"{key}: {path} is no fastText model; {cure}")
    if config.quality.scorer == "fasttext" and find_spec("fasttext") is None:
        raise ConfigError("quality.scorer fasttext needs fastText: pip install 'climb[fasttext]'")
    annotated = annotated_dimensions(config) if config.quality.fitted else ()
    scored = annotated or tuple(config.quality.models) or DIMENSIONS
    cells = config.clusters.cells
    named = [("clusters.prune", dimension) for dimension in config.clusters.prune]
    named += [("clusters.cells.dimension", cells.dimension)] if cells is not None else []
    for key, dimension in named:
        if dimension not in scored:
            raise ConfigError(f"{key} names {dimension!r}, which is not scored; known: {', '.join(scored)}")


def load_scorer(settings: Quality) -> QualityScorer:
    """Return the scorer of the configuration that needs no fitting.

    Raises
    ------
    ConfigError
        A model is not there, is no fastText model, or has other labels.
    """
    for dimension, path in settings.models.items():
        _require_loadable(dimension, path, path.stat().st_mtime_ns if path.exists() else 0)
    return FastTextScorer(settings.models) if settings.scorer == "fasttext" else RuleScorer()


def score_shard(documents: Path, scorer: QualityScorer, part_documents: int, out: Path) -> dict[str, Any]:
    """Write ``scores.parquet``: id and one float32 column per dimension, in document order; null where not judged.

    Returns
    -------
    Facts: documents, the mean of each dimension, and how many documents it could not judge.
    """
    batches = iterate_texts(documents, part_documents, ["id", "text"])
    scored = ((batch.column("id"), scorer.score(batch.column("text").to_pylist())) for batch in batches)
    return _write_scores(documents, scored, scorer.dimensions, out)


def score_vectors(documents: Path, vectors: Path, probe: Probe, part_documents: int, out: Path) -> dict[str, Any]:
    """Write ``scores.parquet`` from the vectors of a shard, in document order; see `score_shard`.

    Raises
    ------
    ComputeError
        There is not one vector for each document.
    """
    of_shard = np.load(vectors, mmap_mode="r", allow_pickle=False)
    if len(of_shard) != count_rows(documents):
        raise ComputeError(f"{vectors} has {len(of_shard)} vectors, not one for each document; report this")

    def scored() -> Iterator[tuple[pa.Array, NDArray[np.float32]]]:
        start = 0
        for batch in iterate_batches(documents, part_documents, ["id"]):
            yield batch.column("id"), probe.score(np.asarray(of_shard[start : start + batch.num_rows]))
            start += batch.num_rows

    return _write_scores(documents, scored(), probe.dimensions, out)


def _write_scores(
    documents: Path,
    scored: Iterator[tuple[pa.Array, NDArray[np.float32]]],
    dimensions: tuple[str, ...],
    out: Path,
) -> dict[str, Any]:
    """Write ids with their scores (documents, dimensions), batch by batch, and return the facts."""
    schema = pa.schema([("id", pa.string())] + [(name, pa.float32()) for name in dimensions])
    total, judged = np.zeros(len(dimensions)), np.zeros(len(dimensions), np.int64)

    def batches() -> Iterator[pa.RecordBatch]:
        for ids, scores in scored:
            if np.isinf(scores).any():
                raise ComputeError(f"a quality score in {documents} is not finite; check quality.models")
            known = ~np.isnan(scores)
            total[:] += scores.sum(axis=0, dtype=np.float64, where=known)
            judged[:] += known.sum(axis=0)
            columns = [pa.array(column, pa.float32(), from_pandas=True) for column in scores.T]  # NaN becomes null
            yield pa.RecordBatch.from_arrays([ids, *columns], schema=schema)

    rows = write_table(out / "scores.parquet", batches(), schema)
    means = {
        name: round(float(sum_ / count), 4) if count else None
        for name, sum_, count in zip(dimensions, total, judged, strict=True)
    }
    not_judged = {name: rows - int(count) for name, count in zip(dimensions, judged, strict=True)}
    return {"documents": rows, "means": means, "not_judged": not_judged}

"""The scorer by which clusters are parted into cells, so that it can be taken along and asked about new text.

What belongs here: what is said of it, which files it is made of, and the bands of texts. How documents of the lake are
scored is `quality`; the numbers of cells are `cells`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from climb_assets.clusters.cells import bands_of
from climb_assets.clusters.probe import Probe
from climb_assets.clusters.quality import load_scorer
from climb_assets.config_base import Section
from climb_assets.config_cells import Cells
from climb_assets.config_quality import Quality
from climb_assets.errors import ConfigError
from climb_assets.graph.code_identity import code_at_start
from climb_assets.store.artifacts import canonical_json, sha256_text

MODEL, WEIGHTS, INTERCEPTS = "scorer.bin", "scorer_weights.npy", "scorer_intercepts.npy"
FILES = {"rules": (), "fasttext": (MODEL,), "probe": (WEIGHTS, INTERCEPTS)}  # of each kind of scorer, beside the facts


class CellFacts(Section):
    """How clusters are parted, and by which scorer.

    `dimensions` are those that it scores, in its order, `files` its files with their SHA-256. Rules are code, so
    `rules` is a hash of that.
    """

    by: Cells
    number: Literal["cluster x bands + band"] = "cluster x bands + band"
    band: Literal["how many thresholds the score reaches, all of them where there is no score"] = (
        "how many thresholds the score reaches, all of them where there is no score"
    )
    scorer: Literal["rules", "fasttext", "probe"]
    dimensions: tuple[str, ...]
    files: dict[str, str]
    rules: str | None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.by.dimension not in self.dimensions or tuple(self.files) != FILES[self.scorer]:
            raise ValueError("cells names no scorer of its dimension")
        if (self.rules is None) == (self.scorer == "rules"):
            raise ValueError("cells.rules is not of its scorer")
        return self


def rules_version() -> str:
    """Return a hash of the code of the rules."""
    return sha256_text(canonical_json(code_at_start("climb_assets.clusters.quality:RuleScorer")))[:32]


@dataclass(frozen=True, eq=False)
class CellScorer:
    """Puts texts into bands, as the lake puts its documents.

    Parameters
    ----------
    score
        Returns scores (texts, dimensions), NaN where there is none, of texts and their vectors (texts, length).
    column
        The place of the dimension that counts.
    """

    cells: Cells
    score: Callable[[Sequence[str], NDArray[np.float16]], NDArray[np.float32]]
    column: int

    @classmethod
    def load(cls, facts: CellFacts, files: Mapping[str, Path]) -> "CellScorer":
        """Load the scorer from its files.

        Raises
        ------
        ConfigError
            fastText is not installed, or its file is no model of quality.
        """
        column = facts.dimensions.index(facts.by.dimension)
        if facts.scorer == "probe":
            probe = Probe(facts.dimensions, *(np.load(files[name], allow_pickle=False) for name in FILES["probe"]))
            return cls(facts.by, lambda texts, vectors: probe.score(vectors), column)
        if facts.scorer == "fasttext" and find_spec("fasttext") is None:
            raise ConfigError("the cells of this taxonomy are scored by fastText: pip install 'climb[fasttext]'")
        models = {facts.by.dimension: files[MODEL]} if facts.scorer == "fasttext" else {}
        scorer = load_scorer(Quality(scorer=facts.scorer, models=models))
        return cls(facts.by, lambda texts, vectors: scorer.score(texts), column)

    def bands_of(self, texts: Sequence[str], vectors: NDArray[np.float16]) -> NDArray[np.int32]:
        """Return the band of each text (n,), given its vector (n, length)."""
        return bands_of(self.score(texts, vectors)[:, self.column], self.cells)

"""How documents are scored."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from climb_assets.config_base import Name, Section

# Columns that stand beside scores, in tables or in queries.
TAKEN = ("bytes", "cluster", "distance", "documents", "file_row_number", "id", "shard", "source", "tokens")


class Quality(Section):
    """How documents are scored on the paper's four dimensions, each 0-5, higher is better (appendix D.11)."""

    scorer: Literal["rules", "fasttext", "probe"] = Field(
        "rules",
        description="rules need nothing; fasttext: classifiers, yours (models) or trained from annotations as in the "
        "paper; probe: ridge regression from embeddings to the scores of annotations",
    )
    models: dict[Name, Path] = Field(default_factory=dict, description="dimension: fastText .bin file")
    annotations: Path | None = Field(
        None, description='JSONL of {"text": ..., "scores": {dimension: 0 to 5}}, one record a document'
    )
    epochs: int = Field(5, ge=1, description="passes of fastText over the annotations (its default; few need more)")
    folds: int = Field(
        5, ge=2, le=20, description="parts of the annotations; what is fitted on the others is held against each"
    )
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of the intervals of held-out correlations")
    confidence: float = Field(0.95, gt=0.5, lt=1, description="coverage of these intervals")
    seed: int = 42

    @model_validator(mode="after")
    def _what_it_scores_by(self) -> Self:
        models, annotations = bool(self.models), self.annotations is not None
        if self.scorer == "rules" and annotations:
            raise ValueError("quality.annotations are for quality.scorer: probe or fasttext; set one of these")
        if self.scorer == "probe" and not annotations:
            raise ValueError("quality.scorer: probe is fitted on quality.annotations; name the file")
        if models + annotations != 1 if self.scorer == "fasttext" else models:
            raise ValueError(
                "quality.models names the .bin files of quality.scorer: fasttext, and only of that; "
                "quality.annotations trains them instead, so give one of the two"
            )
        if taken := [name for name in self.models if name.lower() in TAKEN]:  # SQL does not see their case
            raise ValueError(f"quality.models.{taken[0]} has the name of another column of tables; name it otherwise")
        return self

    @property
    def fitted(self) -> bool:
        """Whether the scorer is fitted on annotations."""
        return self.annotations is not None

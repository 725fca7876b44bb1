"""The part of the configuration that parts domains by quality; `climb_assets.config` holds the rest."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from climb_assets.config_base import Name, Section

DIGITS = 2  # decimals in which thresholds must differ, so that names tell bands apart


class Cells(Section):
    """Domains of documents that are alike in subject and in quality, so that a mixture can weigh the good part apart.

    Thresholds part the scores into bands. A cell is the documents of one cluster within one band; cells are pruned by
    `clusters.prune` as clusters are without them, and what is merged into one domain is cells of one band. A document
    without a score, since nobody could judge it, is in the highest band. There are up to as many times more domains as
    there are bands, for which a search needs more proxies.
    """

    dimension: Name = Field(description="the quality score by which documents are parted, such as quality")
    thresholds: tuple[Annotated[float, Field(ge=0, le=5)], ...] = Field(
        min_length=1,
        description="scores at which a higher band begins, in rising order; a band that ends at or below the "
        "threshold of `clusters.prune` for this dimension is pruned as a whole",
    )

    @model_validator(mode="after")
    def _rise(self) -> Self:
        rounded = [round(threshold, DIGITS) for threshold in self.thresholds]
        if rounded != sorted(set(rounded)):
            raise ValueError(
                f"clusters.cells.thresholds rise by {10**-DIGITS:g} at least; give each once, the least first"
            )
        return self

    @property
    def bands(self) -> int:
        """Number of bands."""
        return len(self.thresholds) + 1

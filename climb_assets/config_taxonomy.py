"""The part of the configuration that says when the taxonomy is made anew; `climb_assets.config` holds the rest."""

from typing import Literal

from pydantic import Field

from climb_assets.config_base import Section


class Taxonomy(Section):
    """When centroids and domains, which stay while the corpus changes, are made anew by policy."""

    renew: Literal["ask", "auto"] = Field(
        "ask",
        description="what an update does once the corpus has drifted: ask tells of it, auto renews the taxonomy and, "
        "without asking, all that is made from it, the search too",
    )
    drift: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="share of the tokens that moved between domains since the fit, half the sum of the differences of "
        "their shares, at which to renew; it counts only beyond what chance moves (docs/sources.md)",
    )

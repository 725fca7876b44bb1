"""The part of the configuration that bounds what a domain holds; `climb_assets.config` holds the rest."""

import math
from typing import Self

from pydantic import Field, model_validator

from climb_assets.config_base import Section

ROUNDING = 1e-9  # a third of the whole is written as 0.333333333


class Balance(Section):
    """Domains of which none holds more than a share of the tokens, and none less than another; no cluster is split.

    Shares are of the tokens of all clusters that are kept, when the domains are formed; what they are today is
    `domain_supply`'s.
    """

    domains: int = Field(ge=2, description="merge to this number of domains")
    largest_share: float = Field(gt=0, le=1, description="largest share of the tokens that a domain may hold")
    smallest_share: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="smallest share; null: what an equal part of the target's tokens takes, "
        "mixture.tokens / (domains x mixture.max_epochs), so that a mixture of equal parts can be made",
    )

    @model_validator(mode="after")
    def _can_hold_the_whole(self) -> Self:
        equal = 1 / self.domains
        if self.largest_share < equal - ROUNDING:
            raise ValueError(
                f"{self.domains} domains of at most {self.largest_share:g} of the tokens do not hold all; "
                f"raise clusters.balance.largest_share to {math.ceil(1000 * equal) / 1000:g} or more"
            )
        if self.smallest_share is not None and self.smallest_share > equal + ROUNDING:
            raise ValueError(
                f"{self.domains} domains of at least {self.smallest_share:g} of the tokens hold more than all; "
                f"lower clusters.balance.smallest_share to {math.floor(1000 * equal) / 1000:g} or less"
            )
        return self

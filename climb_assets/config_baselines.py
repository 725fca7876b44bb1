"""The configuration of the baselines: the section ``baselines``.

What belongs here: the mixtures that an answer is compared with, and what their rules need.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from climb_assets.config_base import Section


class DoReMi(Section):
    """Group DRO over two proxy-sized models (arXiv 2305.10429)."""

    step: float = Field(1.0, gt=0, description="step of the exponentiated gradient (DoReMi, algorithm 1)")
    smoothing: float = Field(1e-3, gt=0, lt=1, description="share of uniform weights mixed in (DoReMi, algorithm 1)")


Baseline = Literal["uniform", "proportional", "unimax", "regmix", "olmix", "climb", "doremi"]


class Baselines(Section):
    """The mixtures that an answer is compared with; those that train proxies get as many as the search."""

    mixtures: tuple[Baseline, ...] = Field(
        ("uniform", "proportional", "unimax"), description="regmix, olmix, climb and doremi train proxies of their own"
    )
    olmix_divergence: float = Field(0.05, ge=0, description="weight of KL(mixture, prior) in Olmix's proposal")
    doremi: DoReMi = DoReMi()

    @model_validator(mode="after")
    def _at_least_two(self) -> Self:
        if not {"uniform", "proportional"} <= set(self.mixtures):
            raise ValueError("baselines.mixtures always has uniform and proportional; add them")
        if len(set(self.mixtures)) != len(self.mixtures):
            raise ValueError("baselines.mixtures names one twice; drop it")
        return self

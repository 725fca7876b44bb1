"""Settings of one language model: its size, and how it is trained."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from climb_assets.config_base import Section
from climb_assets.config_trainer import OwnTrainer
from climb_assets.sizes import SIZES, Shape


class Training(Section):
    """A language model and how it is trained: WSD as in the paper's appendix C.2.

    The model is one of a named size, of a shape given by its four widths, or one that is continued from a folder.
    """

    size: str | None = Field(None, description=f"one of {', '.join(SIZES)}: parameters without the embedding")
    hidden: int | None = Field(None, ge=16, description="hidden size")
    layers: int | None = Field(None, ge=1)
    heads: int | None = Field(None, ge=1)
    intermediate: int | None = Field(None, ge=16, description="width of the SwiGLU block")
    start: Path | None = Field(
        None, description="folder of a Hugging Face causal LM to go on from; tokenizer.path is its tokenizer.json"
    )
    sequence: int = Field(256, ge=16, description="tokens in one packed sequence")
    batch: int = Field(16, ge=1, description="sequences in one step")
    tokens: int = Field(ge=1, description="training tokens; rounded up to whole steps")
    learning_rate: float = Field(gt=0, description="peak")
    rate_factor: float = Field(
        1.0, gt=0, le=1, description="multiplies the peak; proxies rank better with a small one (docs/sources.md)"
    )
    final_learning_rate: float = Field(0.2, gt=0, le=1, description="share of the peak at the end (C.2: 5e-5 to 1e-5)")
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps")
    decay: float = Field(0.3, ge=0, le=1, description="share of the steps in the linear decay")
    weight_decay: float = Field(0.1, ge=0, description="6_train.sh")
    betas: tuple[float, float] = Field((0.9, 0.95), description="6_train.sh")
    clip: float = Field(1.0, gt=0, description="6_train.sh")
    simulate_epochs: bool = Field(
        True, description="repeat each domain as often as mixture.tokens would, on a part of it (docs/sources.md)"
    )
    snapshots: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (), description="shares of the tokens at which the tasks are measured too"
    )
    trainer: OwnTrainer | None = Field(
        None, description="a command that trains in place of climb's own loop (below); ask: people do, and tell"
    )

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        widths = (self.hidden, self.layers, self.heads, self.intermediate)
        given = [self.size is not None, self.start is not None, any(width is not None for width in widths)]
        if sum(given) != 1 or (given[2] and None in widths):
            raise ValueError("give one of size, start, or all of hidden, layers, heads and intermediate")
        if self.size is not None and self.size not in SIZES:
            raise ValueError(f"size {self.size!r} is not known; choose one of {', '.join(SIZES)}")
        if given[2] and (self.shape.hidden % self.shape.heads or (self.shape.hidden // self.shape.heads) % 2):
            raise ValueError("hidden must be heads times an even number")
        if self.warmup + self.decay > 1:
            raise ValueError("warmup + decay is at most 1")
        if list(self.snapshots) != sorted(set(self.snapshots)):
            raise ValueError("snapshots are shares in rising order")
        if self.trainer is not None and self.snapshots:
            raise ValueError("snapshots are of climb's own loop and do not go with a trainer; set them to []")
        return self

    @property
    def trained_by(self) -> dict[str, Any]:
        """What of its trainer decides a model beside files; nothing for climb's own loop."""
        if self.trainer is None:
            return {}
        return {"trainer": self.trainer if self.trainer == "ask" else self.trainer.decides}

    @property
    def measured_by_trainer(self) -> bool:
        """Whether whoever trains measures the tasks too."""
        return self.trainer == "ask" or (self.trainer is not None and self.trainer.scored_by == "trainer")

    @property
    def shape(self) -> Shape:
        """The widths of a model that is not continued from a folder."""
        if self.size is not None:
            return SIZES[self.size]
        assert self.hidden and self.layers and self.heads and self.intermediate, "the start folder knows its shape"
        return Shape(self.hidden, self.layers, self.heads, self.intermediate)

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return -(-self.tokens // (self.batch * self.sequence))

    @property
    def trained_tokens(self) -> int:
        """The tokens of whole steps."""
        return self.steps * self.batch * self.sequence

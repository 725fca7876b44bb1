"""The part of the configuration that says which documents may be trained on; `climb_assets.config` holds the rest."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from climb_assets.config_base import Section


class Settle(Section):
    """When a shard counts as whole: one that is being written is left as it was, for the next round."""

    seconds: float = Field(
        5.0,
        ge=0,
        le=600,
        description="nothing in a shard has changed for as long, by the file system's own clock; 0: taken at once",
    )
    marker: Annotated[str, Field(pattern=r"^[._][A-Za-z0-9._-]{0,99}$")] | None = Field(
        None,
        description="a file, such as _SUCCESS, that a folder must hold too; a shard that is one file has no place for "
        "it, so write that under a name that begins with a dot, and rename it",
    )


class NearDuplicates(Section):
    """When two documents are so alike that they must share a split, by the Jaccard similarity of their shingles."""

    shingle: int = Field(
        2, ge=1, le=13, description="words in a shingle; short texts need short ones (docs/sources.md)"
    )
    threshold: float = Field(0.5, ge=0.4, le=1, description="similarity of near-duplicates (docs/sources.md)")
    drop: Annotated[float, Field(ge=0.4, le=1)] | None = Field(
        None, description="of train documents at least as similar as this only one is kept; null: all (FineWeb: 0.75)"
    )

    @model_validator(mode="after")
    def _dropped_are_near_duplicates(self) -> Self:
        if self.drop is not None and self.drop < self.threshold:
            raise ValueError(
                "corpus.near_duplicates.drop is below the threshold, so such pairs are not looked for; "
                "raise it, or lower corpus.near_duplicates.threshold"
            )
        return self


class Contamination(Section):
    """When a document holds an item of a multiple-choice task, by runs of words that both have."""

    words: int = Field(13, ge=2, description="words in a run that gives an item away (GPT-3, appendix C)")
    least: int = Field(8, ge=2, description="a shorter item is looked for whole, if it has this many words (GPT-3)")
    drop: bool = Field(True, description="leave such documents out of train; false only counts them")

    @model_validator(mode="after")
    def _least_is_least(self) -> Self:
        if self.least > self.words:
            raise ValueError("corpus.contamination.least is above corpus.contamination.words; lower it")
        return self


Pattern = Annotated[str, Field(min_length=1)]


class Licences(Section):
    """Which text may be used at all, by the licence that its record names.

    A pattern is a name, or has `*`, `?` and `[...]` in it; capitals count for nothing.
    """

    allow: Annotated[tuple[Pattern, ...], Field(min_length=1)] | None = Field(
        None, description="the only licences that may be used, such as CC-BY-*; null: all"
    )
    deny: tuple[Pattern, ...] = Field((), description="licences that may not be used, those that allow names too")
    unknown: Literal["allow", "deny"] = Field("allow", description="what to do with text that names no licence")

    @property
    def restrict(self) -> bool:
        """Whether any text may not be used."""
        return self.allow is not None or bool(self.deny) or self.unknown == "deny"

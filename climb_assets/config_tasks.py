"""The configuration of tasks: the sections under ``tasks``.

What belongs here: what is measured on a model, by kind. How it is measured is `climb_assets.training`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from climb_assets.config_base import Section


class TextTask(Section):
    """Bits per byte of held-out text of some sources."""

    kind: Literal["text"]
    sources: tuple[str, ...] = Field(min_length=1)
    split: Literal["search_eval", "report_eval"] = "search_eval"
    documents: int = Field(
        64,
        ge=1,
        description="documents at most, per source, in each of two parts: what the search sees, and what confirms",
    )


class ChoiceTask(Section):
    """Multiple choice from a JSONL file in UTF-8: records {context, choices, gold}, gold a position from 0."""

    kind: Literal["choice"]
    path: Path
    split: Literal["search_eval", "report_eval"] = "search_eval"
    items: int = Field(
        200,
        ge=1,
        description="items at most in each of two parts, fixed random subsets: what the search sees, and what confirms",
    )
    choices: Literal["all", "gold"] = Field(
        "all", description="gold: only the right choice is scored, which the loss needs; all: accuracy is measured too"
    )


class HarnessTask(Section):
    """A task, or a group of tasks, of lm-evaluation-harness, for those who have its data (the extra `eval`)."""

    kind: Literal["harness"]
    task: str = Field(description="its name there")
    include: Path | None = Field(None, description="a folder of task YAML files, which stands in for the harness' own")
    split: Literal["search_eval", "report_eval"] = "search_eval"
    items: int = Field(
        200,
        ge=1,
        description="items at most in each of two parts, the first ones for the search; of a group, of each task",
    )


Task = Annotated[TextTask | ChoiceTask | HarnessTask, Field(discriminator="kind")]

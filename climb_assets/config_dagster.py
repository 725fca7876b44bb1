"""Settings of Dagster: who is named, and how runs are executed.

What belongs here: what the definitions take from climb.yaml. The instance's storage, run launcher and queue stand in
its own dagster.yaml.
"""

from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from climb_assets.config_base import Section

# as Dagster checks them, so that a wrong one is an error of climb.yaml
Owner = Annotated[str, Field(pattern=r"^(team:.+|[A-Za-z0-9_][A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$")]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,63}$")]


class Dagster(Section):
    """How Dagster runs and shows the graph; what is of the instance (storage, launcher) stands in dagster.yaml."""

    executor: str = Field(
        "in_process",
        description="in_process, multiprocess (a process a step), or module:name, such as dagster_k8s:k8s_job_executor",
    )
    owners: tuple[Owner, ...] = Field(
        ("team:data-platform",), description="whom the UI names for the assets: team:name, or e-mail addresses"
    )
    tags: dict[Tag, Tag] = Field(default_factory=dict, description="tags of every asset, to search the UI by")
    timezone: str = Field(
        "UTC", description="the clock of the nightly refresh, a name of the IANA database such as Europe/Berlin"
    )
    corpus_fresh_hours: float | None = Field(
        None,
        gt=0,
        description="the corpus manifest counts as late after this; off, since a corpus to which nothing is added is "
        "not late, and no event tells the two apart",
    )

    @model_validator(mode="after")
    def _known_zone(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError):  # of an unknown name, of a folder's, of a path
            raise ValueError(
                f"timezone {self.timezone!r} is not known; give a name such as UTC, Europe/Berlin or Asia/Tokyo"
            ) from None
        return self

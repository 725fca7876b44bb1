"""The configuration of a trainer of the user's own: the section `trainer` of a training.

What belongs here: the command and its bounds, and what of them decides a model. What the command is handed and has to
give back is `climb_assets.training.command_training`; `climb_assets.config` holds the rest.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from climb_assets.config_base import Name, Section

SCRIPT = b"#!"  # how a program begins that is a script, and so may be edited


class Trainer(Section):
    """A command that trains one model each time it is run: docs/trainer.md says what it is handed and gives back."""

    command: tuple[str, ...] = Field(
        min_length=1,
        description="program and arguments, to which the path of a job.json is added; no shell reads them. An argument "
        "that names a file counts by what the file holds, so an edited script makes the proxies stale",
    )
    folder: Path = Field(Path(), description="folder it is run in; default: that of climb.yaml")
    files: tuple[Path, ...] = Field(
        (), description="further files and folders that decide what it trains, such as modules that a script imports"
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="variables it gets beside those of climb; they count, write 1 as '1'"
    )
    scored_by: Literal["trainer", "climb"] = Field(
        "trainer",
        description="trainer: it reports the loss of each task; climb: it writes a Hugging Face folder, which is "
        "measured like any model of climb's",
    )
    metrics: dict[Name, str] = Field(
        default_factory=dict, description="task: the name under which it reports that; default: the task's"
    )
    tolerance: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="how far a domain's share of the tokens it reports may be from its weight, and all of them from "
        "those asked for, as a share",
    )
    seconds: float = Field(86_400.0, gt=0, description="longest time of one attempt")
    attempts: int = Field(2, ge=1, description="how often it is run before its failure is one of the search")
    memory_gigabytes: float | None = Field(
        None, gt=0, description="main memory that one run needs; default: as much as climb's own loop would"
    )

    @property
    def named_files(self) -> dict[str, Path]:
        """The files and folders that decide what it trains, by their places: arguments that name a file, and `files`.

        A program counts by its name, unless it is a script.
        """
        named = {f"argument-{place}": self.folder / part for place, part in enumerate(self.command)}
        named = {place: path for place, path in named.items() if _is_file(path)}
        if "argument-0" in named and not _is_script(named["argument-0"]):
            del named["argument-0"]
        return named | {f"file-{place}": path for place, path in enumerate(self.files)}

    @property
    def decides(self) -> dict[str, Any]:
        """What decides a model beside `named_files`: no path does, and neither how long or how often it is tried."""
        named = self.named_files
        command = [f"argument-{place}" if f"argument-{place}" in named else part for place, part in self._arguments()]
        return {
            "command": command,
            "environment": self.environment,
            "scored_by": self.scored_by,
            "metrics": self.metrics,
        }

    def _arguments(self) -> list[tuple[int, str]]:
        return [(0, Path(self.command[0]).name), *enumerate(self.command[1:], 1)]


def _is_file(path: Path) -> bool:
    """Return whether an argument names a file; what is too long for a name is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _is_script(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(SCRIPT)) == SCRIPT


def _kind(value: Any) -> str:
    return "ask" if isinstance(value, str) else "command"


OwnTrainer = Annotated[Annotated[Trainer, Tag("command")] | Annotated[Literal["ask"], Tag("ask")], Discriminator(_kind)]

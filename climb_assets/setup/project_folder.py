"""The files of a new project: climb.yaml, workspace.yaml and a README with the next commands.

What belongs here: text and where it goes; nothing that is there is written over. What climb.yaml says is chosen by
`first_settings`.
"""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from climb_assets.config_file import CONFIG_FILE
from climb_assets.errors import ArgumentError
from climb_assets.setup.first_settings import FirstSettings
from climb_assets.setup.raw_sample import RawSample, in_bytes
from climb_assets.store.files import make_folder, write_atomically

LAKE = "lake"  # in the project's folder
WORKSPACE, README = "workspace.yaml", "README.md"
WRITTEN = (CONFIG_FILE, WORKSPACE, README)
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")  # texts that YAML reads as they are
ORDER = ("profile", "lake", "corpus", "encoder", "clusters", "mixture", "tasks", "objectives")
ALWAYS = {
    "lake": "the folder of all that is made",
    "corpus": "is only read",
    "encoder": "the model that embeds documents",
    "objectives": "each gets a mixture; tasks with their weights",
}


@dataclass(frozen=True)
class Command:
    """A command to give next, and what it does."""

    line: str
    does: str


def check_places(folder: Path, raw: Path | str) -> None:
    """Refuse a folder that holds a project already, and places that cannot be what they are named as.

    Raises
    ------
    ArgumentError
        Says which, and what to do.
    """
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"{folder} is a file; name a folder for the project")
    there = [name for name in WRITTEN if (folder / name).exists()]
    if there:
        raise ArgumentError(f"{folder} has {', '.join(there)} already, which stay as they are; name another folder")
    if not isinstance(raw, Path):
        return
    if not raw.exists():
        raise ArgumentError(f"{raw} is not there; give --raw the folder that holds your text")
    if not raw.is_dir():
        raise ArgumentError(f"{raw} is a file; give --raw the folder that holds it")
    if folder.resolve().is_relative_to(raw.resolve()):
        raise ArgumentError(f"{folder} lies in {raw}, so results would be read as raw files; name a folder elsewhere")


def next_commands(folder: Path, *, encoder_missing: bool) -> list[Command]:
    """Return the commands to give next, in their order.

    Parameters
    ----------
    encoder_missing
        Whether the encoder is to be fetched first.
    """
    commands = [Command(f"cd {shlex.quote(str(folder))}", "climb reads the climb.yaml of the folder one stands in")]
    if encoder_missing:
        commands.append(Command("climb fetch-encoder", "the model that embeds documents, 91 MB, once"))
    return [
        *commands,
        Command("climb check", "is everything there, and what will it take?"),
        Command("climb up", "to the answer; the same command goes on where it was ended"),
    ]


def in_columns(commands: Sequence[Command]) -> str:
    """Return commands as lines that a shell takes."""
    width = max(len(command.line) for command in commands)
    return "\n".join(f"  {command.line:<{width}}  # {command.does}" for command in commands)


def write_project(
    folder: Path,
    raw: Path | str,
    encoder: str | None,
    settings: FirstSettings,
    sample: RawSample,
    workspace: bytes,
    commands: Sequence[Command],
) -> None:
    """Write the project's files; `check_places` has looked whether they may be written.

    Parameters
    ----------
    encoder
        Folder or name of the model; None: that of the lake.
    workspace
        What workspace.yaml holds.
    """
    make_folder(folder)
    places: dict[str, Any] = {
        "lake": LAKE,
        "corpus": {"raw": _as_written(raw, folder)} | settings.values.get("corpus", {}),
    }
    if encoder is not None:
        places["encoder"] = {"model": encoder}
    values = settings.values | places
    write_atomically(folder / WORKSPACE, workspace)
    write_atomically(folder / README, _readme(sample, commands).encode())
    write_atomically(folder / CONFIG_FILE, _config_text(values, ALWAYS | settings.notes).encode())


def _as_written(raw: Path | str, folder: Path) -> str:
    """Return raw as climb.yaml names it: an address, a path from its own folder, or a whole path."""
    if not isinstance(raw, Path):
        return raw
    whole, root = raw.resolve(), folder.resolve()
    return str(whole.relative_to(root)) if whole.is_relative_to(root) else str(whole)


def _config_text(values: dict[str, Any], notes: dict[str, str]) -> str:
    """Return climb.yaml: a line for each key, with why it is so."""
    lines = [
        "# Written by `climb init`, and yours from now on. What is not here is the profile's; paths are relative to"
    ]
    lines += ["# this file. Every key: docs/config.md of the project climb."]
    for key in ORDER:
        if key not in values:
            continue
        note = f" # {notes[key]}" if key in notes else ""
        value = values[key]
        if key == "tasks":
            lines.append(f"{key}:{note}")
            lines += [f"  {_yaml(name)}: {_yaml(task)}" for name, task in value.items()]
        else:
            lines.append(f"{key}: {_yaml(value)}{note}")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """Return a value in the flow style of YAML, of which JSON is a part; plain words stand without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    plain = isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in ("true", "false", "null")
    return str(value) if plain else json.dumps(value, ensure_ascii=False)


def _readme(sample: RawSample, commands: Sequence[Command]) -> str:
    return f"""# In which proportions to train on this corpus

{sample.files} raw files in {sample.shards} shards, {in_bytes(sample.bytes)}. What is to be done with them stands in
`climb.yaml`.

```
{in_columns(commands)}
```

Then `climb report general --open` and `climb status` show the answer and all that it rests on, `climb ui` is Dagster's
web UI, and `climb export general` writes the data set. `climb COMMAND --help` says more. Everything that is made lies
under `{LAKE}/`; the raw files are only read.
"""

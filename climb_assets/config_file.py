"""Reading the configuration: one YAML file over a named profile.

What belongs here: from a path to a checked `Config`, and how a fault in it is said.
"""

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from climb_assets.config import Config
from climb_assets.errors import ConfigError

CONFIG_VARIABLE = "CLIMB_CONFIG"
PROFILES = Path(__file__).parent / "profiles"
MODEL = ({"size"}, {"start"}, {"hidden", "layers", "heads", "intermediate"})  # ways to name a model
RAW = "raw"  # the one folder in a lake that is the user's
WHOLE = ("tasks", "objectives")  # replaced as a whole: a user's list of tasks is not added to the profile's


def load_config(path: Path | None = None, profile: str | None = None) -> Config:
    """Read the configuration; relative paths in it are relative to the file's folder.

    Parameters
    ----------
    path
        The YAML file; default: ``$CLIMB_CONFIG``, else ``climb.yaml`` beside the packages.
    profile
        Overrides the file's profile.

    Raises
    ------
    ConfigError
        Names the key that is wrong and what to do.
    """
    path = Path(path or os.environ.get(CONFIG_VARIABLE) or Path(__file__).parents[1] / "climb.yaml").resolve()
    values = _read_yaml(path, "give another with --config")
    name = profile or values.get("profile", "demo")
    known = sorted(p.stem for p in PROFILES.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"profile {name!r} is not known; choose one of {', '.join(known)}")
    merged = _merge(_read_yaml(PROFILES / f"{name}.yaml", "reinstall the package"), values) | {"profile": name}
    try:
        config: Config = _resolve(Config.model_validate(merged), path.parent)
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from None
    _check_folders(config, path)
    folder = path.parent / config.encoder.model
    if not folder.is_dir():  # a model's name at a hub
        return config
    return config.model_copy(update={"encoder": config.encoder.model_copy(update={"model": str(folder.resolve())})})


def _check_folders(config: Config, path: Path) -> None:
    """Refuse a raw folder that the lake's own files lie in, or that lies among them."""
    raw, lake = config.corpus.raw, config.lake
    if lake.is_relative_to(raw):
        raise ConfigError(
            f"{path}: corpus.raw ({raw}) holds the lake ({lake}), so every run would read its own results; set lake to "
            "a folder elsewhere, or corpus.raw to the folder of your files alone"
        )
    if raw.is_relative_to(lake) and raw.relative_to(lake).parts[0] != RAW:
        raise ConfigError(
            f"{path}: corpus.raw ({raw}) lies among the files of the lake ({lake}); set it to {lake / RAW} or to a "
            "folder elsewhere"
        )


def _read_yaml(path: Path, advice: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror}); {advice}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if values is not None and not isinstance(values, dict):
        raise ConfigError(f"{path} must hold keys and values, not a {type(values).__name__}")
    return values or {}


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree over another; a model that is named another way takes the place of the one below."""
    given = [ways for ways in MODEL if ways & over.keys()]
    replaced = set().union(*MODEL) if given else set()
    merged = {key: value for key, value in base.items() if key not in replaced or key in given[0]}
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict) and key not in WHOLE
        merged[key] = _merge(base[key], value) if both else value
    return merged


def _resolve(section: Any, folder: Path) -> Any:
    """Return the section with every relative path made absolute."""
    if isinstance(section, Path):
        return (folder / section).resolve()
    if isinstance(section, tuple):
        return tuple(_resolve(value, folder) for value in section)
    if isinstance(section, dict):
        return {key: _resolve(value, folder) for key, value in section.items()}
    if isinstance(section, BaseModel):
        return section.model_copy(
            update={name: _resolve(getattr(section, name), folder) for name in type(section).model_fields}
        )
    return section


def _explain(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    if parts[:1] == ["tasks"]:
        del parts[2:3]  # the kind, which pydantic puts between a task's name and its keys
    key = ".".join(parts) or "the file"
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key {key!r}; remove it or see docs/config.md for the names"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{path}: {key}: {first['msg'].removeprefix('Value error, ')}{more}"

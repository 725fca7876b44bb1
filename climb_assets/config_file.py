"""Reading the configuration: one YAML file over a named profile.

What belongs here: from a path to a checked `Config`. How the text is read is `config_yaml`, how a fault in it is said
`config_faults`.
"""

import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from climb_assets.config import RAW, TASK_FILES, Config
from climb_assets.config_base import LAKE
from climb_assets.config_encoder import ENCODER
from climb_assets.config_faults import explain
from climb_assets.config_store import store_folder
from climb_assets.config_yaml import read_yaml
from climb_assets.errors import ConfigError
from climb_assets.printable import printable

CONFIG_VARIABLE = "CLIMB_CONFIG"
CONFIG_FILE = "climb.yaml"
PROFILES = Path(__file__).parent / "profiles"
MODEL = ({"size"}, {"start"}, {"hidden", "layers", "heads", "intermediate"})  # ways to name a model
WHOLE = ("tasks", "objectives")  # replaced as a whole: a user's list of tasks is not added to the profile's
PATTERNS = "*?["  # what makes a path a pattern of paths in a query


def find_config() -> Path:
    """Return the configuration file: ``$CLIMB_CONFIG``, else the ``climb.yaml`` of this folder or the nearest above it.

    Raises
    ------
    ConfigError
        There is none.
    """
    if named := os.environ.get(CONFIG_VARIABLE):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder / CONFIG_FILE
    raise ConfigError(
        f"no {CONFIG_FILE} in {here} or above it; begin a project by `climb init FOLDER --raw PATH`, go to its folder, "
        "or name a file with --config"
    )


def load_config(path: Path | None = None, profile: str | None = None) -> Config:
    """Read the configuration; relative paths in it are relative to the file's folder.

    Parameters
    ----------
    path
        The YAML file; default: see `find_config`.
    profile
        Overrides the file's profile.

    Raises
    ------
    ConfigError
        Names the key that is wrong and what to do.
    """
    path = (path or find_config()).resolve()
    values = read_yaml(path, "give another with --config")
    name = profile or values.get("profile", "demo")
    known = sorted(p.stem for p in PROFILES.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"profile {printable(str(name))!r} is not known; choose one of {', '.join(known)}")
    base = read_yaml(PROFILES / f"{name}.yaml", "reinstall the package")
    lake = values.get("lake", base.get("lake", LAKE))
    merged = _merge(_lay_in_lake(base, Path(str(lake))), values) | {"profile": name}
    try:
        config: Config = _resolve(Config.model_validate(merged), path.parent)
        folder = path.parent / config.encoder.model
        named = not folder.is_dir()  # a model's name at a hub
    except ValidationError as error:
        raise ConfigError(explain(error, path)) from None
    except (OSError, RuntimeError, UnicodeError) as error:  # a path that is too long, or links that go in a circle
        raise ConfigError(f"{path}: a path in it cannot be followed ({printable(str(error))}); correct it") from None
    _check_folders(config, path)
    if named:
        return config
    return config.model_copy(update={"encoder": config.encoder.model_copy(update={"model": str(folder.resolve())})})


def _lay_in_lake(profile: dict[str, Any], lake: Path) -> dict[str, Any]:
    """Return a profile whose task files, and raw files and encoder unless it names others, lie in a lake."""
    places = {"corpus": {"raw": str(lake / RAW)}, "encoder": {"model": str(lake / ENCODER)}}
    tasks = {
        name: task | {"path": str(lake / TASK_FILES / task["path"])} if "path" in task else task
        for name, task in profile["tasks"].items()
    }
    return _merge(places, profile | {"tasks": tasks})


def _check_folders(config: Config, path: Path) -> None:
    """Refuse a lake that DuckDB would look for by a pattern, and raw files that lie among its files or hold them."""
    raw, lake = config.corpus.raw, config.lake
    for key, folder in (("lake", lake), ("store", store_folder(config.store))):
        if folder is not None and (patterns := sorted({*PATTERNS} & {*str(folder)})):
            raise ConfigError(
                f"{path}: {key} ({folder}) has {' and '.join(patterns)} in its path, which DuckDB takes for any names "
                f"that fit, so that files of other folders would be read; rename it, or set {key} to another one"
            )
    roots = [("corpus.link_roots", root) for root in config.corpus.link_roots]
    if isinstance(raw, Path):
        roots.insert(0, ("corpus.raw", raw))
    elif config.store is not None and _nested(raw, config.store):
        raise ConfigError(
            f"{path}: corpus.raw ({raw}) and store ({config.store}) hold one another, so artefacts would be read as "
            "raw files; give each a prefix of its own"
        )
    for key, root in roots:
        if lake.is_relative_to(root):
            raise ConfigError(
                f"{path}: {key} ({root}) holds the lake ({lake}), so every run would read its own results; set lake to "
                f"a folder elsewhere, or {key} to the folder of your files alone"
            )
        if root.is_relative_to(lake) and root.relative_to(lake).parts[0] != RAW:
            raise ConfigError(
                f"{path}: {key} ({root}) lies among the files of the lake ({lake}); set it to {lake / RAW} or to a "
                "folder elsewhere"
            )


def _nested(first: str, second: str) -> bool:
    """Return whether one address lies below the other, or is the same."""
    return f"{first}/".startswith(f"{second}/") or f"{second}/".startswith(f"{first}/")


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

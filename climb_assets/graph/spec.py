"""What is said of an asset: its inputs, settings, files, and the function that makes it.

What belongs here: the words of specs. The specs of all assets are `climb_assets.graph.assets`.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from climb_assets.config import Config
from climb_assets.environment import Environment, architecture_class, package_versions, resolve_device
from climb_assets.errors import ConfigError
from climb_assets.graph.code_identity import packages_at_start

Dimension = Literal["shard", "iteration", "objective"]
Reach = Literal["same", "all", "first", "last", "previous"]


def always(config: Config) -> bool:
    """Return True: of an input that every configuration uses."""
    return True


@dataclass(frozen=True)
class Input:
    """One input of an asset.

    Parameters
    ----------
    asset
        Name of the asset that is read.
    reach
        Which of its partitions: the same key, all of them, the first or the last one, or the one before.
    drawn
        Whether Dagster is told. Candidates read the predictor of the iteration before, which Dagster would
        take for a cycle between asset keys; the manifest, the planner and the audit know it all the same.
    used
        Whether a configuration makes the asset from it; where not, it is no input: neither drawn nor recorded.
    """

    asset: str
    reach: Reach = "same"
    drawn: bool = True
    used: Callable[[Config], bool] = always


PREDICTOR = "predictor"
TOLD = "told_results"  # an artefact of no spec: all that people have told of models that they trained


@dataclass(frozen=True)
class Spec:
    """How one asset comes about, apart from the computing itself: the function of its name in its stage's `assets`.

    Parameters
    ----------
    stage
        The folder of `climb_assets` that makes it.
    settings
        The configuration values that the asset uses, given the configuration and the partition key.
    files
        Files or folders outside the lake whose content it uses, by name.
    faithful
        Whether its content changes whenever an input's does, so that what lies behind it is certain too.
    kinds
        What it is made with; `PREDICTOR` stands for the kind of predictor that the configuration asks for.
    lineage
        Whether it tells how all that it rests on was made, and so is made again where that was made otherwise, by other
        settings or code, even if the same came out.
    kept
        The group of assets with which it is kept: the data of its inputs are recorded and make it not stale, and it is
        made anew when its settings, files or code are others or somebody renews the group. None where it is not kept.
    methods
        Of a kept asset, functions that made its inputs, as ``module:name``, and whose code renews it too: vectors of
        another encoder lie in another space.
    still_read
        Of a kept asset, inputs whose versions of then are read as long as it is used.
    parts
        A function of the materializer, partitions and a number of workers, as ``module:name``: the units of work for
        parts of partitions that are more than a worker's share, whose results its function then finds.
    resumable
        Whether its function trusts the finished files in the folder of a maker that died.
    precision
        The precision that its models compute in, given the configuration and the device; None where it has none, or
        none by this configuration.
    commit
        The commit of its model from a hub, as far as that is on this machine.
    told
        Whether, by a configuration, people tell what came of models that it rests on.
    check
        A function of the configuration, as ``module:name``, that says what is wrong with its files before any work.
    check_against
        An ancestor without partitions, and a function of the configuration and of that, as ``module:name``, that says
        what does not fit it as soon as there is one. What is kept is made from an earlier one and not checked again.
    shown_in
        Its group in Dagster, where that is not its stage; see `group`.
    """

    asset: str
    stage: str
    dimension: Dimension | None = None
    inputs: tuple[Input, ...] = ()
    settings: Callable[[Config, str | None], dict[str, Any]] = lambda config, key: {}
    files: Callable[[Config], dict[str, Path]] = lambda config: {}
    kinds: tuple[str, ...] = ("python",)
    faithful: bool = False
    lineage: bool = False
    kept: str | None = None
    methods: tuple[str, ...] = ()
    still_read: tuple[str, ...] = ()
    parts: str | None = None
    resumable: bool = False
    precision: Callable[[Config, str], str | None] | None = None
    commit: Callable[[Config], str | None] = lambda config: None
    told: Callable[[Config], bool] = lambda config: False
    check: str | None = None
    check_against: tuple[str, str] | None = None
    shown_in: str | None = None

    @property
    def group(self) -> str:
        """Its group in Dagster: none reads what a later one makes, so that the graph can be drawn in one direction."""
        return self.shown_in or self.stage

    @property
    def function(self) -> str:
        """The function that makes it, as ``module:name``."""
        return f"climb_assets.{self.stage}.assets:{self.asset}"

    @property
    def functions(self) -> tuple[str, ...]:
        """The functions whose code counts as its own: the one that makes it, and its methods."""
        return (self.function, *self.methods)

    def load(self) -> Callable[..., None]:
        """Import the function that makes it: ``(climb, draft)``, with the partition key between where it has one."""
        return load_function(self.function)

    def require_files(self, config: Config) -> None:
        """Check that the files that the asset uses are there.

        Raises
        ------
        ConfigError
            One is not.
        """
        for name, path in self.files(config).items():
            if not path.exists():
                raise ConfigError(
                    f"{path} ({name}) is not there; name another in climb.yaml, or run `climb fetch-tasks` for "
                    "the demo's"
                )

    def check_files(self, config: Config) -> None:
        """Check the files that the asset uses, so that what is wrong with one is said before hours of work.

        Raises
        ------
        ClimbError
            What `check` says, or one is not there.
        """
        if self.check is not None:
            load_function(self.check)(config)
        self.require_files(config)

    def environment(self, config: Config) -> Environment:
        """Return what its numbers depend on besides code, configuration and data, on this machine."""
        return environment_of(self.function, config, self.precision, self.commit(config), self.methods)

    @property
    def description(self) -> str:
        """The first line of what its function says of it."""
        return (self.load().__doc__ or "").strip()


def environment_of(
    function: str,
    config: Config,
    precision: Callable[[Config, str], str | None] | None,
    commit: str | None = None,
    methods: tuple[str, ...] = (),
) -> Environment:
    """Return what the numbers of a function depend on: the processor, the packages it reaches, device and precision.

    Parameters
    ----------
    methods
        Further functions whose packages count.
    """
    device = resolve_device(config.runtime.device) if precision is not None else None
    found = precision(config, device) if precision is not None and device is not None else None
    return Environment(
        architecture=architecture_class(),
        device=device if found is not None else None,
        precision=found,
        commit=commit,
        packages=package_versions(frozenset().union(*map(packages_at_start, (function, *methods)))),
    )


def load_function(name: str) -> Callable[..., Any]:
    """Import a function, given as ``module:name``."""
    module, _, function = name.partition(":")
    loaded: Callable[..., None] = getattr(importlib.import_module(module), function)
    return loaded


def artefact_name(asset: str, partition: str | None) -> str:
    """Return an artefact's name as manifests write it: ``asset`` or ``asset@partition``."""
    return asset if partition is None else f"{asset}@{partition}"


def place_of(name: str) -> tuple[str, str | None]:
    """Return the asset and the partition that `artefact_name` made a name of."""
    asset, _, partition = name.partition("@")
    return asset, partition or None


def hidden(*assets: str) -> tuple[Input, ...]:
    """Return all partitions of assets as inputs that are not drawn, since another input carries their versions."""
    return tuple(Input(asset, "all", drawn=False) for asset in assets)


def iteration_key(number: int) -> str:
    """Return the partition key of an iteration, from 1."""
    return f"iteration-{number:02d}"


def iteration_keys(config: Config) -> list[str]:
    """Return the partition keys of the search, ``iteration-01`` onwards."""
    return [iteration_key(number) for number in range(1, len(config.search.iterations) + 1)]

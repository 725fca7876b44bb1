"""The environment: what a number depends on besides code, configuration and data.

What belongs here: what ``auto`` comes to, the class of the processor, the versions of packages, the commit of a hub's
model, and how a change of them is told. Who asks for them, and when, belongs to `climb_assets.graph`.

Policy (``runtime.environment``). `warn`, the default: a change of packages or of the processor is told and makes
nothing stale by itself, for a patch release seldom changes a number and a new machine should not throw away a corpus.
A changed device or precision always makes stale: otherwise vectors of two precisions would meet in one k-means, or
models in one swarm. `stale`: every difference makes stale.
"""

import functools
import importlib.metadata
import os
import platform
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from climb_assets.errors import ConfigError

Backend = Literal["torch", "openvino", "static"]
Device = Literal["auto", "cpu", "cuda"]
Policy = Literal["warn", "stale"]
Size = Literal["patch", "release", "computing"]

# Of /dev, where there may be a GPU: NVIDIA's driver, that of Jetson (old and new), of Linux in Windows, and of ROCm.
GPU_FILES = ("nvidiactl", "nvidia0", "nvhost-ctrl", "nvgpu", "dxg", "kfd")
FAST_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})  # CPUs without either emulate it, far slower than float32
FAST_INT8 = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
FAMILIES = {"amd64": "x86_64", "x64": "x86_64", "arm64": "aarch64"}  # as some systems call them
LEVELS = {  # instruction sets that numerical libraries choose their kernels by, the best first
    "x86_64": ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "avx"),
    "aarch64": ("sve2", "sve"),
}
COMMIT = re.compile(r"[0-9a-f]{40}")
PACKAGE = "package "  # before the name of a package in a record


def resolve_device(name: Device, devices: Path = Path("/dev")) -> str:
    """Return the device of a name, ``cpu`` or ``cuda``; ``auto`` takes a GPU where there is one.

    Without a GPU's device file the answer needs no torch, so that planning is quick.

    Parameters
    ----------
    devices
        Where the system keeps device files.
    """
    if name != "auto":
        return name
    if not any((devices / file).exists() for file in GPU_FILES):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def resolve_backend(asked: Literal["auto"] | Backend, device: str) -> Backend:
    """Return what computes the encoder; ``auto`` is OpenVINO where it is installed and int8 is fast, else torch."""
    if asked != "auto":
        return asked
    fast = device == "cpu" and bool(FAST_INT8 & _cpu_features())
    return "openvino" if fast and is_installed("openvino") else "torch"


def is_installed(distribution: str) -> bool:
    """Return whether a distribution is installed, without importing anything of it."""
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def resolve_precision(asked: str, device: str, *, backend: str = "torch", gradients: bool = False) -> str:
    """Return the precision to compute in; ``auto`` is the fastest that the device computes natively.

    Parameters
    ----------
    backend
        What computes; only OpenVINO has int8.
    gradients
        Whether a model is trained. Without scaled losses float16 loses small gradients, so it becomes float32.
    """
    if asked != "auto":
        return asked
    if backend == "openvino" and FAST_INT8 & _cpu_features():
        return "int8"
    if device == "cpu":
        return "bfloat16" if FAST_BFLOAT16 & _cpu_features() else "float32"
    import torch

    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bfloat16"
    return "float32" if gradients else "float16"


def architecture_class() -> str:
    """Return the class of this machine's processor, for example ``x86_64 avx2`` or ``aarch64``.

    It rests on the family that Python names and on the features that Linux lists in /proc/cpuinfo; elsewhere, as on
    macOS, the family is all. Processors of one class may still differ in last bits: some libraries ask for the maker.
    """
    return classify_architecture(platform.machine(), _cpu_features())


def classify_architecture(machine: str, features: frozenset[str]) -> str:
    """Return the class of a processor: its family, and the best of the instruction sets that kernels are chosen by."""
    family = FAMILIES.get(machine.lower(), machine.lower())
    best = next((level for level in LEVELS.get(family, ()) if level in features), None)
    return family if best is None else f"{family} {best}"


@functools.cache
def _cpu_features() -> frozenset[str]:
    """Return the names of what the processor can do, none where the system does not list them."""
    listing = Path("/proc/cpuinfo")
    if not listing.exists():
        return frozenset()
    lines = (line.partition(":") for line in listing.read_text(encoding="utf-8").splitlines())
    return frozenset(next((text for key, _, text in lines if key.strip() in ("flags", "Features")), "").split())


@functools.cache
def _distributions() -> Mapping[str, list[importlib.metadata.Distribution]]:
    """Return the distributions by their top-level modules.

    `importlib.metadata.packages_distributions` parses all metadata for it, which takes ten times as long.
    """
    found = defaultdict(list)
    for distribution in importlib.metadata.distributions():
        for module in _top_modules(distribution):
            found[module].append(distribution)
    return found


def _top_modules(distribution: importlib.metadata.Distribution) -> set[str]:
    """Return the top-level modules that a distribution declares, else those that its files show."""
    if declared := (distribution.read_text("top_level.txt") or "").split():
        return set(declared)
    files = (distribution.read_text("RECORD") or "").splitlines()
    return {line.partition("/")[0].partition(",")[0].partition(".")[0] for line in files}


@functools.cache
def _name(distribution: importlib.metadata.Distribution) -> str | None:
    return distribution.metadata["Name"]  # a file that is parsed anew each time; None of one whose metadata are gone


@functools.cache
def _version(distribution: str) -> str:
    return importlib.metadata.version(distribution)  # of the first on the path, whose metadata are parsed once more


def package_versions(modules: frozenset[str]) -> dict[str, str]:
    """Return the version of Python, and of each distribution that top-level modules come from, by its name, sorted.

    ``faiss`` may come from ``faiss-cpu`` or ``faiss-gpu``. A module that is not installed has no version.
    """
    names = {_name(one) for module in modules for one in _distributions().get(module, ())}
    versions = {re.sub(r"[-_.]+", "-", name).lower(): _version(name) for name in names if name is not None}
    return {"python": platform.python_version()} | dict(sorted(versions.items()))


def harness_version() -> str:
    """Return the version of the harness, which its scores depend on.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        return importlib.metadata.version("lm_eval")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError("a task of kind harness needs lm-evaluation-harness: pip install 'climb[eval]'") from None


@dataclass(frozen=True)
class Environment:
    """What an asset's numbers depend on besides code, configuration and data.

    Parameters
    ----------
    architecture
        See `architecture_class`.
    device, precision
        What ``auto`` came to; None for an asset that computes with no model.
    commit
        Of a model from a hub, as far as it is on this machine.
    packages
        See `package_versions`.
    """

    architecture: str
    device: str | None = None
    precision: str | None = None
    commit: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def record(self) -> Mapping[str, str]:
        """The same flat, as artefacts keep it."""
        computing = {
            "architecture": self.architecture,
            "device": self.device,
            "precision": self.precision,
            "commit": self.commit,
        }
        return {name: value for name, value in computing.items() if value is not None} | {
            f"{PACKAGE}{name}": version for name, version in self.packages.items()
        }


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was; None: it was not there, or is no longer.

    `size` is ``patch`` where only the third number of a version differs, ``release`` of any other version, and
    ``computing`` of device, precision, processor and a hub's model.
    """

    name: str
    before: str | None
    now: str | None
    size: Size


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Return what differs between two records, as `Environment.record`, by name."""
    return [
        Difference(name, before.get(name), now.get(name), _size(name, before.get(name), now.get(name)))
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def _size(name: str, before: str | None, now: str | None) -> Size:
    if not name.startswith(PACKAGE):
        return "computing"
    pattern = re.compile(r"(\d+\.\d+)(?:\.\d+)?(.*)")
    was, became = pattern.fullmatch(before or ""), pattern.fullmatch(now or "")
    return "patch" if was and became and was.groups() == became.groups() else "release"


ALWAYS = frozenset({"device", "precision", "commit"})  # else two kinds of vectors or of models would be mixed


def counted(environment: Environment, policy: Policy) -> frozenset[str]:
    """Return the names of a record that enter a fingerprint, so that a change of one makes stale."""
    names = frozenset(environment.record)
    return names if policy == "stale" else names & ALWAYS


def resolve_revision(model: str, revision: str | None) -> str | None:
    """Return the commit of a hub's model that this machine has, or None: a folder, or a model that is not here yet.

    Nothing is asked of the hub: what lies in its local cache is what was loaded.

    Parameters
    ----------
    model
        As the configuration names it; one without an owner is looked up where sentence-transformers looks.
    revision
        A commit, a branch or a tag; None is the main branch.
    """
    if Path(model).is_dir():
        return None
    if revision is not None and COMMIT.fullmatch(revision):
        return revision
    folder = find_model(model, revision)
    return None if folder is None else folder.name


def find_model(model: str, revision: str | None) -> Path | None:
    """Return the folder of a model on this machine: the one that it names, or where the cache of a hub has it."""
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")  # where the encoder is kept, if it is set
    for name in (model,) if "/" in model else (f"sentence-transformers/{model}", model):
        try:
            return Path(snapshot_download(name, revision=revision, cache_dir=cache, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    return None

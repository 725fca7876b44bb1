"""Which settings and which files outside the lake each asset uses: what of the configuration enters a fingerprint.

What belongs here: functions from the configuration to plain values. Paths never enter a fingerprint, but what they
hold does.
"""

from pathlib import Path
from typing import Any

from climb_assets.config import Config
from climb_assets.environment import Backend, resolve_backend, resolve_device, resolve_precision, resolve_revision
from climb_assets.graph.training_settings import (
    choice_files,
    task_files,
    task_settings,
    training_files,
    training_settings,
    values_of,
)

DOMAINS = ("prune", "merge_distance", "domains", "balance", "cells", "terms")  # of `clusters`: what follows centroids
EVIDENCE = ("evidence", "carry")  # of `search`: what it begins with
REPEATED = ("anchors", "repeats")  # of `search`: what is trained again, which changes no candidate
TRAINED_BASELINES = frozenset({"regmix", "olmix", "climb", "doremi"})


def iteration_number(key: str) -> int:
    """Return the number of an iteration's partition key, from 1."""
    return int(key.removeprefix("iteration-"))


def tokenizer_files(config: Config) -> dict[str, Path]:
    """Return the tokenizer file, where one is given."""
    return {"tokenizer": config.tokenizer.path} if config.tokenizer.path else {}


def ingest_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the documents of a shard depend on, and their own splits."""
    elsewhere = ("raw", "link_roots", "settle", "part_documents", "near_duplicates", "contamination", "licences")
    return {"corpus": values_of(config.corpus, *elsewhere)}


def signature_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what signatures depend on; those of two algorithms cannot be compared, so its version is part of it."""
    from rensa import RMinHash

    return {"shingle": config.corpus.near_duplicates.shingle, "algorithm": RMinHash.ALGORITHM_VERSION}


def contamination_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what is taken for an item of a task in a document; a task's file counts by its content."""
    return {
        "contamination": values_of(config.corpus.contamination, "drop"),
        "tasks": sorted(choice_files(config)),
    }


def manifest_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the split of a document depends on once the whole corpus is known."""
    corpus = config.corpus
    policy = {"licences": values_of(corpus.licences)} if corpus.licences.restrict else {}
    return {
        "splits": {name: getattr(corpus, name) for name in ("search_eval", "report_eval", "split_seed")},
        "drop": {"near_duplicates": corpus.near_duplicates.drop, "contamination": corpus.contamination.drop} | policy,
    }


def snapshot_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what decides which text a search trains on and which it is measured on: how it is read, too."""
    alike = signature_settings(config, key) | {"threshold": config.corpus.near_duplicates.threshold}
    decided = manifest_settings(config, key) | contamination_settings(config, key) | ingest_settings(config, key)
    return decided | {"near_duplicates": alike}


def encoder_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what embeddings depend on: a model folder counts by its content, a hub model by name and revision."""
    settings = values_of(config.encoder, *_elsewhere(config)) | {"backend": encoder_backend(config)}
    # Parts decide which documents share a batch, and so the last bits of a vector.
    return {"encoder": settings, "part_documents": config.corpus.part_documents}


def encoder_backend(config: Config) -> Backend:
    """Return what computes the encoder on this machine."""
    return resolve_backend(config.encoder.backend, resolve_device(config.runtime.device))


def encoder_precision(config: Config, device: str) -> str:
    """Return the precision of vectors on a device."""
    return resolve_precision(config.encoder.precision, device, backend=resolve_backend(config.encoder.backend, device))


def _elsewhere(config: Config) -> tuple[str, ...]:
    """Return the settings of the encoder that its folder stands for."""
    return ("model", "revision") if Path(config.encoder.model).is_dir() else ()


def centroid_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what centroids depend on; of the encoder what makes another space, and not the last bits of a vector."""
    encoder = values_of(config.encoder, "backend", "batch_tokens", "precision", *_elsewhere(config))
    static = {"backend": "static"} if config.encoder.backend == "static" else {}
    return {"clusters": values_of(config.clusters, *DOMAINS), "encoder": encoder | static}


def domain_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what is pruned and merged by, and how the scores came about that it is pruned by."""
    settings = {name: getattr(config.clusters, name) for name in DOMAINS if name not in ("balance", "cells")}
    return {"clusters": settings | _bounds(config) | cell_settings(config, key)} | score_settings(config, key)


def cell_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what parts clusters into cells, where something does."""
    return {"cells": values_of(config.clusters.cells)} if config.clusters.cells is not None else {}


def parts_clusters(config: Config) -> bool:
    """Return whether clusters are parted into cells by the scores of documents."""
    return config.clusters.cells is not None


def _bounds(config: Config) -> dict[str, Any]:
    """Return what bounds domains, where something does; without a smallest share the target's budget states it."""
    balance = config.clusters.balance
    if balance is None:
        return {}
    needed = {"needed": config.mixture.tokens / config.mixture.max_epochs} if balance.smallest_share is None else {}
    return {"balance": values_of(balance) | needed}


def score_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the scores of documents depend on; models and annotations count by their content."""
    quality = config.quality
    trained = {"epochs": quality.epochs, "seed": quality.seed} if quality.fitted and quality.scorer != "probe" else {}
    return {"quality": {"scorer": quality.scorer} | trained}


def score_files(config: Config) -> dict[str, Path]:
    """Return the models that score documents, and the annotations that a scorer is fitted on."""
    annotations = {"quality-annotations": config.quality.annotations} if config.quality.annotations is not None else {}
    return {f"quality-{name}": path for name, path in config.quality.models.items()} | annotations


def scorer_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what a scorer that is fitted on annotations depends on, and how well it is found to do."""
    if not config.quality.fitted:
        return score_settings(config, key)
    encoder = encoder_settings(config, key) if probes(config) else {}
    elsewhere = ("models", "annotations", *(("epochs",) if probes(config) else ()))
    return {"quality": values_of(config.quality, *elsewhere)} | encoder


def scorer_files(config: Config) -> dict[str, Path]:
    """Return the annotations that a scorer is fitted on, and the encoder of a probe."""
    if not config.quality.fitted:
        return {}
    return score_files(config) | (encoder_files(config) if probes(config) else {})


def scorer_precision(config: Config, device: str) -> str | None:
    """Return the precision of the vectors that a probe is fitted on; None where there is no probe."""
    return encoder_precision(config, device) if probes(config) else None


def probes(config: Config) -> bool:
    """Return whether documents are scored by a probe on their vectors."""
    return config.quality.scorer == "probe"


def encoder_commit(config: Config) -> str | None:
    """Return the commit of the model at a hub, as far as it is on this machine."""
    return resolve_revision(config.encoder.model, config.encoder.revision)


def encoder_files(config: Config) -> dict[str, Path]:
    """Return the model folder, unless the model is the name of one at a hub."""
    folder = Path(config.encoder.model)
    names_a_path = folder.is_absolute() or len(folder.parts) > 2  # a hub's name has at most an owner and a name
    return {"encoder": folder} if folder.is_dir() or names_a_path else {}


def search_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the candidates of one iteration depend on; the first asks a predictor where there is evidence."""
    assert key is not None, "the search is partitioned by iteration"
    number = iteration_number(key)
    used = space_settings(config) | {"candidates": config.search.iterations[number - 1]}
    asked = {"acquisition": values_of(config.search.acquisition), "objectives": config.objectives}
    if number > 1:
        return used | asked | ({"stop": "obey"} if config.search.stop == "obey" else {})
    # Evidence is asked in the first; a run of the user's that lacks a deciding task counts as untried.
    needed = [] if config.search.evidence is None else sorted(task_settings(config, deciding_only=True))
    fitted = {"first": config.search.first, "predictor": values_of(config.search.predictor)}
    return used | asked | fitted | {"tasks_of_evidence": needed}


def carried_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what carried evidence depends on: which models, on what tasks, whether their metric is told."""
    metric = {"metric": True} if config.search.evidence is not None else {}
    return metric | {
        "carry": config.search.carry,
        "proxy": training_settings(config, config.proxy),
        "tasks": task_settings(config, deciding_only=True),
    }


def space_settings(config: Config) -> dict[str, Any]:
    """Return what the search space and its limits depend on."""
    decided_elsewhere = ("iterations", *REPEATED, *EVIDENCE, "first", "predictor", "acquisition", "stop", "choice")
    return limit_settings(config) | {"search": values_of(config.search, *decided_elsewhere)}


def limit_settings(config: Config) -> dict[str, Any]:
    """Return what the limits of a mixture depend on."""
    return {
        "search": {"max_usage": config.search.max_usage, "limits": values_of(config.search.limits)},
        "budget": {"tokens": config.mixture.tokens, "max_epochs": config.mixture.max_epochs},
    }


def evidence_files(config: Config) -> dict[str, Path]:
    """Return the folder of runs that the search begins with, where one is given."""
    return {"evidence": config.search.evidence} if config.search.evidence is not None else {}


def baseline_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the baselines of one objective depend on; only some of them train proxies."""
    used = limit_settings(config) | {"baselines": values_of(config.baselines)}
    if not TRAINED_BASELINES & set(config.baselines.mixtures):
        return used
    of_search = values_of(config.search, "choice", *EVIDENCE, "first", "predictor", "acquisition", "stop", *REPEATED)
    of_search |= {"mixing_law": values_of(config.search.predictor.mixing_law), "top": config.search.acquisition.top}
    return used | {
        "search": of_search,
        "proxy": training_settings(config, config.proxy),
        "tasks": task_settings(config, deciding_only=True),
        "objective": config.objectives[str(key)],
    }


def baseline_files(config: Config) -> dict[str, Path]:
    """Return the files that baselines use which train proxies."""
    return proxy_files(config) if TRAINED_BASELINES & set(config.baselines.mixtures) else {}


def confirmation_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the confirmation of one objective depends on."""
    return space_settings(config) | {
        "choice": values_of(config.search.choice),
        "repeats": config.search.repeats,
        "proxy": training_settings(config, config.proxy),
        "tasks": task_settings(config, deciding_only=True),
        "objective": config.objectives[str(key)],
    }


def choice_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the answer of one objective, and the advice beside it, depend on."""
    return space_settings(config) | {
        "choice": values_of(config.search.choice),
        "repeats": config.search.repeats,
        "acquisition": values_of(config.search.acquisition),
        "next": config.search.iterations[-1],
        "objective": config.objectives[str(key)],
        "objectives": config.objectives,
    }


def proxy_files(config: Config) -> dict[str, Path]:
    """Return the files of the tasks that decide, and the folder that proxies go on from."""
    return task_files(config, deciding_only=True) | training_files({"proxy": config.proxy})


def proxy_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the proxies of one iteration depend on; the first also measures the noise of seeds."""
    assert key is not None, "the search is partitioned by iteration"
    used = {"proxy": training_settings(config, config.proxy), "tasks": task_settings(config, deciding_only=True)}
    repeated = {name: getattr(config.search, name) for name in REPEATED} if iteration_number(key) == 1 else {}
    return used | {"seed": config.search.seed} | repeated


def fidelity_settings(config: Config, key: str | None) -> dict[str, Any]:
    """Return what the comparison of proxies with target models depends on."""
    return {
        "fidelity": values_of(config.fidelity, "settings"),
        "settings": {name: training_settings(config, other) for name, other in config.fidelity.settings.items()},
        "proxy": training_settings(config, config.proxy),
        "target": training_settings(config, config.target.training),
        "seeds": config.target.seeds[: config.fidelity.seeds],
        "tasks": task_settings(config, deciding_only=True),
        "objectives": config.objectives,
        "seed": config.search.seed,
    }


def fidelity_files(config: Config) -> dict[str, Path]:
    """Return the files of the tasks that decide, and the folders that models of any setting go on from."""
    further = {f"fidelity-{name}": training for name, training in config.fidelity.settings.items()}
    starts = training_files({"proxy": config.proxy, "target": config.target.training} | further)
    return task_files(config, deciding_only=True) | starts

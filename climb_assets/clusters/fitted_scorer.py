"""The scorer that is fitted on annotations, as an artefact keeps it.

What belongs here: which files it is made of. How one is fitted is `probe` and `fasttext_training`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.annotations import Annotations
from climb_assets.clusters.fasttext_training import fit_fasttext, model_file
from climb_assets.clusters.held_out import HeldOut, write_held_out
from climb_assets.clusters.probe import INTERCEPTS, WEIGHTS, Probe, fit_probe
from climb_assets.config_quality import Quality
from climb_assets.store.artifacts import Artifact, canonical_json
from climb_assets.store.files import write_atomically

DESCRIPTION = "scorer.json"
Encode = Callable[[list[str]], NDArray[np.float16]]


def fit_scorer(
    annotations: Annotations,
    settings: Quality,
    encode: Encode,
    out: Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Fit the scorer of the configuration and write it.

    Files: ``scorer.json``, ``held_out.parquet``, and the weights of a probe or a model for each dimension.

    Parameters
    ----------
    encode
        Returns the vectors of texts (texts, dimension); asked by a probe alone.
    workers, progress
        See `fit_fasttext`.

    Returns
    -------
    Facts: the scorer, how many documents are annotated, the held-out rank correlation of each dimension.
    """
    if settings.scorer == "probe":
        probe, rows = fit_probe(annotations, encode(annotations.texts), settings)
        probe.write(out)
    else:
        rows = fit_fasttext(annotations, settings, workers, out, progress)
    return _describe(settings, annotations.dimensions, rows, len(annotations.texts), out)


def write_unfitted(settings: Quality, out: Path) -> dict[str, Any]:
    """Write that the scorer of the configuration needs no fitting; return the facts."""
    return _describe(settings, (), [], 0, out)


def _describe(
    settings: Quality, dimensions: tuple[str, ...], rows: list[HeldOut], documents: int, out: Path
) -> dict[str, Any]:
    described = {"scorer": settings.scorer, "dimensions": list(dimensions)}
    write_atomically(out / DESCRIPTION, canonical_json(described).encode())
    write_held_out(out, rows)
    return {
        "scorer": settings.scorer,
        "annotated_documents": documents,
        "held_out_spearman": {row.dimension: row.spearman for row in rows},
    }


def fitted_probe(fitted: Artifact) -> Probe:
    """Return the probe of an artefact."""
    arrays = (np.load(fitted.file(name), allow_pickle=False) for name in (WEIGHTS, INTERCEPTS))
    return Probe(_dimensions(fitted), *arrays)


def fitted_models(fitted: Artifact) -> dict[str, Path]:
    """Return the fastText models of an artefact, by dimension; none where nothing was fitted."""
    return {name: fitted.file(model_file(name)) for name in _dimensions(fitted)}


def _dimensions(fitted: Artifact) -> tuple[str, ...]:
    return tuple(fitted.json(DESCRIPTION)["dimensions"])

"""A taxonomy as a folder that can be taken along: ``taxonomy.json``, ``centroids.safetensors``, perhaps the encoder.

Where clusters are parted into cells, the files of the scorer lie beside these, and the format is another, so that who
knows no cells refuses it.

What belongs here: the format, and that what is read is what was written. What is done with it is `taxonomy`.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from climb_assets.clusters.cell_scorer import CellFacts
from climb_assets.config_base import Section
from climb_assets.corpus.raw_files import digest_files
from climb_assets.environment import Backend
from climb_assets.errors import ArgumentError, ComputeError, CorruptArtifact
from climb_assets.store.artifacts import checksum_of, sha256_file
from climb_assets.store.files import atomic_folder, give_usual_mode
from climb_assets.store.locks import write_alone

FORMAT: Final = 1  # of the folder; another one where a reader of this would give other labels
WITH_CELLS: Final = 2
FACTS, CENTROIDS, ENCODER = "taxonomy.json", "centroids.safetensors", "encoder"
AGAIN = "export it again with `climb export-taxonomy`"


class EncoderFacts(Section):
    """The encoder, and what is done to a text before it and to a vector after it.

    `model` is its name at a hub, then `commit` says which it is; or the name of a folder, then `sha256` does, a hash
    over the names and contents of its files.
    """

    model: str
    at_hub: bool
    revision: str | None
    commit: str | None
    sha256: str | None
    licence: str | None = Field(description="as its model card states it")
    max_tokens: int
    batch_tokens: int
    backend: Backend = "torch"
    precision: str
    prompt: str = Field(description="put before every text, by the encoder itself")
    text: Literal["control characters removed, NFC, no space at the end of lines, no empty lines at either end"] = (
        "control characters removed, NFC, no space at the end of lines, no empty lines at either end"
    )
    vectors: Literal["unit length, float16, then unit length in float32"] = (
        "unit length, float16, then unit length in float32"
    )
    dimension: int


class ClusterFacts(Section):
    """The clusters: of which domain each is (null where pruned), and why it is pruned (null where kept).

    Where they are parted, the lists are of their cells.
    """

    number: int
    distance: Literal["euclidean"] = "euclidean"
    domain_of: tuple[int | None, ...]
    pruned_by: tuple[str | None, ...]


class DomainFacts(Section):
    """A domain, and the tokens that it held when the taxonomy was exported; null where nobody had counted them."""

    domain: int
    name: str
    terms: tuple[str, ...]
    tokens: int | None


class TaxonomyFacts(Section):
    """All that ``taxonomy.json`` says besides checksums.

    `versions` are data versions of the artefacts that it is from, `documents` how files become texts. `cells` says how
    clusters are parted, where they are.
    """

    format: Literal[1, 2] = FORMAT
    generation: int
    versions: dict[str, str]
    encoder: EncoderFacts
    clusters: ClusterFacts
    domains: tuple[DomainFacts, ...]
    documents: dict[str, Any]
    cells: CellFacts | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        clusters, bands = self.clusters, 1 if self.cells is None else self.cells.by.bands
        if self.format != (FORMAT if self.cells is None else WITH_CELLS):
            raise ValueError("format says otherwise than cells")
        if not len(clusters.domain_of) == len(clusters.pruned_by) == clusters.number * bands:
            raise ValueError("clusters.number is not the length of its lists")
        if [domain.domain for domain in self.domains] != list(range(len(self.domains))):
            raise ValueError("domains are not numbered from 0")
        known = {None, *range(len(self.domains))}
        if not set(clusters.domain_of) <= known:
            raise ValueError("clusters.domain_of names a domain that is not among domains")
        return self

    def as_record(self) -> dict[str, Any]:
        """Return it as JSON has it: without cells it says nothing of them, nor of the backend that all readers have."""
        usual: dict[str, Any] = {"encoder": {"backend"}} if self.encoder.backend == "torch" else {}
        return self.model_dump(mode="json", exclude=usual | ({"cells": True} if self.cells is None else {}))


def write_taxonomy(
    facts: TaxonomyFacts,
    centroids: Mapping[str, NDArray[np.float32]],
    out: Path,
    encoder: Path | None = None,
    scorer: Mapping[str, Path] | None = None,
) -> None:
    """Write a taxonomy into a folder that must not hold anything yet; it appears at once and whole.

    Parameters
    ----------
    centroids
        ``clusters`` (clusters, dimension) and ``domains`` (domains, dimension).
    encoder
        The folder of the encoder, to be copied too.
    scorer
        The files of the scorer of the cells, by the names that they have in the folder.

    Raises
    ------
    ArgumentError
        The folder is not empty, or is being written.
    ComputeError
        Files that are copied change meanwhile.
    """
    with write_alone(out) as place:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise ArgumentError(f"{place} is not an empty folder; name another or empty it")
        with atomic_folder(place) as unfinished:
            _fill(unfinished, facts, centroids, encoder, scorer or {})


def _fill(
    folder: Path,
    facts: TaxonomyFacts,
    centroids: Mapping[str, NDArray[np.float32]],
    encoder: Path | None,
    scorer: Mapping[str, Path],
) -> None:
    """Write all files of a taxonomy into an empty folder; see `write_taxonomy`."""
    from safetensors.numpy import save_file

    if encoder is not None:
        facts = _copy_encoder(facts, encoder, folder / ENCODER)
    save_file({name: np.ascontiguousarray(array) for name, array in centroids.items()}, folder / CENTROIDS)
    for name, path in scorer.items():
        shutil.copyfile(path, folder / name)
        if facts.cells is None or sha256_file(folder / name) != facts.cells.files[name]:
            raise ComputeError(f"{path} changed while it was being copied; export again when nothing writes to it")
    give_usual_mode(folder)
    record = facts.as_record() | {"files": {CENTROIDS: sha256_file(folder / CENTROIDS)}}
    text = json.dumps(record | {"checksum": checksum_of(record)}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FACTS).write_text(text + "\n", encoding="utf-8")


def _copy_encoder(facts: TaxonomyFacts, encoder: Path, out: Path) -> TaxonomyFacts:
    """Copy an encoder without hidden files, which its hash leaves out, and return the facts with its hash."""
    shutil.copytree(encoder, out, ignore=shutil.ignore_patterns(".*"))
    sha256 = digest_files(out)
    if facts.encoder.sha256 not in (None, sha256):
        raise ComputeError(f"{encoder} changed while it was being copied; export again when nothing writes to it")
    return facts.model_copy(update={"encoder": facts.encoder.model_copy(update={"sha256": sha256})})


def read_taxonomy(folder: Path) -> tuple[TaxonomyFacts, dict[str, NDArray[np.float32]]]:
    """Read what `write_taxonomy` wrote; the encoder is looked at by `find_encoder`.

    Raises
    ------
    ArgumentError
        The folder holds no taxonomy, or one of a format that is not known here.
    CorruptArtifact
        Its files are not as they were written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    facts, files = _read_facts(folder / FACTS)
    path = folder / CENTROIDS
    try:
        intact = sha256_file(path) == files.get(CENTROIDS)
        centroids = load_file(path) if intact else {}
    except (OSError, SafetensorError):
        centroids = {}
    shapes = {"clusters": facts.clusters.number, "domains": len(facts.domains)}
    wanted = {name: ((number, facts.encoder.dimension), "float32") for name, number in shapes.items()}
    if {name: (array.shape, str(array.dtype)) for name, array in centroids.items()} != wanted:
        raise _damaged(path)
    for name, sha256 in ({} if facts.cells is None else facts.cells.files).items():
        if not (folder / name).is_file() or sha256_file(folder / name) != sha256:
            raise _damaged(folder / name)
    return facts, centroids


def _damaged(path: Path) -> CorruptArtifact:
    return CorruptArtifact(f"{path} is damaged or gone: it is not what {FACTS} promises; copy it again, or {AGAIN}")


def _read_facts(path: Path) -> tuple[TaxonomyFacts, dict[str, Any]]:
    """Return what a ``taxonomy.json`` says, and the SHA-256 of the files beside it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArgumentError(
            f"{path} cannot be read ({error.strerror}); name a folder of `climb export-taxonomy`"
        ) from None
    try:
        record = json.loads(data)
        form, files = record["format"], record["files"]
        intact = record.pop("checksum") == checksum_of(record) and isinstance(files, dict)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise CorruptArtifact(f"{path} is no taxonomy, or damaged; copy it again, or {AGAIN}") from None
    if form not in (FORMAT, WITH_CELLS):
        raise ArgumentError(
            f"{path} has format {form!r}, and this climb knows {FORMAT} and {WITH_CELLS}; use a newer climb, or {AGAIN}"
        )
    if not intact:
        raise CorruptArtifact(f"{path} was edited or is damaged; copy it again, or {AGAIN}")
    try:
        return TaxonomyFacts.model_validate({name: value for name, value in record.items() if name != "files"}), files
    except ValidationError as error:
        raise CorruptArtifact(f"{path} is no whole taxonomy ({error.errors()[0]['msg']}); {AGAIN}") from None


def find_encoder(facts: EncoderFacts, folder: Path, given: Path | None) -> tuple[str, str | None]:
    """Return the encoder of an exported taxonomy as a model and its revision, after a look at its files.

    Parameters
    ----------
    folder
        The exported folder.
    given
        The encoder's folder, where somebody named it; else it is the copy in the export, or the model at a hub.

    Raises
    ------
    ArgumentError
        It is not there, or another than the vectors of the centroids were made with.
    """
    place = given if given is not None else folder / ENCODER
    if given is None and not place.exists():
        if facts.at_hub:
            return facts.model, facts.commit
        raise ArgumentError(
            f"{folder} was exported without its encoder, {facts.model}; name the encoder's folder with --encoder, or "
            "export again with --with-encoder"
        )
    if facts.sha256 is None:
        raise ArgumentError(
            f"no folder can be checked against {facts.model}, which this taxonomy takes from a hub; leave --encoder "
            "out, or export again with --with-encoder"
        )
    if not place.is_dir():
        raise ArgumentError(f"there is no folder {place}; name the folder of the encoder {facts.model} with --encoder")
    if digest_files(place) != facts.sha256:
        raise ArgumentError(
            f"{place} is another encoder than {facts.model}, which the centroids were made with, or is damaged; name "
            "that one with --encoder, or export again with --with-encoder"
        )
    return str(place), None

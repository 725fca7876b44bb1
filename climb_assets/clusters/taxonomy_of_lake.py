"""What a lake says of its taxonomy.

What belongs here: from the artefacts of a lake, and the encoder that it names, to facts that can be taken along.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.cell_scorer import FILES, CellFacts, rules_version
from climb_assets.clusters.fitted_scorer import fitted_models, fitted_probe
from climb_assets.clusters.kmeans import read_centroids
from climb_assets.clusters.probe import INTERCEPTS, WEIGHTS
from climb_assets.clusters.quality import DIMENSIONS
from climb_assets.clusters.taxonomy_folder import (
    FORMAT,
    WITH_CELLS,
    ClusterFacts,
    DomainFacts,
    EncoderFacts,
    TaxonomyFacts,
)
from climb_assets.config_cells import Cells
from climb_assets.config_quality import Quality
from climb_assets.corpus.outside_files import read_json
from climb_assets.environment import find_model
from climb_assets.errors import ConfigError, MissingArtifact
from climb_assets.graph.assets import SPEC
from climb_assets.graph.hashed_settings import (
    centroid_settings,
    encoder_backend,
    encoder_files,
    score_files,
    score_settings,
)
from climb_assets.graph.kept import GENERATION
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.training_settings import values_of
from climb_assets.store.artifacts import Artifact, sha256_file
from climb_assets.tables import read_table

# Settings that decide the documents of a lake, and not the texts of a file.
NOT_OF_A_TEXT = ("raw", "link_roots", "near_duplicates", "contamination", "search_eval", "report_eval", "split_seed")


class LakeTaxonomy(NamedTuple):
    """The facts of a lake's taxonomy, centroids, and the files of the scorer of its cells, by their names in a folder.

    Centroids are those of the clusters (clusters, dimension) and of the domains (domains, dimension).
    """

    facts: TaxonomyFacts
    centroids: NDArray[np.float32]
    domain_centroids: NDArray[np.float32]
    scorer: dict[str, Path]


def read_lake(materializer: Materializer) -> LakeTaxonomy:
    """Return the current taxonomy of a lake.

    Raises
    ------
    MissingArtifact
        It has not been made, or its domains are of other centroids.
    ConfigError
        The configuration names another encoder than it was made with, or another scorer of its cells.
    """
    model, domains = materializer.get("cluster_model"), materializer.get("domains")
    if domains.manifest["inputs"]["cluster_model"] != model.data_version:
        raise MissingArtifact("the domains of the lake are of other centroids; run `climb up --to domains`")
    if GENERATION not in domains.manifest["config"]:
        raise MissingArtifact("the domains of the lake are of an earlier version of climb; run `climb up --to domains`")
    centroids = read_centroids(model.file("centroids.npy"))
    cells, scorer = _describe_cells(materializer, domains)
    facts = TaxonomyFacts(
        format=FORMAT if cells is None else WITH_CELLS,
        generation=domains.manifest["config"][GENERATION],
        versions={made.asset: made.data_version for made in (model, domains, *_supply(materializer, domains))},
        encoder=_describe_encoder(materializer, model, centroids.shape[1]),
        clusters=_describe_clusters(domains, len(centroids)),
        domains=_describe_domains(materializer, domains),
        documents=values_of(materializer.config.corpus, *NOT_OF_A_TEXT),
        cells=cells,
    )
    return LakeTaxonomy(facts, centroids, read_centroids(domains.file("centroids.npy")), scorer)


def _describe_encoder(materializer: Materializer, model: Artifact, dimension: int) -> EncoderFacts:
    """Return what is said of the lake's encoder, after a look whether it is the one of the centroids."""
    config = materializer.config
    settings, local = config.encoder, bool(encoder_files(config))
    SPEC["cluster_model"].require_files(config)
    sha256 = materializer.digest(Path(settings.model)) if local else None
    now = materializer.environment(SPEC["embeddings"])
    commit = model.manifest["environment"].get("commit") or now.commit
    same = (
        model.manifest["config"]["encoder"] == centroid_settings(config, None)["encoder"]
        and model.manifest["inputs"].get("file:encoder") == sha256
        and now.commit in (None, commit)
    )
    if not same:
        raise ConfigError(
            "climb.yaml names another encoder, or other encoder.max_tokens, than the taxonomy was made with; put them "
            "back, or run `climb up --to domains`"
        )
    folder = find_model(settings.model, commit)
    return EncoderFacts(
        model=Path(settings.model).name if local else settings.model,
        at_hub=not local,
        revision=settings.revision,
        commit=commit,
        sha256=sha256,
        licence=None if folder is None else licence_of(folder),
        max_tokens=settings.max_tokens,
        batch_tokens=settings.batch_tokens,
        backend=encoder_backend(config),
        precision=str(now.precision),
        prompt="" if folder is None else prompt_of(folder),
        dimension=dimension,
    )


def prompt_of(folder: Path) -> str:
    """Return what a sentence-transformers model puts before every text."""
    path = folder / "config_sentence_transformers.json"
    described = read_json(path, "encoder.model") if path.exists() else {}
    return str((described.get("prompts") or {}).get(described.get("default_prompt_name") or "") or "")


def licence_of(folder: Path) -> str | None:
    """Return the licence that a model card states; None where it states none."""
    from huggingface_hub import metadata_load
    from yaml import YAMLError

    try:
        stated: Any = (metadata_load(folder / "README.md") or {}).get("license")
    except (OSError, ValueError, YAMLError):
        return None
    return stated if isinstance(stated, str) else None


def _describe_cells(materializer: Materializer, domains: Artifact) -> tuple[CellFacts | None, dict[str, Path]]:
    """Return how the lake's clusters are parted, and the files of the scorer that does it."""
    settings = domains.manifest["config"]["clusters"].get("cells")
    if settings is None:
        return None, {}
    cells, quality = Cells.model_validate(settings), _require_same_scorer(materializer, domains)
    dimensions: tuple[str, ...] = (cells.dimension,)
    paths: tuple[Path, ...] = ()
    if quality.scorer == "rules":
        dimensions = DIMENSIONS
    elif quality.scorer == "probe":
        fitted = materializer.get("quality_scorer")
        dimensions = fitted_probe(fitted).dimensions
        paths = fitted.file(WEIGHTS), fitted.file(INTERCEPTS)
    else:
        models = fitted_models(materializer.get("quality_scorer")) if quality.fitted else quality.models
        paths = (models[cells.dimension],)
    files = dict(zip(FILES[quality.scorer], paths, strict=True))
    facts = CellFacts(
        by=cells,
        scorer=quality.scorer,
        dimensions=dimensions,
        files={name: sha256_file(path) for name, path in files.items()},
        rules=rules_version() if quality.scorer == "rules" else None,
    )
    return facts, files


def _require_same_scorer(materializer: Materializer, domains: Artifact) -> Quality:
    """Return how the configuration scores documents, after a look whether the lake's domains were scored so."""
    config, made = materializer.config, domains.manifest
    SPEC["domains"].require_files(config)
    files = {f"file:{name}": materializer.digest(path) for name, path in score_files(config).items()}
    same = (
        made["config"]["quality"] == score_settings(config, None)["quality"]
        and {name: version for name, version in made["inputs"].items() if name.startswith("file:")} == files
    )
    if same and config.quality.fitted:
        same = files.items() <= materializer.get("quality_scorer").manifest["inputs"].items()
    if not same:
        raise ConfigError(
            "climb.yaml names another quality.scorer, or other models or annotations, than the domains were made with; "
            "put them back, or run `climb up --to domains`"
        )
    return config.quality


def _describe_clusters(domains: Artifact, clusters: int) -> ClusterFacts:
    table = read_table(domains.file("clusters.parquet"))
    return ClusterFacts(
        number=clusters,
        domain_of=tuple(table["domain"].to_pylist()),
        pruned_by=tuple(table["pruned_by"].to_pylist()),
    )


def _describe_domains(materializer: Materializer, domains: Artifact) -> tuple[DomainFacts, ...]:
    tokens: dict[int, int] = {}
    for supply in _supply(materializer, domains):
        table = read_table(supply.file("supply.parquet"), ["domain", "tokens"])
        tokens = dict(zip(table["domain"].to_pylist(), table["tokens"].to_pylist(), strict=True))
    rows = read_table(domains.file("domains.parquet")).to_pylist()
    return tuple(
        DomainFacts(domain=row["domain"], name=row["name"], terms=tuple(row["terms"]), tokens=tokens.get(row["domain"]))
        for row in rows
    )


def _supply(materializer: Materializer, domains: Artifact) -> list[Artifact]:
    """Return the supply of these domains, if it was counted."""
    supply = materializer.store.current("domain_supply")
    of_these = supply is not None and supply.manifest["inputs"]["domains"] == domains.data_version
    return [supply] if supply is not None and of_these else []

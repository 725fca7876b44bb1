"""The taxonomy as something that labels text: of the lake, or of a folder that was exported from one.

What belongs here: what a taxonomy is and what it says of texts. The folder's format is `taxonomy_folder`, how texts are
batched `labelling`, files of text `classify`.

In a notebook, with a folder of ``climb export-taxonomy FOLDER --with-encoder``::

    from climb_assets.clusters.taxonomy import Taxonomy

    taxonomy = Taxonomy.load("FOLDER")
    taxonomy.classify(["How to bake bread", "A proof of the theorem"]).to_pandas()
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from climb_assets.clusters.cell_scorer import CellScorer, rules_version
from climb_assets.clusters.labelling import Key, Label, Labelling, Method
from climb_assets.clusters.taxonomy_folder import AGAIN, TaxonomyFacts, find_encoder, read_taxonomy, write_taxonomy
from climb_assets.clusters.taxonomy_of_lake import read_lake
from climb_assets.config import Corpus, Runtime
from climb_assets.config_encoder import Encoder
from climb_assets.corpus.normal_text import normalise
from climb_assets.embeddings.encoder import load_encoder_once
from climb_assets.environment import find_model
from climb_assets.errors import ArgumentError, ConfigError, CorruptArtifact
from climb_assets.graph.materializer import Materializer

LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("domain", pa.int32()),
        ("name", pa.string()),
        ("cluster", pa.int32()),
        ("distance", pa.float32()),
        ("margin", pa.float32()),
        ("pruned_by", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class Taxonomy:
    """Centroids, which of them form which domain, and the encoder whose vectors they lie among.

    Make one with `load` or `of_lake`. The encoder, and what scores cells, is loaded when the first text is classified.

    Parameters
    ----------
    facts
        All that is said of it.
    centroids
        Of the clusters: float32 (clusters, dimension).
    domain_centroids
        Of the domains: float32 (domains, dimension).
    encoder
        The encoder as it is found on this machine.
    corpus
        How files become texts.
    runtime
        Device and threads.
    scorer
        The files of the scorer of the cells, by their names in a folder; none where there are no cells.
    """

    facts: TaxonomyFacts
    centroids: NDArray[np.float32]
    domain_centroids: NDArray[np.float32]
    encoder: Encoder
    corpus: Corpus
    runtime: Runtime
    scorer: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: str | Path, encoder: str | Path | None = None, runtime: Runtime | None = None) -> "Taxonomy":
        """Open a folder of `climb export-taxonomy`; no lake and no configuration is needed.

        Parameters
        ----------
        encoder
            Folder of the encoder, where the export has no copy of it and it is at no hub.
        runtime
            Device and threads; what there is by default.

        Raises
        ------
        ArgumentError
            It is no such folder, its format is not known here, the encoder is not there or another one, or the rules of
            its cells are others here.
        CorruptArtifact
            A file is damaged.
        """
        folder = Path(folder)
        facts, centroids = read_taxonomy(folder)
        if facts.cells is not None and facts.cells.rules not in (None, rules_version()):
            raise ArgumentError(
                f"{folder} is of a climb whose rules of quality score otherwise than those of this one; use that one, "
                f"or {AGAIN}"
            )
        scorer = {name: folder / name for name in ({} if facts.cells is None else facts.cells.files)}
        model, revision = find_encoder(facts.encoder, folder, None if encoder is None else Path(encoder))
        used = {name: getattr(facts.encoder, name) for name in ("max_tokens", "batch_tokens", "backend", "precision")}
        try:
            corpus = Corpus.model_validate(facts.documents)
            found = Encoder.model_validate(used | {"model": model, "revision": revision})
        except ValidationError as error:
            raise CorruptArtifact(f"{folder} is no whole taxonomy ({error.errors()[0]['msg']}); {AGAIN}") from None
        return cls(facts, centroids["clusters"], centroids["domains"], found, corpus, runtime or Runtime(), scorer)

    @classmethod
    def of_lake(cls, materializer: Materializer) -> "Taxonomy":
        """Return the current taxonomy of a lake; whether it is stale is the planner's to say.

        Raises
        ------
        MissingArtifact
            It has not been made, or its domains are of other centroids.
        ConfigError
            The configuration names another encoder than it was made with, or another scorer of its cells.
        """
        facts, centroids, domain_centroids, scorer = read_lake(materializer)
        config = materializer.config
        encoder = config.encoder.model_copy(update={"revision": facts.encoder.commit or config.encoder.revision})
        return cls(facts, centroids, domain_centroids, encoder, config.corpus, config.runtime, scorer)

    def reading(self, *, text_column: str) -> "Taxonomy":
        """Return it for files whose text stands in another column or under another key."""
        return replace(self, corpus=self.corpus.model_copy(update={"text_column": text_column}))

    def export(self, out: Path, *, with_encoder: bool = False) -> None:
        """Write it as a folder that `load` opens on any machine.

        Parameters
        ----------
        out
            A folder that must not hold anything yet.
        with_encoder
            Whether to copy the encoder too, so that no hub is needed.

        Raises
        ------
        ArgumentError
            The folder is not empty or is being written, or the encoder is to be copied and is not on this machine.
        ConfigError
            Nobody can say which encoder of a hub it is.
        ComputeError
            Files that are copied change meanwhile.
        """
        facts = self.facts.encoder
        if facts.at_hub and facts.commit is None:
            raise ConfigError(
                f"which {facts.model} of the hub this is cannot be said; set encoder.revision to a commit"
            )
        folder = None
        if with_encoder:
            folder = find_model(self.encoder.model, facts.commit)
            if folder is None:
                raise ArgumentError(f"{facts.model} is not on this machine; fetch it, or export without --with-encoder")
        centroids = {"clusters": self.centroids, "domains": self.domain_centroids}
        write_taxonomy(self.facts, centroids, out, folder, self.scorer)

    def classify(self, texts: Sequence[str]) -> pa.Table:
        """Label texts.

        Parameters
        ----------
        texts
            Any number of any length; of each, the tokens count that the encoder was given in the lake.

        Returns
        -------
        A row a text, in their order: `id` of its normal form, number and `name` of its `domain`, its `cluster`,
        the Euclidean `distance` of its unit vector to the cluster's centroid, and the `margin`, how much farther the
        second nearest centroid is. Where the cluster was pruned the domain is null and `pruned_by` says why. Where
        clusters are parted, `cluster` is the number of the cell: the cluster's times the bands, plus the band.

        Raises
        ------
        ConfigError
            The encoder, or the scorer of the cells, cannot be loaded.
        UnicodeEncodeError
            A text holds a lone surrogate.
        """
        labels = [label for _, label in self.label(enumerate(map(normalise, texts)))]
        return pa.Table.from_batches([self.tabulate(labels)])

    def label(self, texts: Iterable[tuple[Key, str]]) -> Iterator[tuple[Key, Label]]:
        """Yield the label of each text of a stream, in its order and in bounded memory.

        Parameters
        ----------
        texts
            Pairs of any key, which is handed back, and a text in its normal form.
        """
        encoder = load_encoder_once(self.encoder, self.runtime)
        method = Method(
            lambda some: encoder.encode(some).vectors,
            self.centroids,
            self.corpus.part_documents,
            self.corpus.min_characters,
            self._cell_scorer,
        )
        yield from Labelling(texts, method)

    @cached_property
    def _cell_scorer(self) -> CellScorer | None:
        return None if self.facts.cells is None else CellScorer.load(self.facts.cells, self.scorer)

    def tabulate(self, labels: Sequence[Label]) -> pa.RecordBatch:
        """Return labels as a batch of `LABELS`."""
        clusters = [label.cluster for label in labels]
        numbers = [self.facts.clusters.domain_of[cluster] for cluster in clusters]
        columns: dict[str, Any] = {
            "id": [label.id for label in labels],
            "domain": numbers,
            "name": [None if number is None else self.facts.domains[number].name for number in numbers],
            "cluster": clusters,
            "distance": [label.distance for label in labels],
            "margin": [label.margin for label in labels],
            "pruned_by": [self.facts.clusters.pruned_by[cluster] for cluster in clusters],
        }
        return pa.RecordBatch.from_pydict(columns, LABELS)

"""What is exported: the rows of a data set, what is known of them, and what they were made from.

What belongs here: reading it out of the lake, and counting what is in its files. The forms are the other modules.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.errors import MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import place_of
from climb_assets.mixture.changes import REALISED
from climb_assets.mixture.corpus_writer import part_names
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import count_rows, read_table

NOT_STATED = "not stated"


@dataclass(frozen=True)
class Domain:
    """One domain of a data set, as ``realised.parquet`` of `mixed_corpus` has it.

    Parameters
    ----------
    wanted, weight
        The share of tokens that the answer has, and the one that is in the data set.
    epochs
        How often its text is passed over.
    """

    number: int
    name: str
    wanted: float
    weight: float
    tokens: int
    epochs: float

    @property
    def key(self) -> str:
        """Its name in files, as other frameworks know it too."""
        return f"domain-{self.number:05d}"


@dataclass(frozen=True)
class ShardTokens:
    """The tokens of one shard, and where each document lies in them (``documents.parquet``)."""

    shard: str
    documents: Path
    tokens: Path


@dataclass(frozen=True)
class DataSet:
    """A finished data set.

    Parameters
    ----------
    title
        Its name for people.
    parts
        Its ``part-*.parquet`` in their order; `climb_assets.mixture.corpus_writer.MIXED_DOCUMENTS` is their schema.
    domains
        Those of which it has text.
    tokenizer
        The tokenizer.json that counted its tokens.
    shards
        The tokens of the shards that it was drawn from, where they are needed.
    answer
        ``selection.json`` of the answer, and the tasks of its objective with their weights.
    left_out
        Rows of ``left_out.parquet`` of `domain_supply`; None where they are not known.
    made_from
        The data versions of the artefacts that it was made from, by name; and how, as its manifest has it.
    notes
        Sentences for its README.md, such as that it is not of the current graph.
    """

    title: str
    objective: str
    parts: Sequence[Path]
    domains: Sequence[Domain]
    tokenizer: Path
    shards: Sequence[ShardTokens] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, float] = field(default_factory=dict)
    left_out: Sequence[Mapping[str, Any]] | None = None
    made_from: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def rows(self) -> int:
        """Rows of all parts, each copy of a document one."""
        return sum(count_rows(part) for part in self.parts)


@dataclass(frozen=True)
class Exported:
    """How many rows the files hold, those for validation apart, and how many copies of these training is without.

    Parameters
    ----------
    lines
        What its README.md says of its files, in Markdown.
    """

    training: int
    validation: int = 0
    left_out: int = 0
    lines: Sequence[str] = ()

    def in_words(self) -> str:
        """Return one sentence for people; the three figures add up to the rows of the mixed corpus."""
        text = f"{self.training:,} rows to train on"
        if self.validation:
            text += f", {self.validation:,} documents for validation, {self.left_out:,} further copies of them left out"
        return f"{text}."


@dataclass(frozen=True)
class Contents:
    """What the rows of a data set hold, by the number of the domain: counted in its files.

    Parameters
    ----------
    rows
        Each copy of a document is one.
    documents, sources, licences
        Each document once.
    """

    rows: Counter[int]
    documents: Counter[int]
    sources: Mapping[int, Counter[str]]
    licences: Mapping[int, Counter[str]]

    @property
    def all_licences(self) -> Counter[str]:
        """Documents of each licence, in all domains."""
        return sum(self.licences.values(), Counter[str]())


def count_contents(data: DataSet) -> Contents:
    """Return how many rows, documents, and documents of each source and licence every domain has."""
    numbers = [domain.number for domain in data.domains]
    sources, licences = ({number: Counter[str]() for number in numbers} for _ in range(2))
    rows, documents = Counter[int](), Counter[int]()
    for part in data.parts:
        table = read_table(part, ["domain", "epoch", "source", "licence"])
        first = table.append_column("first", pc.cast(pc.equal(table["epoch"], 0), pa.int64()))
        grouped = first.group_by(["domain", "source", "licence"]).aggregate([("first", "sum"), ("first", "count")])
        for row in grouped.to_pylist():
            number, once = row["domain"], row["first_sum"]
            rows[number] += row["first_count"]
            documents[number] += once
            sources[number][row["source"] or NOT_STATED] += once
            licences[number][row["licence"] or NOT_STATED] += once
    return Contents(rows, documents, sources, licences)


def read_data_set(
    climb: Materializer, objective: str, notes: Sequence[str] = (), *, with_tokens: bool = False
) -> DataSet:
    """Return the current data set of an objective, with what the lake knows of it.

    What it was made from is read as it was then; of its answer and its objective nothing is known where the lake no
    longer has that.

    Parameters
    ----------
    notes
        Why it is not of the current graph, if it is not: what is left out today is then nothing that can be said of it.
    with_tokens
        Whether the tokens of its shards are needed.

    Raises
    ------
    MissingArtifact, CorruptArtifact
        It is not made yet, or damaged, or its tokenizer is gone or, where they are needed, the tokens of a shard.
    """
    corpus = climb.get("mixed_corpus", objective)
    inputs = corpus.manifest["inputs"]
    answer = climb.store.with_data_version("optimal_mixture", objective, inputs[f"optimal_mixture@{objective}"])
    manifest = {key: corpus.manifest[key] for key in ("fingerprint", "data_version", "code_version", "config")}
    versions = {name: made for name, made in inputs.items() if place_of(name)[1] in (None, objective)}
    supply = None if notes else climb.store.current("domain_supply")
    versions |= {"domain_supply": supply.data_version} if supply is not None else {}
    return DataSet(
        title=f"climb-{objective}",
        objective=objective,
        parts=[corpus.file(name) for name in part_names(corpus.manifest["files"])],
        domains=_read_domains(corpus),
        tokenizer=_read_tokenizer(climb, inputs),
        shards=_read_shards(climb, inputs) if with_tokens else [],
        answer=answer.json("selection.json") if answer is not None else {},
        tasks=answer.manifest["config"]["objective"] if answer is not None else {},
        left_out=_read_left_out(supply),
        made_from={"mixed_corpus": manifest, "inputs": dict(sorted(versions.items())), "summary": corpus.summary},
        notes=notes,
    )


def _find_tokens(climb: Materializer, inputs: Mapping[str, str]) -> Iterator[tuple[str, Artifact | None]]:
    """Yield each shard that a data set was drawn from with its tokens; None where the lake no longer has them."""
    for name, made in sorted(inputs.items()):
        asset, shard = place_of(name)
        if asset == "tokenized_shards" and shard is not None:
            yield shard, climb.store.with_data_version(asset, shard, made)


def _read_tokenizer(climb: Materializer, inputs: Mapping[str, str]) -> Path:
    """Return the tokenizer that made the tokens of the shards, which are all of one."""
    for _, tokens in _find_tokens(climb, inputs):
        if tokens is not None:
            found = climb.store.with_data_version("tokenizer", None, tokens.manifest["inputs"]["tokenizer"])
            if found is not None:
                return found.file("tokenizer.json")
    raise MissingArtifact("the tokenizer that the data set was made with is gone; run `climb up`")


def _read_shards(climb: Materializer, inputs: Mapping[str, str]) -> list[ShardTokens]:
    shards = []
    for shard, tokens in _find_tokens(climb, inputs):
        if tokens is None:
            raise MissingArtifact(f"the tokens of {shard} that the data set was made from are gone; run `climb up`")
        shards.append(ShardTokens(shard, tokens.file("documents.parquet"), tokens.file("tokens.npy")))
    return shards


def _read_domains(corpus: Artifact) -> list[Domain]:
    rows = read_table(corpus.file(REALISED)).to_pylist()
    columns = ("domain", "name", "wanted", "weight", "tokens", "epochs")
    return [Domain(*(row[column] for column in columns)) for row in rows if row["tokens"]]


def _read_left_out(supply: Artifact | None) -> list[dict[str, Any]] | None:
    if supply is None or "left_out.parquet" not in supply.manifest["files"]:  # made by an earlier version
        return None
    rows: list[dict[str, Any]] = read_table(supply.file("left_out.parquet")).to_pylist()
    return rows

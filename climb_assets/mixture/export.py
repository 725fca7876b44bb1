"""The mixed corpus in the forms that training frameworks read.

What belongs here: re-writing a finished corpus as a Hugging Face data set, as nanochat shards or as Megatron input.
The corpus itself is made by `climb_assets.mixture.corpus_writer`.
"""

import contextlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from climb_assets.errors import ComputeError
from climb_assets.printable import printable
from climb_assets.store.files import atomic_folder, make_folder, remove_unfinished
from climb_assets.tables import count_rows, iterate_batches, read_table

Format = Literal["hf", "nanochat", "megatron"]

ROW_GROUP = 1024  # nanochat's repackage_data_reference.py; also the rows that are in memory at a time
SHARD_CHARACTERS = 250_000_000  # the same
CELL = 120  # characters of a label in the README
LICENCES = 50  # rows of its table; the data have all
VALIDATION_IDS = "0290"  # ids are hex hashes: 1 % of the documents have one up to this


@dataclass(frozen=True)
class Exported:
    """How many rows were written, of them for validation, and how many copies of those are left out of training."""

    training: int
    validation: int = 0
    left_out: int = 0

    def in_words(self) -> str:
        """Return one sentence for people; the three figures add up to the rows of the mixed corpus."""
        text = f"{self.training:,} rows to train on"
        if self.validation:
            text += f", {self.validation:,} documents for validation, {self.left_out:,} further copies of them left out"
        return f"{text}."


def export_mixture(
    parts: Sequence[Path], realised: Path, form: Format, out: Path, title: str, notes: Sequence[str] = ()
) -> Exported:
    """Write a mixed corpus in another form into a folder that must not hold anything yet; return what was written.

    The folder appears at once and whole: it is written beside itself and renamed.

    Parameters
    ----------
    parts, realised
        The corpus' ``part-*.parquet`` in their order, and its ``realised.parquet``.
    form
        ``hf``: Parquet and a README.md with a YAML header. ``nanochat``: Parquet shards of text only, the last
        of which is validation. ``megatron``: one JSONL file for each domain and a blend file for ``--data-args-path``.
    title
        Name of the data set.
    notes
        Sentences for its README.md, such as that it is not of the current graph.

    Raises
    ------
    ComputeError
        The folder is not empty, the form is unknown, the corpus has no documents, or rows were lost on the way.
    OSError
        Another export into this folder began meanwhile.
    """
    writers: dict[str, Callable[[Sequence[Path], list[dict[str, Any]], Path, str], Exported]] = {
        "hf": _write_hf,
        "nanochat": _write_nanochat,
        "megatron": _write_megatron,
    }
    if form not in writers:
        raise ComputeError(f"format {form!r} is not known; choose one of {', '.join(writers)}")
    out = out.absolute()  # "." has no name beside which anything can be written
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ComputeError(f"{out} is not an empty folder; name another or empty it")
    if not parts:
        raise ComputeError("the mixed corpus holds no documents; make it again")
    domains = read_table(realised).to_pylist()
    make_folder(out.parent)
    remove_unfinished(out)
    with atomic_folder(out) as unfinished:
        exported = writers[form](parts, domains, unfinished, title)
        rows = sum(count_rows(part) for part in parts)
        if exported.training + exported.validation + exported.left_out != rows:
            raise ComputeError(f"the mixed corpus has {rows} rows and not these: {exported}; run `climb verify`")
        with (unfinished / "README.md").open("a", encoding="utf-8") as card:
            card.writelines(f"\n{note}\n" for note in (exported.in_words(), *notes))
    return exported


def _write_hf(parts: Sequence[Path], domains: list[dict[str, Any]], out: Path, title: str) -> Exported:
    (out / "data").mkdir()
    licences: Counter[str] = Counter()
    for number, part in enumerate(parts):
        shutil.copyfile(part, out / "data" / f"train-{number:05d}-of-{len(parts):05d}.parquet")
        licences.update(licence or "not stated" for licence in read_table(part, ["licence"])["licence"].to_pylist())
    header = {
        "pretty_name": title,
        "license": "other",  # each row carries its own
        "task_categories": ["text-generation"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}],
    }
    text = f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n\n# {title}\n\n"
    text += "A mixture of domains that a CLIMB search (arXiv 2504.13161) chose. Rows are shuffled.\n"
    text += "`epoch` counts the copies of a document, from 0; each row carries its source and its licence.\n\n"
    text += "| domain | name | wanted weight | weight | tokens | epochs |\n|---|---|---|---|---|---|\n"
    for row in domains:
        name = _cell(row["name"])
        text += f"| {row['domain']} | {name} | {row['wanted']:.4f} | {row['weight']:.4f} | {row['tokens']} "
        text += f"| {row['epochs']:.2f} |\n"
    text += "\n| licence | rows |\n|---|---|\n"
    commonest = sorted(licences.most_common(LICENCES))
    text += "".join(f"| {_cell(licence)} | {rows} |\n" for licence, rows in commonest)
    if len(licences) > len(commonest):
        rest = sum(licences.values()) - sum(rows for _, rows in commonest)
        text += f"| {len(licences) - len(commonest)} others | {rest} |\n"
    (out / "README.md").write_text(text, encoding="utf-8")
    return Exported(sum(licences.values()))


def _cell(text: str) -> str:
    """Return text of the corpus as a cell of a Markdown table: one line, no mark-up, cut."""
    return re.sub(r"([\\`*_\[\]<>|&#!~])", r"\\\1", printable(text, CELL))


def _write_nanochat(parts: Sequence[Path], domains: list[dict[str, Any]], out: Path, title: str) -> Exported:
    """Write ``shard_00000.parquet``, ...; the last one is validation (docs/sources.md).

    Validation is every document whose id is among the lowest 1 %, once, and no copy of it is left in training; the
    smallest corpus gives one document.
    """
    lowest = min(pc.min(read_table(part, ["id"])["id"]).as_py() for part in parts)
    last_id = max(VALIDATION_IDS, lowest)

    def held_out(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.and_(pc.less_equal(batch["id"], last_id), pc.equal(batch["epoch"], 0)))

    def training(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.greater(batch["id"], last_id))

    shards, trained = _write_text(map(training, _rows(parts)), out, 0)
    if not shards:
        raise ComputeError("the mixed corpus is too small to hold out validation documents; raise mixture.tokens")
    _, validated = _write_text(map(held_out, _rows(parts)), out, shards)
    copies = sum(pc.sum(pc.less_equal(batch["id"], last_id)).as_py() or 0 for batch in _rows(parts)) - validated
    (out / "README.md").write_text(f"# {title}\n\nThe last shard is validation.\n", encoding="utf-8")
    return Exported(trained, validated, copies)


def _rows(parts: Sequence[Path]) -> Iterator[pa.RecordBatch]:
    for part in parts:
        yield from iterate_batches(part, ROW_GROUP, ["id", "text", "epoch"])


def _write_text(batches: Iterator[pa.RecordBatch], out: Path, first: int) -> tuple[int, int]:
    """Write the text column in shards numbered from `first`, with even row groups; return how many, and the rows."""
    number, characters, rows = first, 0, 0
    schema = pa.schema([pa.field("text", pa.string())])
    writer: pq.ParquetWriter | None = None
    for group in _regroup(batches):
        if writer is None:
            writer = pq.ParquetWriter(
                out / f"shard_{number:05d}.parquet", schema, compression="zstd", compression_level=3
            )
            number += 1
        writer.write_table(pa.table([group], schema=schema), row_group_size=ROW_GROUP)
        rows += len(group)
        characters += pc.sum(pc.utf8_length(group)).as_py()
        if characters >= SHARD_CHARACTERS:
            writer.close()
            writer, characters = None, 0
    if writer is not None:
        writer.close()
    return number - first, rows


def _regroup(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Array]:
    """Yield text in arrays of `ROW_GROUP` rows, the last one of what is left."""
    held: list[str] = []
    for batch in batches:
        held += batch["text"].to_pylist()
        while len(held) >= ROW_GROUP:
            yield pa.array(held[:ROW_GROUP], pa.string())
            held = held[ROW_GROUP:]
    if held:
        yield pa.array(held, pa.string())


def _write_megatron(parts: Sequence[Path], domains: list[dict[str, Any]], out: Path, title: str) -> Exported:
    """Write ``domain-00000.jsonl``, ... for preprocess_data.py and ``blend.txt``, which names what it makes of them.

    A file holds its domain's documents as often as the mixture repeats them, and the weights are the realised
    token shares; so one pass over the blend is the mixed corpus.
    """
    present, rows = [row for row in domains if row["tokens"]], 0
    with contextlib.ExitStack() as files:
        lines = {
            row["domain"]: files.enter_context((out / f"{_prefix(row)}.jsonl").open("w", encoding="utf-8"))
            for row in present
        }
        for part in parts:
            for batch in iterate_batches(part, ROW_GROUP, ["id", "text", "domain"]):
                rows += batch.num_rows
                for row in batch.to_pylist():
                    lines[row["domain"]].write(
                        json.dumps({"id": row["id"], "text": row["text"]}, ensure_ascii=False) + "\n"
                    )
    blend = [f"{row['weight']:.8f} {_prefix(row)}_text_document" for row in present]
    (out / "blend.txt").write_text("\n".join(blend) + "\n", encoding="utf-8")
    (out / "README.md").write_text(
        f"# {title}\n\nMake the binary files, one for each domain, then train with `--data-args-path blend.txt`:\n\n"
        "    for file in domain-*.jsonl; do\n"
        '      python tools/preprocess_data.py --input "$file" --output-prefix "${file%.jsonl}" --append-eod ...\n'
        "    done\n",
        encoding="utf-8",
    )
    return Exported(rows)


def _prefix(row: dict[str, Any]) -> str:
    return f"domain-{row['domain']:05d}"

"""Plain text, a file a domain, and how many tokens it has, counted anew.

What belongs here: the text and the count. Documents are parted by a form feed between newlines, which no normalised
text holds; climb reads such files by ``corpus.text_files: form_feed``.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from climb_assets.corpus.frozen_tokenizer import load_tokenizer
from climb_assets.errors import ComputeError
from climb_assets.export.by_domain import Write, paths_by_domain, write_by_domain
from climb_assets.export.data_set import DataSet, Exported
from climb_assets.export.folder import write_unless_there

SEPARATOR = "\n\f\n"
COUNTS = "tokens.json"


def write_plain_text(data: DataSet, out: Path) -> Exported:
    """Write ``domain-*.txt``, the tokenizer and ``tokens.json``: documents, characters, bytes and tokens of each.

    Tokens are counted in the files, by the lake's tokenizer from its tokenizer.json, and not taken from the tokens that
    the lake has; an end token for each document counts as it does there.

    Raises
    ------
    ComputeError
        The count is not that of the data set.
    """
    paths = paths_by_domain(data.domains, out, ".txt")
    write_by_domain(data, paths, _open_text, ["text", "domain"])
    write_unless_there(out / "tokenizer.json", data.tokenizer.read_bytes())
    counts = {domain.number: _count(paths[domain.number], data) for domain in data.domains}
    for domain in data.domains:
        counted = counts[domain.number]["tokens"]
        if counted != domain.tokens:
            raise ComputeError(
                f"{domain.key} has {domain.tokens} tokens in the data set and its text {counted}; run `climb verify`"
            )
    named = {domain.key: {"name": domain.name, **counts[domain.number]} for domain in data.domains}
    write_unless_there(out / COUNTS, f"{json.dumps(named, indent=1, ensure_ascii=False)}\n".encode())
    told = f"Documents are parted by a line that holds a form feed alone. `{COUNTS}` has their tokens, counted anew by "
    rows = sum(of_domain["documents"] for of_domain in counts.values())
    return Exported(rows, lines=[told + "`tokenizer.json`, with an end token for each document."])


@contextmanager
def _open_text(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        between = ""

        def write(batch: pa.RecordBatch) -> None:
            nonlocal between
            for text in batch["text"].to_pylist():
                stream.write(between + text)
                between = SEPARATOR

        yield write


def _count(path: Path, data: DataSet) -> dict[str, int]:
    tokenizer = load_tokenizer(data.tokenizer)
    counts = {"documents": 0, "characters": 0, "bytes": 0, "tokens": 0}
    for text in _documents(path):
        counts["documents"] += 1
        counts["characters"] += len(text)
        counts["bytes"] += len(text.encode())
        counts["tokens"] += len(tokenizer.encode(text, add_special_tokens=False).ids) + 1
    return counts


def _documents(path: Path) -> Iterator[str]:
    """Yield the documents of a file; one at a time is in memory."""
    lines: list[str] = []
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            if line == "\f\n":
                yield "".join(lines).removesuffix("\n")
                lines = []
            else:
                lines.append(line)
    yield "".join(lines)

"""Files of text in, their labels out.

What belongs here: reading files as the corpus does, the table of their labels, and accounts of what was read. Labels
are `taxonomy`'s.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from climb_assets.clusters.labelling import Label
from climb_assets.clusters.taxonomy import LABELS, Taxonomy
from climb_assets.corpus.normal_text import normalise
from climb_assets.corpus.readers import read_records
from climb_assets.corpus.records import WHOLE_FILE, Fault, printable_name
from climb_assets.errors import ArgumentError, CorpusError, TransientError
from climb_assets.store.files import atomic_file, make_folder
from climb_assets.tables import write_table

ROWS = pa.schema([("file", pa.string()), ("record", pa.int64()), *LABELS])
BATCH = 1024  # rows that are handed on at a time
OUTPUTS = (".parquet", ".jsonl")


@dataclass
class Account:
    """What became of the records that were read so far: each is in a domain, in a pruned cluster, or quarantined.

    Parameters
    ----------
    domains
        Texts by number of domain.
    pruned
        Texts in pruned clusters, by the reason why these are pruned.
    quarantined
        Of each file, records by the reason why they cannot be read, and whether all that follows cannot either.
    """

    domains: Counter[int] = field(default_factory=Counter)
    pruned: Counter[str] = field(default_factory=Counter)
    quarantined: dict[str, Counter[tuple[str, bool]]] = field(default_factory=dict)

    @property
    def labelled(self) -> int:
        """How many texts have a label."""
        return self.domains.total() + self.pruned.total()

    def as_json(self, taxonomy: Taxonomy) -> dict[str, Any]:
        """Return it as plain values, each domain with its share of all that was labelled."""
        total = max(self.labelled, 1)
        return {
            "labelled": self.labelled,
            "domains": [
                {
                    "domain": domain.domain,
                    "name": domain.name,
                    "records": self.domains[domain.domain],
                    "share": self.domains[domain.domain] / total,
                }
                for domain in taxonomy.facts.domains
            ],
            "pruned": [
                {"pruned_by": reason, "records": count, "share": count / total}
                for reason, count in sorted(self.pruned.items())
            ],
            "quarantined": [
                {"file": file, "reason": reason, "records": count, "rest_of_file": rest}
                for file, reasons in self.quarantined.items()
                for (reason, rest), count in sorted(reasons.items())
            ],
            "taxonomy": {"generation": taxonomy.facts.generation, "versions": taxonomy.facts.versions},
        }


def classify_files(taxonomy: Taxonomy, files: Sequence[Path], account: Account) -> Iterator[pa.RecordBatch]:
    """Yield a row of `ROWS` for each record of the files that can be read, in their order and in bounded memory.

    Each file is labelled as if it were a shard of the lake: a text has the cluster that `cluster_assignments` has for
    its document. Other files in a folder that is a shard, or a repeat that is very far behind, may give it a vector
    with other last bits; that can change the cluster of a text whose margin is as small.

    Parameters
    ----------
    files
        In any format that the corpus is read in; links are followed.
    account
        Is added to, as rows are yielded.

    Raises
    ------
    CorpusError
        A file is not there or cannot be opened.
    TransientError
        The device failed in the middle of a file.
    """
    for path in files:
        name = printable_name(path)
        rows: list[tuple[int, Label]] = []
        for row in taxonomy.label(_texts(path, taxonomy, account.quarantined.setdefault(name, Counter()))):
            rows.append(row)
            if len(rows) == BATCH:
                yield _tabulate(name, rows, taxonomy, account)
                rows = []
        if rows:
            yield _tabulate(name, rows, taxonomy, account)


def _texts(path: Path, taxonomy: Taxonomy, quarantined: Counter[tuple[str, bool]]) -> Iterator[tuple[int, str]]:
    """Yield number and normal form of each record of a file, and count those that cannot be read."""
    try:
        for item in read_records(path.resolve(), taxonomy.corpus, path.name):
            if isinstance(item, Fault):
                quarantined[item.reason, item.row == WHOLE_FILE] += 1
            else:
                yield item.row, normalise(item.text)
    except (FileNotFoundError, PermissionError) as error:
        raise CorpusError(f"{printable_name(path)} cannot be read ({error.strerror}); name another file") from None
    except OSError as error:
        reason = f"reading {printable_name(path)} failed ({error.strerror})"
        raise TransientError(f"{reason}; check the disk and run again") from None


def _tabulate(file: str, rows: Sequence[tuple[int, Label]], taxonomy: Taxonomy, account: Account) -> pa.RecordBatch:
    labels = taxonomy.tabulate([label for _, label in rows])
    for domain, reason in zip(labels["domain"].to_pylist(), labels["pruned_by"].to_pylist(), strict=True):
        if domain is None:
            account.pruned[reason] += 1
        else:
            account.domains[domain] += 1
    records = pa.array([record for record, _ in rows], pa.int64())
    return pa.RecordBatch.from_arrays([pa.array([file] * len(rows)), records, *labels.columns], schema=ROWS)


def write_labels(batches: Iterable[pa.RecordBatch], out: Path) -> None:
    """Write batches of `ROWS` as Parquet or as JSON lines; the file is there, whole, when all of them are.

    Raises
    ------
    ArgumentError
        The name of the file ends with neither of `OUTPUTS`.
    """
    require_known_output(out)
    make_folder(out.absolute().parent)
    if out.name.endswith(".parquet"):
        write_table(out, batches, ROWS)
        return
    with atomic_file(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for batch in batches:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())


def require_known_output(out: Path) -> None:
    """Check that labels can be written into a file of this name; see `write_labels`."""
    if not out.name.endswith(OUTPUTS):
        raise ArgumentError(f"{out} is neither of {' and '.join(OUTPUTS)}; name the output file so")

"""Tar files as WebDataset reads them: for each row a member with its text and one with its labels.

What belongs here: the members. They bear no time, owner or mode of this machine, so that equal rows give equal files.
"""

import io
import json
import tarfile
from pathlib import Path

from climb_assets.export.data_set import DataSet, Exported
from climb_assets.export.folder import unless_there
from climb_assets.numbered_names import pad_number
from climb_assets.tables import iterate_batches

READ_ROWS = 1024


def write_webdataset(data: DataSet, out: Path) -> Exported:
    """Write ``train-00000.tar``, ..., one for each part of the data set, in its order."""
    rows, numbers = 0, [pad_number(number, len(data.parts)) for number in range(len(data.parts))]
    for number, part in zip(numbers, data.parts, strict=True):
        path = out / f"train-{number}.tar"
        with unless_there(path) as temporary:
            if temporary is not None:
                _write_tar(temporary, part, number)
        rows += _count_texts(path)
    files = f"train-{{{numbers[0]}..{numbers[-1]}}}.tar"
    told = f"Open `{files}`; a sample has `txt`, and `json` with id, labels, domain and copy."
    return Exported(rows, lines=[told])


def _write_tar(path: Path, part: Path, number: str) -> None:
    place = 0
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for batch in iterate_batches(part, READ_ROWS):
            for row in batch.to_pylist():
                key = f"{number}-{place:09d}"
                text = row.pop("text").encode()
                labels = json.dumps(row, ensure_ascii=False, sort_keys=True).encode()
                for suffix, content in (("txt", text), ("json", labels)):
                    member = tarfile.TarInfo(f"{key}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                place += 1


def _count_texts(path: Path) -> int:
    with tarfile.open(path) as tar:
        return sum(member.name.endswith(".txt") for member in tar)

"""Tar files as WebDataset reads them: for each row a member with its text and one with its labels.

What belongs here: the members. They bear no time, owner or mode of this machine, so that equal rows give equal files.
"""

import io
import json
import tarfile
from pathlib import Path

from climb_assets.export.data_set import DataSet, Exported
from climb_assets.export.folder import unless_there
from climb_assets.tables import iterate_batches

READ_ROWS = 1024


def write_webdataset(data: DataSet, out: Path) -> Exported:
    """Write ``train-00000.tar``, ..., one for each part of the data set, in its order."""
    rows = 0
    for number, part in enumerate(data.parts):
        path = out / f"train-{number:05d}.tar"
        with unless_there(path) as temporary:
            if temporary is not None:
                _write_tar(temporary, part, number)
        rows += _count_texts(path)
    last = len(data.parts) - 1
    told = f"Open `train-{{00000..{last:05d}}}.tar`; a sample has `txt`, and `json` with id, labels, domain and copy."
    return Exported(rows, lines=[told])


def _write_tar(path: Path, part: Path, number: int) -> None:
    place = 0
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for batch in iterate_batches(part, READ_ROWS):
            for row in batch.to_pylist():
                key = f"{number:05d}-{place:09d}"
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

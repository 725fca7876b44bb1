"""Tar files hold each row as a text and its labels, in the order of the data set."""

import json
import tarfile
from pathlib import Path

from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from tests.climb_assets.export.conftest import rows_of


def test_samples_are_the_rows(data: DataSet, tmp_path: Path) -> None:
    export_data_set(data, "webdataset", tmp_path / "out")
    samples: dict[str, dict[str, bytes]] = {}
    for path in sorted((tmp_path / "out").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                content = tar.extractfile(member)
                assert content is not None and (member.mtime, member.uid) == (0, 0)
                samples.setdefault(key, {})[suffix] = content.read()
    rows = [json.loads(sample["json"]) | {"text": sample["txt"].decode()} for sample in samples.values()]
    assert rows == rows_of(data)

"""Tables when memory is short: what this machine cannot hold is not broken."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from climb_assets.config import Corpus
from climb_assets.corpus.columns import damage_as_fault
from climb_assets.corpus.records import BrokenFileError

READ = """
import resource, sys, pathlib, psutil
from climb_assets.config import Corpus
from climb_assets.corpus.readers import read_records
from climb_assets.errors import TransientError
path = pathlib.Path(sys.argv[1])
list(read_records(path.with_name("small" + path.suffix), Corpus()))
most = psutil.Process().memory_info().data + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_DATA, (most, most))
try:
    print(sum(1 for item in read_records(path, Corpus())))
except TransientError as error:
    print(error)
"""


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_too_little_memory_is_no_damage(tmp_path: Path, suffix: str) -> None:
    for name, rows in (("small", 1), ("large", 120)):
        table = pa.table({"text": [f"{row} " * 200_000 for row in range(rows)]})
        if suffix == ".parquet":
            pq.write_table(table, tmp_path / f"{name}.parquet", use_dictionary=False, compression="none")
        else:
            with pa.ipc.new_file(tmp_path / f"{name}.arrow", table.schema) as writer:
                writer.write_table(table)
    told = []
    for room in (30_000_000, 4_000_000_000):
        command = [sys.executable, "-c", READ, str(tmp_path / f"large{suffix}"), str(room)]
        told.append(subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout)
    assert "too little memory" in told[0] and told[1] == "120\n"


@pytest.mark.parametrize("said", ["malloc of size 99000000000000 failed", ""])
def test_what_no_file_of_its_size_needs_is_damage(tmp_path: Path, said: str) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1000)
    with (tmp_path / "a").open("rb") as stream, pytest.raises(BrokenFileError), damage_as_fault(stream, Corpus()):
        raise pa.ArrowMemoryError(said)

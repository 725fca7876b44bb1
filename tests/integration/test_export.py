"""An exported data set is of use to those who have only it: they train on it, count it and query it."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from tests.climb_assets.export.conftest import EPOCHS, data  # noqa: F401

SCRIPT = Path(__file__).with_name("train_on_export.py")


@pytest.fixture
def folder(data: DataSet, tmp_path: Path) -> Path:  # noqa: F811
    """Return a data set of three domains in the layout of Hugging Face."""
    export_data_set(data, "huggingface", tmp_path / "exported")
    return tmp_path / "exported"


@pytest.mark.slow
def test_a_plain_script_trains_on_it(data: DataSet, folder: Path, tmp_path: Path) -> None:  # noqa: F811
    imported = {ast.unparse(node) for node in ast.walk(ast.parse(SCRIPT.read_text())) if isinstance(node, ast.Import)}
    assert not any("climb" in line or "dagster" in line for line in imported)
    command = [sys.executable, str(SCRIPT), str(folder), str(data.tokenizer), str(tmp_path / "cache")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    losses = [float(line) for line in done.stdout.split()]
    assert len(losses) == 10 and losses[-1] < losses[0]


def test_its_shares_of_tokens_are_the_weights(data: DataSet, folder: Path) -> None:  # noqa: F811
    """Counted in the files, by nothing of ours."""
    tokenizer, tokens = Tokenizer.from_file(str(data.tokenizer)), Counter[int]()
    for path in (folder / "data").glob("*.parquet"):
        for row in pq.read_table(path, columns=["domain", "text"]).to_pylist():
            tokens[row["domain"]] += len(tokenizer.encode(row["text"]).ids) + 1  # which ends the document
    assert [tokens[domain.number] for domain in data.domains] == [domain.tokens for domain in data.domains]
    for domain in data.domains:
        assert tokens[domain.number] / tokens.total() == pytest.approx(domain.weight)
        assert domain.epochs <= EPOCHS


def test_duckdb_reads_both_views_alike(folder: Path) -> None:
    query = "SELECT domain, id, epoch, md5(text) FROM read_parquet($files) ORDER BY ALL"
    views = [str(folder / view / "*.parquet") for view in ("data", "domains")]
    shuffled, by_domain = (duckdb.execute(query, {"files": files}).fetchall() for files in views)
    assert shuffled == by_domain and len({row[0] for row in shuffled}) == 3

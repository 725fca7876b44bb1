"""What DuckDB reads must not depend on where a lake lies: it makes columns of folders that are named ``key=value``."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READERS = re.compile(r"\b(?:read_parquet|parquet_scan|read_csv\w*|read_json\w*)\(\$[^)]*\)")
FILES = sorted(path for package in ("climb_assets", "dagster_project") for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_query_guesses_columns_from_the_names_of_folders(path: Path) -> None:
    for call in READERS.findall(path.read_text()):
        assert "hive_partitioning = false" in call, call

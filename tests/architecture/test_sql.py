"""What DuckDB reads must not depend on where a lake lies: it makes columns of folders that are named ``key=value``."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
READERS = re.compile(r"\b(?:read_parquet|parquet_scan|read_csv\w*|read_json\w*)\(\$[^)]*\)")
FILES = sorted(path for package in ("climb_assets", "dagster_project") for path in (ROOT / package).rglob("*.py"))


def test_no_query_guesses_columns_from_the_names_of_folders() -> None:
    calls = [(path.relative_to(ROOT).as_posix(), call) for path in FILES for call in READERS.findall(path.read_text())]
    assert calls
    assert [call for call in calls if "hive_partitioning = false" not in call[1]] == []

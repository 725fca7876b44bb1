"""Queries of `climb sql` on an empty lake: rows, or one sentence."""

import functools
import re
from collections import Counter
from pathlib import Path

from numpy.random import Generator

from climb_assets.config_sql import Sql
from climb_assets.graph.catalog import artefacts_read, as_rows, query_lake
from climb_assets.store.local import LocalStore
from dagster_project.strict_json import to_json
from tests.fuzz.hostile import chance, damage, hostile_text, pick

PAGE = Path(__file__).parents[2] / "docs" / "queries.md"
LIMITS = Sql(seconds=5, rows=100, memory_bytes=2**28)
VALUES = (
    *("1 AS a, 2 AS a", "'nan'::FLOAT", "'-inf'::DOUBLE", "1e308 * 10", "NULL", "DATE '9999-12-31' + 1", "*", "x"),
    *("'infinity'::DATE", "INTERVAL 1 YEAR", "{'a': 1, 'A': 2}", "[1, NULL]", "MAP {1: 2}", "'\\xff'::BLOB", "9" * 60),
    *("uuid()", "chr(0)", "chr(27)", "'\U0001f600'", "'\u202e'", "1::HUGEINT << 100", "'1'::BIT", "TIME '24:00:00'"),
    *("now()", "1/0", "repeat('x', 100000)", "1.5::DECIMAL(38, 10)", "'a'::ENUM('a')", "union_value(a := 1)"),
    *("range(5)", "sqrt(-1)", "error('no')", "'\ud800'", "1e400", "?", "$1", "'2024-01-01'::TIMESTAMPTZ"),
)
RESTS = (
    *("", "", "FROM range(3)", "FROM range(1000)", "FROM (VALUES (1)) t(x)", "UNION ALL SELECT 1", "LIMIT 0"),
    *("FROM documents", "FROM 'x.csv'", "FROM read_csv('/etc/passwd')", "; SELECT 1", "WHERE", "--", "/*"),
)
STATEMENTS = ("COPY x TO 'x'", "ATTACH 'x'", "SET memory_limit = '1TB'", "PRAGMA version", "INSTALL x", "LOAD x", "")


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Run a query, and print its rows as a table and as JSON."""
    store, query = LocalStore(folder), _query(random)
    artefacts_read(store, query)
    answer = query_lake(store, query, LIMITS)
    to_json(as_rows(answer)).encode()
    str(answer).encode()
    return Counter(accepted=1)


def _query(random: Generator) -> str:
    if chance(random, 0.7):
        values = ", ".join(pick(random, VALUES) for _ in range(int(random.integers(1, 4))))
        return f"SELECT {values} {pick(random, RESTS)}"
    if chance(random, 0.7):
        return damage(random, pick(random, _shown()).encode()).decode("utf-8", "surrogateescape")
    return f"{pick(random, STATEMENTS)}{hostile_text(random)}"


@functools.cache
def _shown() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)

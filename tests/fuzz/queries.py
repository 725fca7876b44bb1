"""Queries of `climb sql` on an empty lake: rows, or one sentence."""

import functools
import re
from collections import Counter
from pathlib import Path

from numpy.random import Generator

from climb_assets.config import Sql
from climb_assets.graph.catalog import artefacts_read, as_rows, query_lake
from climb_assets.store.local import LocalStore
from dagster_project.strict_json import to_json
from tests.fuzz.hostile import chance, damage, hostile_text, pick

ROOT = Path(__file__).parents[2]
LIMITS = Sql(seconds=5, rows=100, memory_bytes=2**28)
VALUES = (
    *(
        "1 AS a, 2 AS a",
        "'nan'::FLOAT",
        "'-inf'::DOUBLE",
        "1e308 * 10",
        "NULL",
        "DATE '9999-12-31' + 1",
        "'infinity'::DATE",
        "x",
    ),
    *(
        "INTERVAL 1 YEAR",
        "{'a': 1, 'A': 2}",
        "[1, NULL]",
        "MAP {1: 2}",
        "'\\xff'::BLOB",
        "9" * 60,
        "uuid()",
        "chr(0)",
        "chr(27)",
    ),
    *(
        "'\U0001f600'",
        "'\u202e'",
        "1::HUGEINT << 100",
        "'1'::BIT",
        "TIME '24:00:00'",
        "now()",
        "1/0",
        "repeat('x', 100000)",
        "*",
    ),
    *(
        "1.5::DECIMAL(38, 10)",
        "'a'::ENUM('a')",
        "union_value(a := 1)",
        "range(5)",
        "sqrt(-1)",
        "error('no')",
        "'\ud800'",
    ),
)
REST = (
    "",
    "",
    "FROM range(3)",
    "FROM range(1000)",
    "FROM documents",
    "FROM 'x.csv'",
    "FROM (VALUES (1)) t(x)",
    "UNION ALL SELECT 1",
    "LIMIT 0",
)
PARTS = (
    *VALUES,
    *(
        "SELECT ",
        "FROM ",
        "WHERE ",
        "UNION ALL ",
        "ORDER BY 1",
        "LIMIT 1",
        "WITH RECURSIVE t AS ",
        "documents ",
        "clusters ",
        "*",
        "1",
        ",",
    ),
    *(
        "range(10)",
        "repeat('x', 10)",
        "'nan'::FLOAT ",
        "1e400 ",
        "NULL ",
        "DATE '9999-01-01' ",
        "INTERVAL 1 YEAR ",
        "{'a': 1} ",
        "[1] ",
    ),
    *(
        "read_csv('/etc/passwd')",
        "COPY x TO '/tmp/x'",
        "ATTACH 'x'",
        "SET memory_limit='1TB'",
        ";",
        "--",
        "/*",
        "(",
        ")",
        "'",
        '"',
        "$1",
    ),
    *(
        "1 AS a, 2 AS a",
        "'\\xff'::BLOB",
        "9" * 60,
        "'\x00'",
        "'\U0001f600'",
        "uuid()",
        "a -> b",
        "PRAGMA version",
        "INSTALL x",
        "LOAD x",
    ),
)


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Run a query, and print its rows as a table and as JSON."""
    store, query = LocalStore(folder), _query(random)
    artefacts_read(store, query)
    answer = query_lake(store, query, LIMITS)
    to_json(as_rows(answer)).encode()
    str(answer).encode()
    return Counter(accepted=1)


def _query(random: Generator) -> str:
    if chance(random, 0.3):
        data = damage(random, pick(random, _shown()).encode())
        return data.decode("utf-8", pick(random, ("replace", "surrogateescape")))
    if chance(random, 0.1):
        return hostile_text(random)
    if chance(random, 0.5):
        values = ", ".join(pick(random, VALUES) for _ in range(int(random.integers(1, 4))))
        return f"SELECT {values} {pick(random, REST)}"
    return "".join(pick(random, PARTS) for _ in range(int(random.integers(1, 7))))


@functools.cache
def _shown() -> list[str]:
    return re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "queries.md").read_text(encoding="utf-8"), re.DOTALL)

"""What has moved since the data set before: documents that came and went, and weights.

What belongs here: comparing two data sets of one objective. It is told beside the new one and decides nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from climb_assets.tables import read_table


@dataclass(frozen=True)
class Change:
    """What changed in one domain; documents are counted once, however often they are repeated.

    Parameters
    ----------
    came, went, stayed
        Documents that are new in the data set, that it had before, and that it has in both.
    weight_before, weight
        The wanted weight; 0 where there was no such domain.
    """

    domain: str
    came: int
    went: int
    stayed: int
    weight_before: float
    weight: float


# A document that another domain has now is new there and gone here.
_COMPARE = """
WITH old AS (
    SELECT sample.id, named.name FROM read_parquet($old, hive_partitioning = false) AS sample
    JOIN read_parquet($old_domains, hive_partitioning = false) AS named USING (domain)
), new AS (
    SELECT sample.id, named.name FROM read_parquet($new, hive_partitioning = false) AS sample
    JOIN read_parquet($new_domains, hive_partitioning = false) AS named USING (domain)
)
SELECT name, count(*) FILTER (before.id IS NULL), count(*) FILTER (after.id IS NULL),
       count(*) FILTER (before.id IS NOT NULL AND after.id IS NOT NULL)
FROM old AS before FULL JOIN new AS after USING (id, name)
GROUP BY name
"""


def compare_data_sets(before: tuple[Path, Path], after: tuple[Path, Path]) -> list[Change]:
    """Return what changed in each domain of two data sets, by name; domains of either count.

    Parameters
    ----------
    before, after
        ``sample.parquet`` and ``realised.parquet`` of each.
    """
    import duckdb

    files = {"old": before[0], "old_domains": before[1], "new": after[0], "new_domains": after[1]}
    with duckdb.connect() as connection:
        rows = connection.execute(_COMPARE, {name: str(path) for name, path in files.items()}).fetchall()
    counts = {name: (came, went, stayed) for name, came, went, stayed in rows}
    old, new = (_weights(realised) for _, realised in (before, after))
    return [
        Change(name, *counts.get(name, (0, 0, 0)), old.get(name, 0.0), new.get(name, 0.0))
        for name in sorted(old.keys() | new.keys())
    ]


def _weights(realised: Path) -> dict[str, float]:
    table = read_table(realised, ["name", "wanted"])
    return dict(zip(table["name"].to_pylist(), table["wanted"].to_pylist(), strict=True))


def in_words(changes: list[Change]) -> str:
    """Return what moved in all domains together, as people read it."""
    came, went, stayed = (sum(getattr(change, name) for change in changes) for name in ("came", "went", "stayed"))
    moved = sum(abs(change.weight - change.weight_before) for change in changes) / 2
    return f"{came:,} documents came, {went:,} went, {stayed:,} stayed; weights moved by {moved:.4f} in all"

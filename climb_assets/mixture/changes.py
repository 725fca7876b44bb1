"""What has moved since the data set before: documents that came and went, and weights.

What belongs here: comparing two data sets of one objective. It is told beside the new one and decides nothing.
"""

from dataclasses import dataclass
from pathlib import Path

from climb_assets.errors import CorruptArtifact
from climb_assets.executor.database import open_database
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table

SAMPLE, REALISED = "sample.parquet", "realised.parquet"


@dataclass(frozen=True)
class Change:
    """What changed in one domain; documents are counted once, however often they are repeated.

    Parameters
    ----------
    came, went, stayed
        Documents that are new in the domain, that it had before, and that it has in both.
    weight_before, weight
        The wanted weight; 0 where there was no such domain.
    """

    domain: str
    came: int
    went: int
    stayed: int
    weight_before: float
    weight: float


@dataclass(frozen=True)
class Changes:
    """What changed in a data set, whatever domains its documents are in, and in each of them."""

    came: int
    went: int
    stayed: int
    domains: tuple[Change, ...]

    @property
    def weights_moved(self) -> float:
        """Total variation between the weights before and now, of domains of the same names."""
        return sum(abs(change.weight - change.weight_before) for change in self.domains) / 2

    def in_words(self) -> str:
        """Return it as people read it."""
        return (
            f"documents: {self.came:,} came, {self.went:,} went, {self.stayed:,} stayed; "
            f"weights moved by {self.weights_moved:.4f} in all"
        )


_IN_ALL = """
SELECT count(*) FILTER (before.id IS NULL), count(*) FILTER (after.id IS NULL),
       count(*) FILTER (before.id IS NOT NULL AND after.id IS NOT NULL)
FROM old_sample AS before FULL JOIN new_sample AS after USING (id)
"""

# A document that another domain has now came there and went here.
_BY_DOMAIN = """
WITH old AS (SELECT id, name FROM old_sample JOIN old_domains USING (domain)),
     new AS (SELECT id, name FROM new_sample JOIN new_domains USING (domain))
SELECT name, count(*) FILTER (before.id IS NULL), count(*) FILTER (after.id IS NULL),
       count(*) FILTER (before.id IS NOT NULL AND after.id IS NOT NULL)
FROM old AS before FULL JOIN new AS after USING (id, name)
GROUP BY name
"""


def changes_since(before: Artifact, sample: Path, realised: Path, scratch: Path) -> Changes | None:
    """Return what changed since a data set, given files of the new one; None where those of the old one are damaged.

    Parameters
    ----------
    scratch
        Folder for what memory does not hold.
    """
    try:
        files = before.file(SAMPLE), before.file(REALISED)
    except CorruptArtifact:  # nobody needs it any more
        return None
    return compare_data_sets(files, (sample, realised), scratch)


def compare_data_sets(before: tuple[Path, Path], after: tuple[Path, Path], scratch: Path) -> Changes:
    """Return what changed between two data sets, in each domain by its name; domains of either count.

    Parameters
    ----------
    before, after
        ``sample.parquet`` and ``realised.parquet`` of each.
    scratch
        Folder for what memory does not hold.
    """
    with open_database(scratch) as connection:
        for name, (sample, realised) in (("old", before), ("new", after)):
            connection.register(f"{name}_sample", read_table(sample, ["id", "domain"]))
            connection.register(f"{name}_domains", read_table(realised, ["domain", "name"]))
        rows = connection.execute(_BY_DOMAIN).fetchall()
        [(came, went, stayed)] = connection.execute(_IN_ALL).fetchall()
    counts = {name: (came_here, went_here, stayed_here) for name, came_here, went_here, stayed_here in rows}
    old, new = (_weights(realised) for _, realised in (before, after))
    domains = tuple(
        Change(name, *counts.get(name, (0, 0, 0)), old.get(name, 0.0), new.get(name, 0.0))
        for name in sorted(old.keys() | new.keys())
    )
    return Changes(came, went, stayed, domains)


def _weights(realised: Path) -> dict[str, float]:
    table = read_table(realised, ["name", "wanted"])
    return dict(zip(table["name"].to_pylist(), table["wanted"].to_pylist(), strict=True))

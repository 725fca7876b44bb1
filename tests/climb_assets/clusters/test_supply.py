"""What domains hold: it follows the corpus under a taxonomy that does not."""

from pathlib import Path

import pyarrow as pa
import pytest

from climb_assets.clusters.statistics import compute_statistics
from climb_assets.clusters.supply import write_supply
from climb_assets.errors import ComputeError
from climb_assets.tables import read_table, write_table

NAMES = pa.table({"domain": pa.array([0, 1], pa.int32()), "name": ["kitchen", "maths"]})


def supply(corpus, folder: Path, domain_of: list[int | None]) -> tuple[dict, list[dict]]:
    """Return the facts and the rows of domains that are formed of the three groups of the small corpus."""
    compute_statistics(corpus.tables, corpus.splits, folder)
    write_table(folder / "domains.parquet", NAMES)
    clusters = {"cluster": list(range(len(domain_of))), "domain": pa.array(domain_of, pa.int32())}
    write_table(folder / "map.parquet", pa.table(clusters))
    facts = write_supply(folder / "domains.parquet", folder / "map.parquet", folder / "tally.parquet", folder)
    return facts, read_table(folder / "supply.parquet").to_pylist()


def test_a_domain_holds_what_its_clusters_hold(corpus, tmp_path: Path) -> None:
    facts, rows = supply(corpus, tmp_path, [1, 1, 0, None])
    held = {row["cluster"]: row for row in read_table(tmp_path / "clusters.parquet").to_pylist()}
    assert [row["tokens"] for row in rows] == [held[2]["tokens"], held[0]["tokens"] + held[1]["tokens"]]
    assert [row["documents"] for row in rows] == [held[2]["documents"], held[0]["documents"] + held[1]["documents"]]
    assert [row["prior"] for row in rows] == pytest.approx([row["tokens"] / facts["tokens"] for row in rows])
    mean = sum(held[cluster]["documents"] * (1 + cluster) for cluster in (0, 1)) / rows[1]["documents"]
    assert rows[1]["mean_quality"] == pytest.approx(mean)
    assert {source["source"] for source in rows[1]["sources"]} == {"waters", "maths"}
    assert facts["empty"] == []


@pytest.mark.parametrize("domain", [0, 1])
def test_a_domain_that_lost_its_documents_holds_nothing_and_keeps_its_place(corpus, tmp_path: Path, domain) -> None:
    facts, rows = supply(corpus, tmp_path, [1 - domain, 1 - domain, 1 - domain, domain])
    assert [row["name"] for row in rows] == ["kitchen", "maths"] and facts["empty"] == [domain]
    lost = rows[domain]
    assert (lost["documents"], lost["tokens"], lost["prior"], lost["sources"]) == (0, 0, 0, [])
    assert lost["mean_quality"] is None and rows[1 - domain]["prior"] == 1


def test_when_no_domain_holds_text_people_are_told_what_to_do(corpus, tmp_path: Path) -> None:
    with pytest.raises(ComputeError, match="climb renew taxonomy"):
        supply(corpus, tmp_path, [None, None, None, 0])

"""What is left out is counted once each, by reason, source, licence and domain."""

from pathlib import Path

import pyarrow as pa

from climb_assets.clusters.left_out import BY_DOMAIN, assign_left_out, tally_left_out
from climb_assets.tables import read_table, write_table


def left_out(corpus, folder: Path, overrides: list[tuple[str, str, str]], domain_of: list[int | None]) -> pa.Table:
    """Return the table of what is left out where splits are these."""
    columns = dict(zip(("shard", "id", "split"), map(list, zip(*overrides, strict=True)), strict=True))
    write_table(folder / "splits.parquet", pa.table(columns or {name: [] for name in ("shard", "id", "split")}))
    (folder / "clusters").mkdir()
    tally_left_out(corpus.tables, folder / "splits.parquet", folder / "clusters")
    write_table(folder / "map.parquet", pa.table({"domain": pa.array(domain_of, pa.int32())}))
    assign_left_out(folder / "clusters" / "left_out.parquet", folder / "map.parquet", folder)
    return read_table(folder / "left_out.parquet")


def test_each_document_is_counted_with_its_reason_and_domain(corpus, tmp_path: Path) -> None:
    ids = read_table(corpus.tables[0].documents)["id"].to_pylist()
    reasons = {0: "licence", 2: "contaminated", 3: "licence", 6: "licence", 7: "search_eval", 8: "licence"}
    overrides = [("a", ids[row], reason) for row, reason in reasons.items()]
    table = left_out(corpus, tmp_path, overrides, [1, 0, None, 0])
    assert table.schema == BY_DOMAIN
    rows = {tuple(row.values()) for row in table.to_pylist()}
    assert rows == {  # a document of group g has 3 + g tokens, its domain is that of cluster g
        (1, "licence", "waters", None, 2, 6),
        (1, "licence", "waters", "CC0", 1, 3),
        (None, "contaminated", "kitchen", None, 1, 5),
        (None, "licence", "kitchen", None, 1, 5),
    }


def test_where_nothing_is_left_out_the_table_is_empty(corpus, tmp_path: Path) -> None:
    ids = read_table(corpus.tables[1].documents)["id"].to_pylist()
    table = left_out(corpus, tmp_path, [("b", ids[3], "train")], [0, 0, 0, 0])
    assert table.schema == BY_DOMAIN and table.num_rows == 0

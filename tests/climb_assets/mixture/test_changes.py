"""What moved between two data sets is counted by domain and document."""

from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.mixture.changes import Change, compare_data_sets
from climb_assets.tables import write_table

NAMES = ("law", "music", "code")


def write(folder: Path, documents: dict[str, int], weights: tuple[float, ...]) -> tuple[Path, Path]:
    """Write a data set of documents, each with the number of its domain."""
    folder.mkdir(exist_ok=True)
    sample = {"id": pa.array(list(documents), pa.string()), "domain": pa.array(list(documents.values()), pa.int32())}
    write_table(folder / "sample.parquet", pa.table(sample))
    domains = {"domain": pa.array(range(len(weights)), pa.int32()), "name": NAMES[: len(weights)], "wanted": weights}
    write_table(folder / "realised.parquet", pa.table(domains))
    return folder / "sample.parquet", folder / "realised.parquet"


def test_a_document_that_another_domain_has_now_came_there_and_went_here(tmp_path: Path) -> None:
    before = write(tmp_path / "before", {"a": 0, "b": 0, "c": 1}, (0.5, 0.5))
    after = write(tmp_path / "after", {"a": 0, "b": 1, "d": 2}, (0.25, 0.25, 0.5))
    changes = compare_data_sets(before, after, tmp_path)
    assert changes.domains == (
        Change("code", 1, 0, 0, 0.0, 0.5),
        Change("law", 0, 1, 1, 0.5, 0.25),
        Change("music", 1, 1, 0, 0.5, 0.25),
    )
    assert changes.in_words() == "documents: 1 came, 1 went, 2 stayed; weights moved by 0.5000 in all"


documents = st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 2))


@given(documents, documents)
def test_what_came_and_stayed_is_the_new_one_and_what_went_and_stayed_the_old(
    tmp_path_factory, old: dict[str, int], new: dict[str, int]
) -> None:
    folder, weights = tmp_path_factory.mktemp("sets"), (0.2, 0.3, 0.5)
    sets = write(folder / "old", old, weights), write(folder / "new", new, weights)
    changes = compare_data_sets(*sets, folder)
    for domain, name in enumerate(NAMES):
        (change,) = [one for one in changes.domains if one.domain == name]
        was, now = ({key for key, value in side.items() if value == domain} for side in (old, new))
        assert (change.came, change.went, change.stayed) == (len(now - was), len(was - now), len(now & was))
    kept = old.keys() & new.keys()
    assert (changes.came, changes.went, changes.stayed) == (len(new) - len(kept), len(old) - len(kept), len(kept))

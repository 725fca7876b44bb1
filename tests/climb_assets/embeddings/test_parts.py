"""A part begins where its documents say so, whatever stands before it."""

from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.embeddings.parts import Part, iterate_parts
from climb_assets.tables import write_table


def parts_of(folder: Path, texts: list[str], most: int) -> list[Part]:
    """Return the parts of a shard of these texts."""
    ids = [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts]
    table = pa.table({"id": pa.array(ids, pa.string()), "text": pa.array(texts, pa.string())})
    write_table(folder / "documents.parquet", table)
    return list(iterate_parts(folder / "documents.parquet", most))


@given(st.lists(st.integers(0, 10_000), unique=True, max_size=200), st.integers(1, 40))
def test_parts_are_the_documents_in_order_and_none_is_too_long(tmp_path_factory, numbers: list[int], most: int) -> None:
    texts = [f"text {number}" for number in numbers]
    parts = parts_of(tmp_path_factory.mktemp("parts"), texts, most)
    assert [text for _, of_part in parts for text in of_part] == texts
    assert all(len(ids) == len(of_part) and 1 <= len(ids) <= most for ids, of_part in parts)


@given(st.lists(st.integers(0, 10_000), unique=True, min_size=30, max_size=120), st.data())
def test_what_is_put_in_or_taken_out_changes_few_parts(tmp_path_factory, numbers: list[int], data) -> None:
    """The parts before it stay; those after it do from the next document on that begins one by itself."""
    folder, texts = tmp_path_factory.mktemp("parts"), [f"text {number}" for number in numbers]
    place = data.draw(st.integers(0, len(texts) - 1))
    before = parts_of(folder, texts, 8)
    after = parts_of(
        folder,
        [*texts[:place], "new", *texts[place:]] if data.draw(st.booleans()) else texts[:place] + texts[place + 1 :],
        8,
    )
    whole, found = [ids for ids, _ in before], {ids for ids, _ in after}
    at = next(number for number, _ in enumerate(whole) if sum(map(len, whole[: number + 1])) > place)
    assert set(whole[:at]) - {whole[at - 1]} <= found if at else True
    restart = next((n for n in range(at + 1, len(whole)) if int(whole[n][0][:8], 16) % 4 == 0), len(whole))
    assert set(whole[restart:]) <= found

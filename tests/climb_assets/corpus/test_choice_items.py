"""Task files: what is written is read, whatever ends its lines; what is no item is said with its line."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.corpus.choice_items import count_choice_items, read_choice_items
from climb_assets.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CHOICES = st.lists(TEXT.filter(lambda text: bool(text.strip())), min_size=2, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["context", "contexts", "choices", "gold"])

repeated = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """Return a good record."""
    choices = draw(CHOICES)
    contexts = draw(st.none() | st.lists(TEXT, min_size=len(choices), max_size=len(choices)))
    with_context = {"context": draw(TEXT)} if contexts is None else {"contexts": contexts}
    return with_context | {"choices": choices, "gold": draw(st.integers(0, len(choices) - 1))}


@repeated
@given(
    st.lists(records(), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
    st.booleans(),
    st.booleans(),
)
def test_what_is_written_is_read(
    tmp_path: Path, written: list[dict[str, Any]], end: str, marked: bool, escaped: bool
) -> None:
    lines = [json.dumps(record, ensure_ascii=escaped) for record in written]
    path = tmp_path / "task.jsonl"
    path.write_bytes(codecs.BOM_UTF8 * marked + end.join(lines).encode())
    items = read_choice_items(path, "t")
    assert [(list(item.choices), item.gold) for item in items] == [(row["choices"], row["gold"]) for row in written]
    for item, row in zip(items, written, strict=True):
        assert list(item.contexts) == row.get("contexts", [row.get("context")] * len(row["choices"]))
    path.write_text("\n".join(lines), encoding="utf-8")
    assert [item.digest for item in read_choice_items(path, "t")] == [item.digest for item in items]
    assert count_choice_items(path, "t") == len(set(lines))


@repeated
@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_items_or_a_sentence_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "task.jsonl"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"^tasks\.t\.path: .*task\.jsonl"):
        read_choice_items(path, "t")


@repeated
@given(records(), FIELDS, JSON)
def test_a_record_with_any_value_in_a_field_is_an_item_that_can_be_encoded_or_a_sentence(
    tmp_path: Path, record: dict[str, Any], field: str, value: Any
) -> None:
    path = tmp_path / "task.jsonl"
    path.write_text(json.dumps(record) + "\n" + json.dumps(record | {field: value}), encoding="utf-8")
    try:
        items = read_choice_items(path, "t")
    except ConfigError as error:
        assert f"{path}:2" in str(error)
        return
    for item in items:
        assert len(item.contexts) == len(item.choices) > item.gold >= 0
        "".join([*item.contexts, *item.choices]).encode()


@pytest.mark.parametrize("line", [1, 3, 2000])
def test_the_line_of_a_byte_that_is_no_utf8_is_named(tmp_path: Path, line: int) -> None:
    good = json.dumps({"context": "é" * 20, "choices": ["a", "b"], "gold": 0}, ensure_ascii=False).encode()
    path = tmp_path / "task.jsonl"
    path.write_bytes(b"\n".join([*[good] * (line - 1), good.replace("é".encode(), b"\xe9", 1), good]))
    with pytest.raises(ConfigError, match=rf"task\.jsonl:{line} is not UTF-8"):
        read_choice_items(path, "t")


def test_a_file_that_was_changed_is_counted_again(tmp_path: Path) -> None:
    path = tmp_path / "task.jsonl"
    for number in (1, 2):
        with path.open("a") as stream:
            stream.write(json.dumps({"context": f"{number}", "choices": ["a", "b"], "gold": 0}) + "\n")
        assert count_choice_items(path, "t") == number

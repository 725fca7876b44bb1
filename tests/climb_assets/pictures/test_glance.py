"""Pictures at a glance stay below what Dagster shows in place, and are one image whatever they name."""

import re
import xml.etree.ElementTree as ET
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.pictures.glance import MOST, bars, differences, line

named = st.lists(st.tuples(st.text(max_size=60), st.floats(0, 1)), max_size=12)


def drawn(markdown: str) -> ET.Element:
    """Return the picture of an image in Markdown as a browser would read it."""
    found = re.fullmatch(r"!\[Picture\]\(<data:image/svg\+xml,([^<>\n\\]*)>\)", markdown)
    assert found, markdown
    return ET.fromstring(unquote(found[1]))


@given(named)
def test_bars_fit_and_are_well_formed(rows: list[tuple[str, float]]) -> None:
    markdown = bars(rows)
    if not any(share > 0 for _, share in rows[:6]):
        assert markdown == ""
        return
    assert len(markdown) < MOST
    texts = [element.text for element in drawn(markdown) if element.tag.endswith("text")]
    assert len(texts) == 2 * min(len(rows), 6) or max(len(name) for name, _ in rows) > 10


def test_markup_in_a_name_stays_its_text() -> None:
    picture = drawn(bars([("<script>&lt;b", 0.5), (">)](x", 0.2)]))
    assert [element.tag.rpartition("}")[2] for element in picture] == ["text"] * 4 + ["path"]


@given(st.lists(st.tuples(st.text(max_size=60), *[st.integers(0, 400)] * 2, st.integers(-900, 900)), max_size=8))
def test_differences_fit_with_their_numbers(given: list[tuple[str, int, int, int]]) -> None:
    rows = [(name, at / 100, (at - below) / 100, (at + above) / 100) for name, below, above, at in given]
    markdown = differences(rows)
    assert len(markdown) < MOST and bool(markdown) == bool(rows)
    if rows:
        texts = [element.text for element in drawn(markdown) if element.tag.endswith("text")]
        assert texts[-1] == "left of the line is better" and len(texts) % 2 == 1


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=900))
def test_a_line_fits(values: list[float]) -> None:
    markdown = line(values, "loss by step")
    assert len(markdown) < MOST and drawn(markdown) is not None


def test_what_is_better_and_what_is_worse_have_two_colours() -> None:
    picture = drawn(differences([("one", -0.2, -0.3, -0.1), ("two", 0.2, 0.1, 0.3), ("three", 0.0, -0.1, 0.1)]))
    strokes = [element.attrib["stroke"] for element in picture if "stroke-width" in element.attrib]
    assert len(set(strokes)) == 3

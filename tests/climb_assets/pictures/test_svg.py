"""Drawings: whatever their texts hold, they are well-formed and tell it."""

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.pictures.plots import agreement, best_so_far, curves, gain_columns, mixture_columns
from climb_assets.pictures.rows import Difference, Share, forest, share_bars, stacked_shares
from climb_assets.pictures.svg import Drawing, shorten, stand_alone

SVG = "{http://www.w3.org/2000/svg}"
text = st.text(max_size=40)
share = st.floats(0, 1)


def texts(drawing: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(drawing).iter(f"{SVG}text")]


@given(name=text, beside=text, value=share, compared=share)
def test_any_name_can_be_drawn(name: str, beside: str, value: float, compared: float) -> None:
    drawing = share_bars([Share(name, value, compared, "1 %", "c0", beside)], "answer", "corpus", name)
    assert ET.fromstring(drawing).tag == f"{SVG}svg"
    ET.fromstring(stand_alone(drawing))


@given(name=text, difference=st.floats(-1, 1), half=share)
def test_a_difference_that_its_interval_tells_from_none_is_filled(name: str, difference: float, half: float) -> None:
    row = Difference(name, difference, difference - half, difference + half)
    drawing = ET.fromstring(forest([row], "bits", "label"))
    (mark,) = drawing.iter(f"{SVG}circle")
    assert ("open" in mark.attrib["class"]) == (row.low <= 0 <= row.high)


def test_hostile_text_is_text() -> None:
    hostile = "</text><script>alert(1)</script>"
    drawing = Drawing(20)
    drawing.text(0, 10, hostile, room=100)
    drawing.box(0, 0, 5, 5, "f-c0", hostile)
    found = ET.fromstring(drawing.render(hostile))
    assert not list(found.iter(f"{SVG}script")) and found.attrib["aria-label"] == hostile
    assert [title.text for title in found.iter(f"{SVG}title")] == [hostile, hostile]  # whole, though cut on the picture


def test_a_long_path_is_drawn_to_its_end() -> None:
    drawing = ET.fromstring(curves([[float(8 - step / 50) for step in range(300)]], "step", "loss"))
    (path,) = drawing.iter(f"{SVG}path")
    points = [tuple(map(float, point.split())) for point in path.attrib["d"][1:].split("L")]
    assert len(points) > 100 and points == sorted(points)


def test_shares_of_a_mixture_fill_its_bar_and_what_has_no_colour_is_one_piece() -> None:
    weights = [1 / 12] * 12
    drawing = ET.fromstring(stacked_shares({"answer": weights}, list(range(12)), [f"d{i}" for i in range(12)]))
    widths = [float(box.attrib["width"]) for box in drawing.iter(f"{SVG}rect")]
    assert len(widths) == 9 and abs(sum(widths) - 440) < 1


def test_what_is_not_finite_is_left_out() -> None:
    drawing = ET.fromstring(best_so_far([3.0, float("nan"), 2.5], [1, 1, 2]))
    assert (
        len([one for one in drawing.iter(f"{SVG}circle") if one.attrib["r"] == "4"]) == 2 + 2
    )  # and two of the legend


def test_axes_name_what_they_show() -> None:
    assert "measured" in texts(agreement([1.0, 2.0], [1.1, 2.1], [1, 1], "measured", "predicted"))
    assert "0.020" in texts(gain_columns(["iteration 2"], ["6 proxies"], [0.02], 0.005, None))
    assert "iteration 1" in texts(mixture_columns([[0.5, 0.5]] * 3, [1, 1, 1], [0, 1], "label", ["one", "two"]))


@given(text, st.floats(0, 400))
def test_shortened_text_fits(words: str, room: float) -> None:
    cut = shorten(words, room)
    assert cut == words or (cut.endswith("…") and words.startswith(cut[:-1].rstrip()))

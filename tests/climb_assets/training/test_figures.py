from climb_assets.training.figures import loss_curves


def test_curves_of_any_length_make_a_small_png() -> None:
    picture = loss_curves({"a": [3.0, 2.0, 1.0], "b": [3.0], "c": [float("nan"), 2.0]})
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 100_000
    assert picture == loss_curves({"a": [3.0, 2.0, 1.0], "b": [3.0], "c": [float("nan"), 2.0]})

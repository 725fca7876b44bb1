"""Pictures: silent, whatever script their words are in."""

import warnings

import numpy as np

from climb_assets.search.figures import mixture_bars


def test_words_that_no_font_has_are_drawn_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png = mixture_bars(np.full((2, 2), 0.5), [1, 1], ["\ua015 \u0915\u094d", "\U00012000"])
    assert png.startswith(b"\x89PNG")

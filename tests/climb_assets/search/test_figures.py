"""Figures are small PNG files."""

import numpy as np
import pytest

from climb_assets.search.figures import mixture_bars, predicted_vs_measured


@pytest.mark.parametrize("domains", [4, 60])
def test_mixture_bars_are_small_and_repeatable(domains):
    weights = np.random.default_rng(0).dirichlet(np.ones(domains), 112)
    iteration = np.repeat([1, 2, 3], [64, 32, 16])
    names = [f"domain {index}: some terms" for index in range(domains)]
    png = mixture_bars(weights, iteration, names)
    assert png.startswith(b"\x89PNG")
    assert len(png) < 60_000
    assert mixture_bars(weights, iteration, names) == png


def test_predictions_are_drawn_against_measurements():
    measured = np.random.default_rng(0).normal(1, 0.1, 112)
    png = predicted_vs_measured(measured + 0.01, measured, "general")
    assert png.startswith(b"\x89PNG")
    assert len(png) < 60_000
    assert png != predicted_vs_measured(measured - 0.05, measured, "general")

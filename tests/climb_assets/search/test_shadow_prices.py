"""A limit that a mixture sits on tells its price, and no other does."""

import numpy as np
import pytest

from climb_assets import config_search
from climb_assets.search.prediction import Prediction
from climb_assets.search.shadow_prices import shadow_prices
from climb_assets.simplex.limits import Limits, find_limits

NAMES = ("law", "music", "physics", "sports")
PRIOR = np.array([0.4, 0.3, 0.2, 0.1])


def limits_of(budget=1e6, max_epochs=4.0, **own):
    search = config_search.Search(limits=config_search.Limits(**own))
    return find_limits(PRIOR, PRIOR * 1e6, budget, max_epochs, search, NAMES)


def linear(mixtures):
    return Prediction(mixtures @ np.array([1.0, 2.0, 3.0, 0.0]), np.zeros(len(mixtures)))


def test_a_cap_that_is_in_the_way_has_a_negative_price():
    limits = limits_of(budget=4e6, max_epochs=8)  # ceilings .8 .6 .4 .2
    mixture = np.array([0.4, 0.2, 0.2, 0.2])
    (price,) = shadow_prices(mixture, limits, linear, 2e-4)
    assert (price.domain, price.limit, price.weight) == (3, "mixture.max_epochs", 0.2)
    # all but sports make room in proportion: the mean loss of what goes is 1.75
    assert price.price == pytest.approx(-1.75)
    assert price.in_words(NAMES) == (
        "mixture.max_epochs holds sports at 20.00%; one point more of it would change the predicted loss by "
        "-0.0175 bits per byte"
    )


def test_a_floor_has_a_price_too_and_a_free_mixture_has_none():
    limits = limits_of(floor=0.1)
    (price,) = shadow_prices(np.array([0.5, 0.2, 0.1, 0.2]), limits, linear, 2e-4)
    assert (price.domain, price.limit) == (2, "floor")
    assert price.price == pytest.approx(1.0 - 3.0)  # music and law gain 5:2 of 7, sports the rest
    assert shadow_prices(np.array([0.4, 0.3, 0.15, 0.15]), limits, linear, 2e-4) == []


def test_a_ceiling_between_two_steps_of_the_finest_grid_has_its_price():
    limits = Limits(np.zeros(4), np.array([0.12345678, 1, 1, 1]))
    mixture = limits.round(np.array([[0.5, 0.3, 0.1, 0.1]]), 0.0)[0]
    assert mixture[0] == 0.123456
    assert [price.domain for price in shadow_prices(mixture, limits, linear, 0.0)] == [0]


def test_nothing_has_a_price_that_sits_on_no_limit():
    limits = Limits(np.zeros(4), np.full(4, 0.5))
    assert shadow_prices(np.array([0.4, 0.3, 0.15, 0.15]), limits, linear, 2e-4) == []


def test_a_cap_that_others_leave_no_room_to_relax_has_no_price():
    limits = Limits(np.array([0.5, 0.2, 0.2, 0.0]), np.array([1, 1, 1, 0.1]))
    assert all(price.limit == "floor" for price in shadow_prices(np.array([0.5, 0.2, 0.2, 0.1]), limits, linear, 2e-4))

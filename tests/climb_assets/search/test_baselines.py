"""The baselines are mixtures."""

from climb_assets.search.baselines import token_proportional, uniform
from climb_assets.search.simplex import check_simplex


def test_uniform_gives_every_domain_the_same():
    assert uniform(4).tolist() == [0.25] * 4


def test_proportional_follows_the_tokens():
    weights = token_proportional([10, 30, 60])
    assert check_simplex(weights, 3).tolist() == [0.1, 0.3, 0.6]

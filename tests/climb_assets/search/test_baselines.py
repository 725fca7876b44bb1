"""The baselines are mixtures."""

from climb_assets.search.baselines import read_baselines, token_proportional, uniform, write_baselines
from climb_assets.search.simplex import check_simplex


def test_uniform_gives_every_domain_the_same():
    assert uniform(4).tolist() == [0.25] * 4


def test_proportional_follows_the_tokens():
    weights = token_proportional([10, 30, 60])
    assert check_simplex(weights, 3).tolist() == [0.1, 0.3, 0.6]


def test_baselines_survive_their_file_whatever_their_order(tmp_path):
    mixtures = {"uniform": uniform(3), "proportional": token_proportional([10, 30, 60])}
    write_baselines(tmp_path / "one.parquet", mixtures)
    write_baselines(tmp_path / "two.parquet", dict(reversed(mixtures.items())))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert read_baselines(tmp_path / "one.parquet") == {name: tuple(weights) for name, weights in mixtures.items()}

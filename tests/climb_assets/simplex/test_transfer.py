"""A mixture over other domains of the same text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.simplex.transfer import Transfer


def random_transfer(seed: int, gone: float = 0.0) -> tuple[Transfer, np.ndarray, np.ndarray, np.ndarray]:
    """Return a transfer that was counted from documents, and these: earlier domain, domain and cell of each.

    Each document holds one token, a cell lies in one of today's domains, and a share of the documents is gone.
    """
    rng = np.random.default_rng(seed)
    earlier, domains, cells = (int(rng.integers(low, high)) for low, high in ((1, 5), (1, 5), (5, 9)))
    of_cell = np.concatenate([np.arange(domains), rng.integers(domains, size=cells - domains)])
    old = np.concatenate([np.arange(earlier), rng.integers(earlier, size=200)])
    cell = np.concatenate([np.arange(cells), rng.integers(cells, size=len(old) - cells)])
    left = rng.random(len(old)) >= gone
    new = of_cell[cell]
    shares, before = np.zeros((earlier, domains)), np.zeros((earlier, cells))
    np.add.at(shares, (old[left], new[left]), 1)
    np.add.at(before, (old[left], cell[left]), 1)
    now = np.zeros((domains, cells))
    np.add.at(now, (new, cell), 1)
    total = np.bincount(old, minlength=earlier)[:, None]
    return Transfer(shares / total, before / total, now / now.sum(axis=1, keepdims=True)), old, new, left


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 1.0]))
def test_what_is_expressed_is_a_mixture_and_its_doubt_a_share(seed, gone):
    transfer = random_transfer(seed, gone)[0]
    mixtures = np.random.default_rng(seed).dirichlet(np.ones(len(transfer.shares)), size=6)
    expressed, doubt = transfer.express(mixtures)
    np.testing.assert_allclose(expressed.sum(axis=1), 1)
    assert (expressed >= 0).all() and (doubt >= 0).all() and (doubt <= 1).all()
    lost = 1 - (mixtures @ transfer.shares).sum(axis=1)
    assert (doubt >= lost - 1e-9).all()  # what is gone is never less doubtful than its share
    if gone == 1:
        np.testing.assert_allclose(doubt, 1)


@given(st.integers(0, 10**6))
def test_the_weight_of_a_domain_is_the_weight_of_its_documents(seed):
    transfer, old, new, _ = random_transfer(seed)
    mixture = np.random.default_rng(seed).dirichlet(np.ones(len(transfer.shares)))
    of_document = mixture[old] / np.bincount(old)[old]
    wanted = np.bincount(new, weights=of_document, minlength=transfer.shares.shape[1])
    np.testing.assert_allclose(transfer.express(mixture[None])[0][0], wanted)


def test_equal_domains_are_expressed_exactly():
    cells = np.array([[0.25, 0.75, 0.0], [0.0, 0.0, 1.0]])
    mixtures = np.array([[0.3, 0.7], [1.0, 0.0]])
    expressed, doubt = Transfer(np.eye(2), cells, cells).express(mixtures)
    np.testing.assert_array_equal(expressed, mixtures)
    np.testing.assert_allclose(doubt, 0, atol=1e-12)


def test_domains_that_were_joined_cannot_say_in_which_proportions_they_were_drawn():
    joined = Transfer(np.ones((2, 1)), np.eye(2), np.array([[0.5, 0.5]]))
    expressed, doubt = joined.express(np.array([[0.5, 0.5], [1.0, 0.0], [0.8, 0.2]]))
    np.testing.assert_array_equal(expressed, 1)
    np.testing.assert_allclose(doubt, [0, 0.5, 0.3])


def test_a_domain_that_was_cut_is_expressed_exactly_in_its_own_proportions():
    cut = Transfer(np.array([[0.25, 0.75]]), np.array([[0.25, 0.75]]), np.eye(2))
    expressed, doubt = cut.express(np.ones((1, 1)))
    np.testing.assert_array_equal(expressed, [[0.25, 0.75]])
    assert doubt == pytest.approx(0)

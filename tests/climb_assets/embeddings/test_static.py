"""The table of a static model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from climb_assets.config_encoder import Encoder as EncoderSettings
from climb_assets.embeddings.encoder_tokenizer import Features
from climb_assets.embeddings.static import distil, project


@pytest.fixture
def table(request: pytest.FixtureRequest) -> np.ndarray:
    """Return what is distilled from an encoder that turns each number into a direction."""
    model: EncoderSettings = request.getfixturevalue("settings")

    def encode(features: Features) -> np.ndarray:
        angles = features["input_ids"][:, 1].astype(np.float32)[:, None] * np.arange(1, 5, dtype=np.float32)
        return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)

    return distil(AutoTokenizer.from_pretrained(model.model), encode, 2)


def test_each_token_has_a_row_and_special_tokens_say_nothing(table: np.ndarray) -> None:
    lengths = np.linalg.norm(table, axis=1)
    assert table.dtype == np.float32
    assert (lengths[:5] == 0).all() and (lengths[5:] > 0).all()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 12))
def test_components_keep_distances_and_come_with_the_widest_first(seed: int, rows: int, columns: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    found = project(vectors)
    before, after = (np.linalg.norm(each[:, None] - each[None], axis=2) for each in (vectors, found))
    np.testing.assert_allclose(after, before, atol=1e-4)
    spreads = found.var(axis=0)
    assert (np.diff(spreads) <= 1e-9).all()

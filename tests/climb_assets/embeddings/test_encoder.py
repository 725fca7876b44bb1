"""The encoder: the same vectors as sentence-transformers gives, however they are batched."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.config import Runtime
from climb_assets.config_encoder import Encoder as EncoderSettings
from climb_assets.embeddings.encoder import Encoder, load_encoder, pack_batches
from climb_assets.errors import ConfigError


def test_vectors_equal_those_of_sentence_transformers(
    encoder: Encoder, settings: EncoderSettings, texts: list[str]
) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(settings.model, device="cpu")
    reference.max_seq_length = settings.max_tokens
    expected = reference.encode(texts, normalize_embeddings=True)
    vectors = encoder.encode(texts).vectors
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors.astype(np.float32), expected, atol=1e-3)


def test_a_default_prompt_is_respected(settings: EncoderSettings, tmp_path: Path, texts: list[str]) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(settings.model, device="cpu", prompts={"passage": "oven boat "})
    reference.default_prompt_name = "passage"
    reference.max_seq_length = settings.max_tokens
    reference.save(str(tmp_path))
    prompted = load_encoder(settings.model_copy(update={"model": str(tmp_path)}), Runtime(device="cpu"))
    expected = reference.encode(texts[:3], normalize_embeddings=True)
    np.testing.assert_allclose(prompted.encode(texts[:3]).vectors.astype(np.float32), expected, atol=1e-3)


def test_the_number_of_threads_changes_nothing(encoder: Encoder, settings: EncoderSettings, texts: list[str]) -> None:
    alone = load_encoder(settings, Runtime(threads=1, device="cpu"))
    assert alone.encode(texts).vectors.tobytes() == encoder.encode(texts).vectors.tobytes()


def test_encoding_leaves_the_callers_threads_alone(encoder: Encoder, texts: list[str]) -> None:
    import torch

    before = torch.get_num_threads()
    encoder.encode(texts)
    assert torch.get_num_threads() == before


def test_tokens_are_counted_up_to_the_limit(encoder: Encoder) -> None:
    encoded = encoder.encode(["river lake", "bread " * 100])
    assert encoded.tokens == 4 + 32  # two special tokens each
    assert encoded.padded_tokens >= encoded.tokens


def test_no_texts_give_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).vectors.shape == (0, 32)


@given(lengths=st.lists(st.integers(1, 64), max_size=60), budget=st.integers(1, 300))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = pack_batches(np.array(lengths, np.int64), budget)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget for batch in batches)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "no/such/folder"}, "climb fetch-encoder"),
        ({"max_tokens": 65}, "takes 64; lower it"),
    ],
)
def test_a_wrong_setting_says_what_to_do(settings: EncoderSettings, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_encoder(settings.model_copy(update=change), Runtime(device="cpu"))


def test_weights_that_are_a_pickle_are_refused(settings: EncoderSettings, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    folder = tmp_path / "pickled"
    shutil.copytree(settings.model, folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="safetensors"):
        load_encoder(settings.model_copy(update={"model": str(folder)}), Runtime(device="cpu"))


def change_weights(settings: EncoderSettings, folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    """Copy the encoder into a folder, change its tensors, and return the folder."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(settings.model, folder)
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return str(folder)


@pytest.mark.parametrize("name", ["encoder.layer.1.output.dense.weight", "embeddings.LayerNorm.bias"])
def test_a_tensor_that_is_missing_is_refused_and_not_filled(
    settings: EncoderSettings, tmp_path: Path, name: str
) -> None:
    folder = change_weights(settings, tmp_path / "model", lambda tensors: tensors.pop(name))
    with pytest.raises(ConfigError, match=f"lack {name} and 0 more"):
        load_encoder(settings.model_copy(update={"model": folder}), Runtime(device="cpu"))


def test_a_layer_that_makes_no_vectors_may_be_missing(
    settings: EncoderSettings, encoder: Encoder, texts: list[str], tmp_path: Path
) -> None:
    def drop_pooler(tensors: dict[str, Any]) -> None:
        for name in [name for name in tensors if "pooler" in name]:
            del tensors[name]

    folder = change_weights(settings, tmp_path / "model", drop_pooler)
    loaded = load_encoder(settings.model_copy(update={"model": folder}), Runtime(threads=2, device="cpu"))
    assert np.array_equal(loaded.encode(texts).vectors, encoder.encode(texts).vectors)


def test_weights_that_are_cut_off_are_one_sentence(settings: EncoderSettings, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(settings.model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"cannot be loaded \(.*\); give") as refused:
        load_encoder(settings.model_copy(update={"model": str(folder)}), Runtime(device="cpu"))
    assert "\n" not in str(refused.value)


def test_code_that_a_model_brings_along_is_not_run(settings: EncoderSettings, tmp_path: Path) -> None:
    folder = tmp_path / "custom"
    shutil.copytree(settings.model, folder)
    modules = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(modules.replace("sentence_transformers", "own_code", 1))
    (folder / "own_code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        load_encoder(settings.model_copy(update={"model": str(folder)}), Runtime(device="cpu"))
    assert not (tmp_path / "ran").exists()

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CohereConfig,
    CohereForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from climb_assets.config_training import Training
from climb_assets.errors import ConfigError
from climb_assets.sizes import SIZES
from climb_assets.training.checkpoint import save_snapshot, snapshot_name
from climb_assets.training.model import build_model, continue_model, count_parameters, load_model, save_model


def test_a_saved_model_is_a_plain_hugging_face_folder(
    make_training: Callable[..., Training], tokenizer: Path, tmp_path: Path
) -> None:
    model = build_model(make_training(), 300, seed=1).eval()
    out = tmp_path / "model"
    save_model(model, tokenizer, out)
    ids = torch.arange(10)[None]
    with torch.inference_mode():
        expected = model(input_ids=ids).logits
        for loaded in (AutoModelForCausalLM.from_pretrained(out), load_model(out)):
            assert torch.equal(loaded(input_ids=ids).logits, expected)
    assert AutoTokenizer.from_pretrained(out).decode(AutoTokenizer.from_pretrained(out).encode("A text")) == "A text"
    assert not [path.name for path in out.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]


def test_saving_twice_gives_the_same_bytes(
    make_training: Callable[..., Training], tokenizer: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        save_model(build_model(make_training(), 300, seed=1), tokenizer, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_weights_are_as_readable_as_any_other_file(
    make_training: Callable[..., Training], tokenizer: Path, tmp_path: Path, umask: int, mode: int
) -> None:
    out = tmp_path / "model"
    before = os.umask(umask)
    try:
        model = build_model(make_training(), 300, seed=1)
        save_model(model, tokenizer, out)
        save_snapshot(model, out, 7)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in out.iterdir()}
    assert {"model.safetensors", snapshot_name(7), "config.json"} <= modes.keys()
    assert set(modes.values()) == {mode}


def test_the_seed_decides_the_weights_and_leaks_no_state(make_training: Callable[..., Training]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (build_model(make_training(), 300, seed).lm_head.weight for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_tied_embeddings_count_once(make_training: Callable[..., Training]) -> None:
    small, large = (count_parameters(build_model(make_training(), vocabulary, 1)) for vocabulary in (300, 301))
    assert large - small == make_training().hidden


SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def start_folder(model: PreTrainedModel, tokenizer: Path, out: Path) -> Path:
    save_model(model, tokenizer, out)
    return out


def from_start(make_training: Callable[..., Training], folder: Path, **changes: int) -> Training:
    return make_training(**dict.fromkeys(("hidden", "layers", "heads", "intermediate")), start=folder, **changes)


@pytest.mark.parametrize(
    "model",
    [
        lambda: GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=64)),
        lambda: Qwen2ForCausalLM(Qwen2Config(vocab_size=300, num_key_value_heads=1, **SMALL)),
    ],
    ids=["GPT-2", "Qwen2 with an untied head"],
)
def test_other_architectures_are_continued(
    make_training: Callable[..., Training], tokenizer: Path, tmp_path: Path, model: Callable[[], PreTrainedModel]
) -> None:
    start = model()
    folder = start_folder(start.to(torch.bfloat16), tokenizer, tmp_path / "start")
    continued = continue_model(from_start(make_training, folder), tokenizer)
    assert {parameter.dtype for parameter in continued.parameters()} == {torch.float32}
    for name, parameter in continued.named_parameters():
        assert torch.equal(parameter, start.get_parameter(name).float())


def test_a_start_that_does_not_fit_is_refused_in_a_sentence(
    make_training: Callable[..., Training], tokenizer: Path, tmp_path: Path
) -> None:
    scaled = CohereForCausalLM(CohereConfig(vocab_size=300, logit_scale=0.5, num_key_value_heads=2, **SMALL))
    cohere = start_folder(scaled, tokenizer, tmp_path / "cohere")
    with pytest.raises(ConfigError, match="a bias, a scale or a cap"):
        continue_model(from_start(make_training, cohere), tokenizer)

    short = GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=8))
    folder = start_folder(short, tokenizer, tmp_path / "short")
    with pytest.raises(ConfigError, match="8 positions"):
        continue_model(from_start(make_training, folder), tokenizer)

    other = json.loads(tokenizer.read_text())
    vocabulary = other["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    (folder / "tokenizer.json").write_text(json.dumps(other))
    with pytest.raises(ConfigError, match=r"another tokenizer; set tokenizer\.path"):
        continue_model(from_start(make_training, folder), tokenizer)

    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="cannot be loaded"):
        continue_model(from_start(make_training, tmp_path / "empty"), tokenizer)


def test_a_start_that_is_not_whole_is_refused_in_a_sentence(
    make_training: Callable[..., Training], tokenizer: Path, tmp_path: Path
) -> None:
    start = Qwen2ForCausalLM(Qwen2Config(vocab_size=300, num_key_value_heads=1, **SMALL))
    folder = start_folder(start, tokenizer, tmp_path / "start")
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    for name in ("model.layers.0.mlp.up_proj.weight", "lm_head.weight"):  # the latter is untied here
        save_file({key: tensor for key, tensor in tensors.items() if key != name}, weights, {"format": "pt"})
        with pytest.raises(ConfigError, match=f"cannot be loaded .its weights lack {name} and 0 more"):
            continue_model(from_start(make_training, folder), tokenizer)
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ConfigError, match="cannot be loaded"):
        continue_model(from_start(make_training, folder), tokenizer)


@pytest.mark.parametrize("name", SIZES)
def test_a_size_has_the_parameters_of_its_name(name: str) -> None:
    width, layers, heads, _ = SIZES[name]
    model = build_model(Training(size=name, tokens=1, learning_rate=1), 1, 1) if SIZES[name].parameters < 3e6 else None
    if model is not None:
        assert count_parameters(model) == SIZES[name].parameters + (2 * layers + 2) * width
    count = SIZES[name].parameters
    named = float(name[:-1]) * {"k": 1e3, "M": 1e6, "B": 1e9}[name[-1]]
    assert count == pytest.approx(named, rel=0.07)
    assert width % heads == 0
    assert (width // heads) % 2 == 0

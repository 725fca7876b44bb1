from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from climb_assets.config import Training
from climb_assets.proxy.model import build_model, count_parameters, load_model, save_model


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

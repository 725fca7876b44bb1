"""The language model: a Llama of any size or a model that is continued, kept as a plain Hugging Face folder.

What belongs here: making, counting, saving and loading models. Training and evaluation have their own rooms.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from climb_assets.config_training import Training
from climb_assets.corpus.frozen_tokenizer import end_token, load_foreign_tokenizer, load_tokenizer
from climb_assets.errors import ConfigError
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import give_usual_mode, write_atomically

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM, PreTrainedModel

PROBE = 8  # token ids on which a start model's head is looked at


def build_model(training: Training, vocabulary: int, seed: int) -> "LlamaForCausalLM":
    """Return a freshly initialised model with tied embeddings; torch's global random state is left as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = training.shape
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=training.sequence,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def continue_model(training: Training, tokenizer: Path) -> "PreTrainedModel":
    """Return the model of `training.start`, in float32, to be trained on.

    Raises
    ------
    ConfigError
        The folder holds no whole causal LM in safetensors, was trained with another tokenizer or for shorter
        sequences, or its logits are more than hidden states times a matrix.
    """
    from safetensors import SafetensorError

    folder = training.start
    assert folder is not None, "a model without a start is built"
    try:
        model = load_model(folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(f"start: {folder} cannot be loaded ({reason}); give a Hugging Face causal LM") from None
    _require_same_tokenizer(folder, tokenizer, model.config.vocab_size)
    if getattr(model.config, "max_position_embeddings", training.sequence) < training.sequence:
        raise ConfigError(f"start: {folder} has {model.config.max_position_embeddings} positions; shorten sequence")
    if not _has_plain_head(model):
        raise ConfigError(
            f"start: {folder} has a bias, a scale or a cap on its logits, which is not supported; "
            "give a model such as Llama, Qwen, OLMo or GPT-2"
        )
    return model


def check_foreign_model(folder: Path, vocabulary: int, sequence: int) -> None:
    """Check that a causal LM that somebody else has trained can be measured as those of climb are.

    Parameters
    ----------
    vocabulary, sequence
        Token ids that it has to know, and the longest sequence that it has to read.

    Raises
    ------
    ConfigError
        It cannot be loaded, knows too few tokens or positions, or its logits are more than hidden states by a matrix.
    """
    from safetensors import SafetensorError

    try:
        model = load_model(folder)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(f"its model cannot be loaded ({reason}); write a Hugging Face causal LM") from None
    known, positions = model.config.vocab_size, getattr(model.config, "max_position_embeddings", sequence)
    if known < vocabulary or positions < sequence:
        raise ConfigError(
            f"its model knows {known} tokens and {positions} positions; it needs {vocabulary} and {sequence}, as "
            "job.json says"
        )
    if not _has_plain_head(model):
        raise ConfigError("its model has a bias, a scale or a cap on its logits, which is not supported; leave it out")


def _has_plain_head(model: "PreTrainedModel") -> bool:
    """Return whether a model's logits are its last hidden states times a matrix."""
    import torch

    ids = torch.arange(PROBE)[None] % model.config.vocab_size
    with torch.inference_mode():
        plain = model.base_model(input_ids=ids).last_hidden_state @ model.get_output_embeddings().weight.T
        return torch.allclose(plain, model(input_ids=ids).logits, rtol=1e-3, atol=1e-4)


def _require_same_tokenizer(folder: Path, tokenizer: Path, vocabulary: int) -> None:
    """Check that the search's tokens mean to the model what they meant when it was trained."""
    ours = load_tokenizer(tokenizer).get_vocab()
    theirs = load_foreign_tokenizer(folder / "tokenizer.json").get_vocab()
    if any(theirs.get(token) != number for token, number in ours.items()) or max(ours.values()) >= vocabulary:
        raise ConfigError(
            f"start: {folder} was trained with another tokenizer; set tokenizer.path to {folder / 'tokenizer.json'}"
        )


def count_parameters(model: "PreTrainedModel") -> int:
    """Return the number of parameters; a tied embedding counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def save_model(model: "PreTrainedModel", tokenizer: Path, out: Path) -> None:
    """Write a folder that plain `transformers` loads, tokenizer included (safetensors, no pickle)."""
    model.save_pretrained(out)
    give_usual_mode(out)
    shutil.copyfile(tokenizer, out / "tokenizer.json")
    frozen = load_tokenizer(tokenizer)
    end = frozen.id_to_token(end_token(frozen))
    described = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end, "bos_token": end}
    write_atomically(out / "tokenizer_config.json", canonical_json(described).encode())


def load_model(folder: Path) -> "PreTrainedModel":
    """Load a saved causal LM on the CPU in float32, from safetensors and nothing else.

    Raises
    ------
    ValueError
        The files do not hold every parameter in its shape; `transformers` would fill the others at random.
    """
    import torch
    from transformers import AutoModelForCausalLM, PreTrainedModel

    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        dtype=torch.float32,
        output_loading_info=True,
    )
    model: PreTrainedModel = loaded[0]
    info = loaded[1]
    absent = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
    if absent:
        raise ValueError(f"its weights lack {absent[0]} and {len(absent) - 1} more")
    return model

"""The language model: a Llama of any size, built from the configuration, kept as a plain Hugging Face folder.

What belongs here: making, counting, saving and loading models. Training and evaluation have their own rooms.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from climb_assets.artifacts import canonical_json, write_atomically
from climb_assets.config import Training
from climb_assets.corpus.frozen_tokenizer import end_token, load_tokenizer

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


def build_model(training: Training, vocabulary: int, seed: int) -> "LlamaForCausalLM":
    """Return a freshly initialised model with tied embeddings; torch's global random state is left as it was."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=training.hidden,
        num_hidden_layers=training.layers,
        num_attention_heads=training.heads,
        num_key_value_heads=training.heads,
        intermediate_size=training.intermediate,
        max_position_embeddings=training.sequence,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def count_parameters(model: "LlamaForCausalLM") -> int:
    """Return the number of parameters; the tied embedding counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def save_model(model: "LlamaForCausalLM", tokenizer: Path, out: Path) -> None:
    """Write a folder that plain `transformers` loads, tokenizer included (safetensors, no pickle)."""
    model.save_pretrained(out)
    shutil.copyfile(tokenizer, out / "tokenizer.json")
    frozen = load_tokenizer(tokenizer)
    end = frozen.id_to_token(end_token(frozen))
    described = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end, "bos_token": end}
    write_atomically(out / "tokenizer_config.json", canonical_json(described).encode())


def load_model(folder: Path) -> "LlamaForCausalLM":
    """Load a saved model on the CPU, from safetensors and nothing else."""
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(folder, use_safetensors=True, local_files_only=True)

"""Model folders as plans see them: whole and of the right kind, though nobody could compute with them."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models


def write_model_folder(folder: Path, *, vocabulary: tuple[str, ...] = ("<|endoftext|>", "a", "b")) -> Path:
    """Write configuration, weights and tokenizer of a causal LM of 64 positions, and return the folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 64}))
    save_file({"weight": np.zeros((4, 4), np.float32)}, folder / "model.safetensors")
    numbers = {token: number for number, token in enumerate(vocabulary)}
    Tokenizer(models.WordLevel(numbers, unk_token=vocabulary[0])).save(str(folder / "tokenizer.json"))
    return folder

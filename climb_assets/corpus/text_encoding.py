"""Texts to token ids, many at a time: by `tokenizers` or, where it is installed and knows the tokenizer, by gigatoken.

What belongs here: which of the two does it, and that they agree. gigatoken gives the ids that `tokenizers` gives and is
an order of magnitude quicker at byte-level BPE (docs/results.md), so nothing that depends on tokens depends on which it
was: both encode some of the texts, and a difference is an error rather than another corpus.
"""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from climb_assets.corpus.frozen_tokenizer import load_tokenizer
from climb_assets.environment import is_installed
from climb_assets.errors import ComputeError

PLAIN_SPLITS = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
PLAIN_MODEL = {"type": "BPE", "dropout": None, "byte_fallback": False, "ignore_merges": False}
CHECKED = 64  # one text in so many is encoded by both

Encode = Callable[[list[str]], Sequence[Sequence[int]]]  # texts to the ids of each, without special tokens


@dataclass(frozen=True)
class CheckedEncoder:
    """Encodes texts by a quick encoder and, the first of each `CHECKED`, by an exact one too.

    Raises
    ------
    ComputeError
        The two differ.
    """

    quick: Encode
    exact: Encode

    def __call__(self, texts: list[str]) -> Sequence[Sequence[int]]:
        """Return the ids of each text."""
        found = self.quick(texts)
        for ids, expected in zip(found[::CHECKED], self.exact(texts[::CHECKED]), strict=True):
            if list(ids) != list(expected):
                raise ComputeError(
                    "gigatoken and tokenizers encode a text differently; `pip uninstall gigatoken`, run again, and "
                    "please report this"
                )
        return found


def load_text_encoder(path: Path) -> Encode:
    """Return what encodes texts by a `tokenizers` file, as `load_tokenizer` has it.

    Raises
    ------
    ConfigError
        The file is absent or no tokenizer.
    """
    tokenizer = load_tokenizer(path)

    def exact(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    if not (is_installed("gigatoken") and is_plain(tokenizer)):
        return exact
    return CheckedEncoder(load_quick(tokenizer), exact)


@functools.lru_cache(maxsize=1)
def load_text_encoder_once(path: Path) -> Encode:
    """Return the encoder of an artefact's tokenizer, loaded once for all shards that a process encodes.

    gigatoken keeps some 5 MB of each of its encoders for good.
    """
    return load_text_encoder(path)


def is_plain(tokenizer: Tokenizer) -> bool:
    """Return whether it is byte-level BPE and nothing more: no normaliser, and no tokens beside it but special ones."""
    parts = json.loads(tokenizer.to_str())
    byte_level = PLAIN_SPLITS.items() <= (parts["pre_tokenizer"] or {}).items()
    bpe = all(parts["model"].get(name) == value for name, value in PLAIN_MODEL.items())
    others = [token for token in parts["added_tokens"] if not token["special"]]
    return byte_level and bpe and parts["normalizer"] is None and not others


def load_quick(tokenizer: Tokenizer) -> Encode:
    """Return gigatoken's encoder of a tokenizer, to which the names of special tokens are text like any other."""
    import gigatoken

    parts = json.loads(tokenizer.to_str()) | {"added_tokens": [], "post_processor": None}
    encode: Encode = gigatoken.Tokenizer(Tokenizer.from_str(json.dumps(parts))).encode_batch_list
    return encode

"""Texts to numbered tokens, and tokens to the arrays that a model takes.

What belongs here: which tokens of a text count, and how texts of unequal length fill one array. What becomes of the
arrays belongs to the models beside.

A document is far longer than what of it is embedded, so only its beginning is tokenised; the result is the same.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Encoding
    from transformers import PreTrainedTokenizerFast

CHARACTERS_PER_TOKEN = 10  # that are tokenised at first; English has four to five

ATTRIBUTES = {"input_ids": "ids", "token_type_ids": "type_ids", "attention_mask": "attention_mask"}  # of an encoding

Features = dict[str, NDArray[np.int64]]


class EncoderTokenizer:
    """The tokenizer of a sentence-transformers model, without what its own call around it costs.

    Parameters
    ----------
    tokenizer
        The model's. It is copied, since a tokenizer keeps where it was last told to cut.
    max_tokens
        Tokens of a text that count, special tokens included.
    prompt
        Put before every text.
    """

    def __init__(self, tokenizer: "PreTrainedTokenizerFast", max_tokens: int, prompt: str = "") -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens, direction=tokenizer.truncation_side)
        self._from_start = tokenizer.truncation_side == "right"
        self._max_tokens, self._prompt = max_tokens, prompt
        self._left = tokenizer.padding_side == "left"
        self._fill = {
            "input_ids": int(tokenizer.pad_token_id or 0),
            "token_type_ids": int(tokenizer.pad_token_type_id),
            "attention_mask": 0,
        }
        self.names = tuple(name for name in tokenizer.model_input_names if name in ATTRIBUTES)

    def tokenise(self, texts: Sequence[str]) -> list["Encoding"]:
        """Return the tokens of each text that count, ``max_tokens`` at most.

        Whole words from a text's beginning give the tokens that it begins with, since no token reaches over a space
        between words; a text that has too few of them there is tokenised to its end.
        """
        prompted = [self._prompt + text for text in texts]
        limit = CHARACTERS_PER_TOKEN * self._max_tokens
        begun = [cut_words(text, limit) if self._from_start else text for text in prompted]
        encodings = self._tokenizer.encode_batch_fast(begun)
        short = [
            place
            for place, (encoding, part, text) in enumerate(zip(encodings, begun, prompted, strict=True))
            if len(part) < len(text) and len(encoding) < self._max_tokens
        ]
        for place, encoding in zip(short, self._tokenizer.encode_batch_fast([prompted[i] for i in short]), strict=True):
            encodings[place] = encoding
        return list(encodings)

    def pad(self, encodings: Sequence["Encoding"]) -> Features:
        """Return the arrays (texts, tokens of the longest) that the model takes, by name."""
        width = max(len(encoding) for encoding in encodings)
        features = {name: np.full((len(encodings), width), self._fill[name], np.int64) for name in self.names}
        for row, encoding in enumerate(encodings):
            columns = slice(width - len(encoding), width) if self._left else slice(0, len(encoding))
            for name, array in features.items():
                array[row, columns] = getattr(encoding, ATTRIBUTES[name])
        return features


def cut_words(text: str, characters: int) -> str:
    """Return the words that a text begins with, of at most so many characters; all of it where that is one word."""
    if len(text) <= characters:
        return text
    words = text[:characters].rsplit(None, 1)
    return words[0] if len(words) == 2 else text

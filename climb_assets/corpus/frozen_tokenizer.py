"""The frozen tokenizer, as documents, tasks and models use it.

What belongs here: loading a `tokenizers` file. Making one is `tokenizer`; apart, so that a change there retrains no
model.
"""

from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from climb_assets.errors import ComputeError, ConfigError
from climb_assets.executor.executor import UnitError
from climb_assets.executor.trial import try_in_child
from climb_assets.executor.worker import WorkerDied

END = "<|endoftext|>"
PROBE = "Is it a tokenizer? 日本語 1 2 3\n"
KNOWN_ENDS = (END, "<|end_of_text|>", "</s>", "<eos>")  # GPT-2 and NeoX, Llama 3, Llama 2 and T5, Gemma


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a `tokenizers` file so that text is only text: no truncation, no padding, and a special token's name
    inside a document is encoded as the ordinary characters that it is.

    Raises
    ------
    ConfigError
        The file is absent or no tokenizer.
    """
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ConfigError(f"{path} is no tokenizers file ({error}); give a tokenizer.json") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    return tokenizer


@dataclass(frozen=True)
class LoadTokenizer:
    """Load a tokenizer and use it once, so that a file which the library cannot bear shows itself."""

    path: Path

    @property
    def name(self) -> str:
        """What people read of it."""
        return str(self.path)

    def run(self) -> None:
        """Load it and encode a text."""
        load_tokenizer(self.path).encode(PROBE)


def load_foreign_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizers file that a user names: first in a child, since a broken one may end the process.

    Raises
    ------
    ConfigError
        The file is absent or no tokenizer.
    """
    try:
        try_in_child(LoadTokenizer(path), path)
    except (WorkerDied, UnitError):
        raise ConfigError(
            f"{path} is no tokenizers file: the process that loads it ends; give a tokenizer.json"
        ) from None
    return load_tokenizer(path)


def end_token(tokenizer: Tokenizer) -> int:
    """Return the id of the token that ends a document.

    Raises
    ------
    ComputeError
        The tokenizer has none; `import_tokenizer` would have added one.
    """
    for token in KNOWN_ENDS:
        number = tokenizer.token_to_id(token)
        if number is not None:
            return int(number)
    raise ComputeError(f"the tokenizer has none of the end tokens {', '.join(KNOWN_ENDS)}; import it again")

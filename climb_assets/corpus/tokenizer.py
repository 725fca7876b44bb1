"""The tokenizer: trained once on the corpus or taken from outside, then frozen with the search.

What belongs here: making a `tokenizers` file. Loading it is `frozen_tokenizer`, using it on documents `tokens`.
A frozen tokenizer keeps losses comparable: weights do not transfer across tokenizers (DoReMi issue #18).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from climb_assets import config
from climb_assets.corpus.documents import make_document
from climb_assets.corpus.frozen_tokenizer import END, KNOWN_ENDS, load_foreign_tokenizer
from climb_assets.corpus.raw_files import list_files
from climb_assets.corpus.readers import read_records
from climb_assets.corpus.records import Record
from climb_assets.errors import ConfigError, CorpusError
from climb_assets.store.files import write_atomically


def train_tokenizer(
    raw: Path, shards: Sequence[str], settings: config.Tokenizer, corpus: config.Corpus, out: Path
) -> dict[str, Any]:
    """Train a byte-level BPE on train documents and write ``tokenizer.json`` into `out`.

    `settings.training_bytes` is divided evenly among the shards, and a shard's part among its files, each read
    from its beginning; so no large file decides the vocabulary, and the same files give the same tokenizer.

    Returns
    -------
    vocabulary (entries), documents and bytes it was trained on.

    Raises
    ------
    CorpusError
        The shards hold no train document.
    """
    facts = {"documents": 0, "bytes": 0}

    def texts() -> Iterator[str]:
        for text in _train_texts(raw, shards, settings.training_bytes, corpus):
            facts["documents"] += 1
            facts["bytes"] += len(text.encode())
            yield text

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    if not facts["documents"]:
        raise CorpusError("no train document to train the tokenizer on; add raw files or lower corpus.min_characters")
    return {"vocabulary": _save(tokenizer, out), **facts}


def _train_texts(raw: Path, shards: Sequence[str], budget: int, corpus: config.Corpus) -> Iterator[str]:
    """Yield train texts, cut off where a file's even part of the budget ends."""
    for shard in sorted(shards):
        files = list_files(raw / shard)
        for path in files:
            left = budget // (len(shards) * len(files))
            for item in read_records(path, corpus):
                if left <= 0:
                    break
                if not isinstance(item, Record):
                    continue
                document = make_document(item, path.relative_to(raw).as_posix(), corpus)
                if document.split == "train" and len(document.text) >= corpus.min_characters:
                    left -= document.bytes
                    yield document.text


def import_tokenizer(settings: config.Tokenizer, out: Path) -> dict[str, Any]:
    """Write the tokenizer of `settings.path` or `settings.name` as ``tokenizer.json`` into `out`.

    Its own end token is kept (see `end_token`); one that has none gets ``<|endoftext|>``.

    Returns
    -------
    vocabulary (entries).

    Raises
    ------
    ConfigError
        Neither is given, or what is given is no tokenizer.
    """
    if settings.path is not None:
        tokenizer = load_foreign_tokenizer(settings.path)
    elif settings.name is None:
        raise ConfigError("tokenizer.path and tokenizer.name are both empty; give one, or train a tokenizer")
    else:
        try:
            tokenizer = Tokenizer.from_pretrained(settings.name)
        except Exception as error:  # the library raises nothing narrower
            message = f"tokenizer.name {settings.name!r} cannot be fetched ({error}); give tokenizer.path"
            raise ConfigError(message) from None
    end = next((token for token in KNOWN_ENDS if tokenizer.token_to_id(token) is not None), END)
    tokenizer.add_special_tokens([AddedToken(end, special=True, normalized=False)])
    return {"vocabulary": _save(tokenizer, out)}


def _save(tokenizer: Tokenizer, out: Path) -> int:
    write_atomically(out / "tokenizer.json", tokenizer.to_str(pretty=True).encode())
    return int(tokenizer.get_vocab_size(with_added_tokens=True))

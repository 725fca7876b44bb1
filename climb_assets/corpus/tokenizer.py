"""The tokenizer: trained once on the corpus or taken from outside, then frozen with the search.

What belongs here: making a `tokenizers` file. Loading it is `frozen_tokenizer`, using it on documents `tokens`.
A frozen tokenizer keeps losses comparable: weights do not transfer across tokenizers (DoReMi issue #18).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from climb_assets import config
from climb_assets.corpus.documents import make_document
from climb_assets.corpus.frozen_tokenizer import END, KNOWN_ENDS, load_foreign_tokenizer
from climb_assets.corpus.outside_files import read_vocabulary
from climb_assets.corpus.quarantine import explain_nothing_left
from climb_assets.corpus.raw_place import Localise, RawPlace
from climb_assets.corpus.readers import read_records
from climb_assets.corpus.records import Record
from climb_assets.errors import ConfigError, CorpusError, TransientError
from climb_assets.store.files import write_atomically

LEAST_BYTES = 4096  # a text is not cut shorter than this, but where the budget ends


def train_tokenizer(
    raw: RawPlace, shards: Sequence[str], settings: config.Tokenizer, corpus: config.Corpus, out: Path
) -> dict[str, Any]:
    """Train a byte-level BPE on train documents and write ``tokenizer.json`` into `out`.

    `settings.training_bytes` bounds all texts together. It is divided evenly among the shards, and a shard's part among
    its files, each read from its beginning; what one does not need the next ones have, and where a file's part is less
    than `LEAST_BYTES`, some files are left out. So no large file decides the vocabulary, and the same files give the
    same tokenizer.

    Returns
    -------
    vocabulary (entries), documents and bytes it was trained on.

    Raises
    ------
    CorpusError
        The shards hold no train document.
    TransientError
        A file cannot be read.
    """
    facts = {"documents": 0, "bytes": 0}
    unused = Unused()

    def texts() -> Iterator[str]:
        for text in _train_texts(raw, shards, settings.training_bytes, corpus, unused):
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
        raise CorpusError(
            f"no train document to train the tokenizer on; {explain_nothing_left(unused.reasons, unused.details)}"
        )
    return {"vocabulary": _save(tokenizer, out), **facts}


@dataclass
class Unused:
    """What was read and taught nothing: how many records by reason, and the first detail of each."""

    reasons: Counter[str] = field(default_factory=Counter)
    details: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, detail: str) -> None:
        """Count one record."""
        self.reasons[reason] += 1
        self.details.setdefault(reason, detail)


def _train_texts(
    raw: RawPlace, shards: Sequence[str], budget: int, corpus: config.Corpus, unused: Unused
) -> Iterator[str]:
    """Yield train texts of `budget` bytes at most, a shard after the other."""
    given = 0
    for number, shard in enumerate(sorted(shards), start=1):
        files = raw.files(shard)
        begun, part = given, budget * number // len(shards) - given
        for place, (name, localise) in enumerate(files.items(), start=1):
            allowed = begun + part * place // len(files)
            for text in _texts_of(name, localise, raw, corpus, unused) if given < allowed else ():
                most = min(max(allowed - given, LEAST_BYTES), begun + part - given)
                cut = text.encode()[:most].decode(errors="ignore")
                given += len(cut.encode())
                yield cut
                if given >= allowed or len(cut) < len(text):
                    break


def _texts_of(name: str, localise: Localise, raw: RawPlace, corpus: config.Corpus, unused: Unused) -> Iterator[str]:
    """Yield the texts of a file that `ingest` would keep in train."""
    try:
        with localise(None) as path:
            for item in read_records(path, corpus, PurePosixPath(name).name):
                if not isinstance(item, Record):
                    unused.add(item.reason, item.detail)
                    continue
                document = make_document(item, name, corpus)
                if len(document.text) < corpus.min_characters:
                    unused.add("filtered_short", f"shorter than {corpus.min_characters} characters")
                elif document.split == "train":
                    yield document.text
                else:
                    unused.add("held_out", "kept for evaluation")
    except OSError as error:
        failed = f"reading {raw.where(name)} failed ({error.strerror}); check the disk and run again"
        raise TransientError(failed) from None


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


def check_tokenizer_file(settings: config.Config) -> None:
    """Check the file of `tokenizer.path`, where one is named, without loading it.

    Raises
    ------
    ConfigError
        As of `read_vocabulary`.
    """
    if settings.tokenizer.path is not None:
        read_vocabulary(settings.tokenizer.path, "tokenizer.path")


def _save(tokenizer: Tokenizer, out: Path) -> int:
    write_atomically(out / "tokenizer.json", tokenizer.to_str(pretty=True).encode())
    return int(tokenizer.get_vocab_size(with_added_tokens=True))

"""A tiny corpus of token files and a tokenizer for the tests of this folder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.config_training import Training
from climb_assets.tables import write_rows, write_table
from climb_assets.training.token_index import EVALUATION_SCHEMA, TrainingIndex, load_training_index

END = 0
DOCUMENT = 40  # tokens of every document, its end mark included


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Train as a worker does: with one thread, bit for bit the same each time."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def make_training() -> Callable[..., Training]:
    """Return a maker of training sections for a model that is built and trained in well under a second."""
    values = {
        "hidden": 16, "layers": 2, "heads": 2, "intermediate": 32, "sequence": 16, "batch": 4, "tokens": 2560,
        "learning_rate": 1e-2,
    }  # fmt: skip
    return lambda **changes: Training(**(values | changes))


@pytest.fixture
def index_folder(tmp_path: Path) -> tuple[Path, dict[str, Path]]:
    """Three domains of 30, 6 and 1 documents in two shards; a domain's tokens count upwards in its own range."""
    folder = tmp_path / "training_tokens"
    folder.mkdir()
    random = np.random.default_rng(0)
    spans, shards, evaluation = [], {}, []
    for ordinal, shard in enumerate(("a", "b")):
        stream: list[int] = []
        for domain, documents in enumerate((15, 3, 1 - ordinal)):
            for number in range(documents + 1):  # the last one is held out
                start, first = len(stream), int(random.integers(60))
                stream += [1 + 90 * domain + (first + step) % 90 for step in range(DOCUMENT - 1)] + [END]
                if number < documents:
                    spans.append([domain, ordinal, start, DOCUMENT])
                else:
                    evaluation.append(
                        {
                            "split": "search_eval", "source": f"source{domain}", "shard": shard,
                            "id": f"{shard}{domain}", "start": start, "length": DOCUMENT, "bytes": 100,
                        }
                    )  # fmt: skip
        shards[shard] = tmp_path / f"{shard}.npy"
        np.save(shards[shard], np.array(stream, dtype=np.uint16))
    np.save(folder / "spans.npy", np.array(sorted(spans), dtype=np.int64))
    (folder / "shards.json").write_text(json.dumps([{"shard": shard, "tokens_version": "1"} for shard in shards]))
    write_rows(folder / "evaluation.parquet", evaluation, EVALUATION_SCHEMA)
    write_table(folder / "supply.parquet", pa.table({"name": ["letters", "numbers", "signs"]}))
    return folder, shards


@pytest.fixture
def index(index_folder: tuple[Path, dict[str, Path]]) -> TrainingIndex:
    return load_training_index(*index_folder)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """A byte-level tokenizer: the end mark, then one token for each byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": END} | {letter: number for number, letter in enumerate(letters, 1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"

"""The tiny encoder, loaded, and texts for it."""

from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pytest

from climb_assets.config import Runtime
from climb_assets.config_encoder import Encoder as EncoderSettings
from climb_assets.embeddings.encoder import Encoder, load_encoder
from climb_assets.tables import write_table

WORDS = ["river", "lake", "water", "fish", "boat", "number", "proof", "theorem", "set", "bread", "flour", "oven"]


@pytest.fixture(scope="session")
def settings(encoder_folder: Path) -> EncoderSettings:
    """Small batches, so that a handful of texts makes several."""
    return EncoderSettings(model=str(encoder_folder), max_tokens=32, batch_tokens=128, precision="float32")


@pytest.fixture(scope="session")
def encoder(settings: EncoderSettings) -> Encoder:
    """The tiny encoder on two threads."""
    return load_encoder(settings, Runtime(threads=2, device="cpu"))


@pytest.fixture(scope="session")
def texts() -> list[str]:
    """Texts of very different lengths, some beyond the limit, not sorted."""
    return [" ".join(WORDS[(7 * i + j * j) % 12] for j in range(1 + (i * 37) % 60)) for i in range(50)]


@pytest.fixture
def documents(tmp_path: Path, texts: list[str]) -> Path:
    """The texts as a shard's documents, in two row groups that no part size divides."""
    path = tmp_path / "documents.parquet"
    table = pa.table({"id": [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts], "text": texts})
    write_table(path, iter([*table[:23].to_batches(), *table[23:].to_batches()]), table.schema)
    return path

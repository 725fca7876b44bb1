"""Documents in, token ids out: one flat array a shard, and where each document lies in it.

What belongs here: the layout on disk. Texts become ids by `text_encoding`; the tokenizer itself is `tokenizer`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from climb_assets.corpus.frozen_tokenizer import end_token, load_tokenizer
from climb_assets.corpus.text_encoding import load_text_encoder_once
from climb_assets.store.files import open_array, write_array_header
from climb_assets.tables import iterate_texts, write_table

TOKENS = pa.schema([("id", pa.string()), ("start", pa.int64()), ("tokens", pa.int64())])


def tokenize_shard(documents: Path, tokenizer: Path, out: Path, part_documents: int) -> dict[str, int]:
    """Encode ``documents.parquet`` and write ``tokens.npy`` and ``documents.parquet`` into `out`.

    Documents keep their order; each ends with the end token, which counts. Memory holds one part.

    Returns
    -------
    tokens, documents, bytes (of the texts).
    """
    frozen, encode = load_tokenizer(tokenizer), load_text_encoder_once(tokenizer)
    facts = {"tokens": 0, "documents": 0, "bytes": 0}
    dtype, end = token_dtype(frozen), end_token(frozen)
    with open_array(out / "tokens.npy", dtype, (0,)) as stream:

        def spans() -> Iterator[pa.RecordBatch]:
            for batch in iterate_texts(documents, part_documents, ["id", "text", "bytes"]):
                encoded = [np.array([*ids, end], dtype) for ids in encode(batch.column("text").to_pylist())]
                lengths = np.array([len(ids) for ids in encoded], dtype=np.int64)
                starts = facts["tokens"] + np.cumsum(lengths) - lengths
                stream.write(np.concatenate(encoded).tobytes())
                facts["tokens"] += int(lengths.sum())
                facts["documents"] += batch.num_rows
                facts["bytes"] += sum(batch.column("bytes").to_pylist())
                columns = [batch.column("id"), pa.array(starts), pa.array(lengths)]
                yield pa.RecordBatch.from_arrays(columns, schema=TOKENS)

        write_table(out / "documents.parquet", spans(), TOKENS)
        stream.seek(0)
        write_array_header(stream, dtype, (facts["tokens"],))
    return facts


def token_dtype(tokenizer: Tokenizer) -> np.dtype[Any]:
    """Return the little-endian type that holds the tokenizer's largest id: uint16, else uint32."""
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    return np.dtype("<u2") if largest < 2**16 else np.dtype("<u4")

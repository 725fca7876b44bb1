"""A static model distilled from an encoder, without any text: what each token of its vocabulary means by itself.

What belongs here: the table of vectors, made as Model2Vec does (docs/sources.md). Looking texts up in it belongs to
`models`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from climb_assets.embeddings.encoder_tokenizer import Features

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DIMENSIONS = 256  # as Model2Vec's own models have
COMMON = 1e-4  # how common a token must be for half its weight (smooth inverse frequency)
BATCH = 512  # tokens that are encoded at once


def distil(
    tokenizer: "PreTrainedTokenizerFast", encode: Callable[[Features], NDArray[np.float32]], threads: int
) -> NDArray[np.float32]:
    """Return a vector for each token of a vocabulary.

    Each token is encoded as a text of its own; the vectors are turned to their principal components, and those of
    common tokens shortened. How common a token is comes from its number, since vocabularies are sorted by frequency,
    and Zipf's law.

    Parameters
    ----------
    encode
        The encoder: unit vectors (texts, dimension) of the arrays that it takes.
    threads
        Batches that are encoded at once.

    Returns
    -------
    float32 (tokens, dimensions); special tokens have vectors of zeros.
    """
    whole, bare = (tokenizer.encode("a", add_special_tokens=special) for special in (True, False))
    place = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)

    def encode_tokens(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        ids = np.tile(np.array([*whole[:place], 0, *whole[place + len(bare) :]], np.int64), (len(numbers), 1))
        ids[:, place] = numbers
        return encode({"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})

    count = len(tokenizer)
    with ThreadPoolExecutor(threads) as pool:
        vectors = np.concatenate(list(pool.map(encode_tokens, np.split(np.arange(count), range(BATCH, count, BATCH)))))
    shares = 1 / np.arange(2, count + 2)
    weights = COMMON / (COMMON + shares / shares.sum())
    weights[tokenizer.all_special_ids] = 0
    table: NDArray[np.float32] = (project(vectors) * weights[:, None]).astype(np.float32)
    return table


def project(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the principal components of vectors (n, dimension), `DIMENSIONS` of them at most."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # an axis has two directions
    components: NDArray[np.float64] = centred @ axes[:, ::-1][:, :DIMENSIONS]
    return components

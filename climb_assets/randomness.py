"""Named random streams: every draw comes from (seed, purpose, key), so equal work is equal wherever it stands."""

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """Return the generator of one purpose; the same arguments give the same stream on every machine."""
    text = "\x1f".join([str(seed), purpose, *map(str, key)])
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")))


def derived_seed(seed: int, purpose: str, *key: str | int) -> int:
    """Return a 31-bit seed for libraries that take a number (torch, LightGBM, FAISS)."""
    return int(generator(seed, purpose, *key).integers(2**31))

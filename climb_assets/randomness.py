"""Named random streams: every draw comes from (seed, purpose, key), so equal work is equal wherever it stands."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, purpose: str, *key: str | int) -> np.random.Generator:
    """Return the generator of one purpose; the same arguments give the same stream on every machine."""
    text = "\x1f".join([str(seed), purpose, *map(str, key)])
    return np.random.Generator(np.random.PCG64(int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")))


def derived_seed(seed: int, purpose: str, *key: str | int) -> int:
    """Return a 31-bit seed for libraries that take a number (torch, LightGBM, FAISS)."""
    return int(generator(seed, purpose, *key).integers(2**31))


def scramble(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64-bit numbers that look random, one to one (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))

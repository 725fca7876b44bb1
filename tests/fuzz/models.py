"""Tokenizers and classifiers of others, damaged: loaded in a child that may die, or refused in one sentence."""

import functools
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from numpy.random import Generator

from climb_assets.clusters.quality import load_scorer
from climb_assets.config import Quality
from climb_assets.corpus.frozen_tokenizer import PROBE, load_foreign_tokenizer
from tests.fuzz.hostile import chance, damage
from tests.fuzz.tasks import byte_level_tokenizer


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Load a damaged tokenizer, or a damaged classifier, and use it once."""
    if chance(random, 0.5) or find_spec("fasttext") is None:
        path = folder / "tokenizer.json"
        path.write_bytes(damage(random, byte_level_tokenizer()))
        load_foreign_tokenizer(path).encode(PROBE)
    else:
        path = folder / "quality.bin"
        path.write_bytes(damage(random, _classifier()))
        load_scorer(Quality(scorer="fasttext", models={"quality": path})).score(["a text", ""])
    return Counter(accepted=1)


@functools.cache
def _classifier() -> bytes:
    """Return a fastText model of two labels."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        examples, model = Path(folder, "examples.txt"), Path(folder, "model.bin")
        examples.write_text("\n".join(["__label__0 buy buy", "__label__5 a proof of a theorem"] * 40), encoding="utf-8")
        # Ten threads of eleven fill a tenth of the weights each; a rate of 0 leaves them as they were filled.
        options = {"dim": 10, "epoch": 1, "thread": 11, "lr": 0.0, "verbose": 0}
        fasttext.train_supervised(str(examples), **options).save_model(str(model))
        return model.read_bytes()

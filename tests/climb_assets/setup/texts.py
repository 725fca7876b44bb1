"""Other people's text: a folder of raw files of several formats, as `climb init` meets it."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import WORDS


def write_texts(raw: Path, documents: int = 120, column: str = "content") -> Path:
    """Write three shards: a folder of .txt files, JSON lines with a broken one, and Parquet; return the folder."""
    random = np.random.default_rng(3)

    def texts(kind: str) -> list[str]:
        return [
            " ".join(random.choice(WORDS[kind], size=int(random.integers(40, 80)))) + f" {kind} {number}."
            for number in range(documents)
        ]

    (raw / "letters").mkdir(parents=True)
    for number, text in enumerate(texts("first")):
        (raw / "letters" / f"{number:03}.txt").write_text(text)
    lines = [json.dumps({column: text}) for text in texts("second")]
    (raw / "proofs.jsonl").write_text("\n".join([*lines, "{broken"]) + "\n")
    pq.write_table(pa.table({column: texts("third"), "number": range(documents)}), raw / "recipes.parquet")
    return raw

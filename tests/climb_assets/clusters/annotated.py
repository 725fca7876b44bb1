"""Annotations for tests: the topics of the tiny corpus, of which one is scored high and one low, and noise."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import WORDS

PLANTED = {"first": 0, "second": 5, "third": 2}  # the score of each topic, before what annotators do to it


def annotate(documents: int = 120, seed: int = 0) -> list[dict[str, Any]]:
    """Return records whose quality follows from the topic, give or take one, and whose `luck` follows from nothing."""
    random = np.random.default_rng(seed)
    records = []
    for number in range(documents):
        topic = sorted(WORDS)[number % len(WORDS)]
        text = " ".join(random.choice(WORDS[topic], size=30)) + f" number {number}."
        quality = int(np.clip(PLANTED[topic] + random.integers(-1, 2), 0, 5))
        records.append({"text": text, "scores": {"quality": quality, "luck": int(random.integers(6))}})
    return records


def write_annotations(path: Path, records: Sequence[Any]) -> Path:
    """Write records, or lines as they are, to a JSONL file."""
    lines = (record if isinstance(record, str) else json.dumps(record) for record in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path

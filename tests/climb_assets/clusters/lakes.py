"""A small lake whose domains are made, from raw files in which much is repeated, short or broken."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
import zstandard

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from tests.climb_assets.clusters.annotated import annotate, write_annotations
from tests.conftest import WORDS

LAST = "domain_supply"
THRESHOLDS = {"rules": [2.4, 3.0], "probe": [1.5, 3.5], "fasttext": [1, 4]}  # that part the topics, or within them
RAW = ("first.jsonl", "second.parquet", "third.jsonl.zst", "fourth.txt")


def write_texts(source: str, documents: int) -> list[str]:
    """Return texts of a source, every seventh too short to be a document, every tenth a repeat of an earlier one."""
    random = np.random.default_rng([7, sorted(WORDS).index(source)])
    texts: list[str] = []
    for number in range(documents):
        if number % 10 == 9:
            texts.append(texts[int(random.integers(number))])
        else:
            words = random.choice(WORDS[source], size=2 if number % 7 == 6 else int(random.integers(15, 60)))
            texts.append(" ".join(words) + f" {number}.")
    return texts


def write_raw(raw: Path) -> None:
    """Write four shards in four formats; the JSON lines hold two that are none, the text has several pieces."""
    raw.mkdir(parents=True)
    lines = [json.dumps({"text": text, "source": "first"}) for text in write_texts("first", 200)]
    (raw / RAW[0]).write_text("\n".join([*lines[:50], "{broken", *lines[50:], '{"no": "text"}']) + "\n")
    pq.write_table(pa.table({"text": write_texts("second", 150)}), raw / RAW[1])
    packed = "".join(json.dumps({"text": f"  {text}\r\n"}) + "\n" for text in write_texts("third", 180))
    (raw / RAW[2]).write_bytes(zstandard.ZstdCompressor().compress(packed.encode()))
    (raw / RAW[3]).write_text("\n\n".join(write_texts("third", 30) + write_texts("second", 30)))


def make_lake(folder: Path, encoder: Path) -> Path:
    """Write a project into a folder, make its domains, and return the folder."""
    write_raw(folder / "data_lake" / "raw")
    settings = {
        "profile": "smoke",
        "lake": "data_lake",
        "encoder": {"model": str(encoder)},
        "corpus": {"part_documents": 32, "text_characters": 300},
        "clusters": {"count": 8, "domains": 3, "prune": {"educational_value": 2.4}},
    }
    return make_domains(folder, settings)


def part_lake(lake: Path, folder: Path, scorer: str) -> Path:
    """Copy a lake into a folder, part its clusters by a scorer of a kind, make the domains, and return the folder."""
    shutil.copytree(lake, folder, symlinks=True)
    settings = yaml.safe_load((folder / "climb.yaml").read_text())
    settings["clusters"] |= {"cells": {"dimension": "quality", "thresholds": THRESHOLDS[scorer]}}
    settings["clusters"]["prune"] = {"quality": 0.5}
    settings["quality"] = {"scorer": scorer}
    if scorer != "rules":
        write_annotations(folder / "annotations.jsonl", annotate())
        settings["quality"] |= {"annotations": "annotations.jsonl", "resamples": 100, "folds": 2, "epochs": 40}
    return make_domains(folder, settings)


def make_domains(folder: Path, settings: dict[str, Any]) -> Path:
    """Write climb.yaml into a folder, make all up to `LAST`, and return the folder."""
    (folder / "climb.yaml").write_text(yaml.safe_dump(settings))
    climb = Materializer(load_config(folder / "climb.yaml"))
    for spec in SPECS:
        for key in climb.partitions(spec):
            climb.make(spec.asset, key)
        if spec.asset == LAST:
            return folder
    raise AssertionError(f"there is no {LAST}")

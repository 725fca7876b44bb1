"""Multiple-choice files: each line is an item whose requests are written, or the file is refused in one sentence."""

import functools
from collections import Counter
from pathlib import Path
from typing import Any

from numpy.random import Generator
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from climb_assets.config_corpus import Contamination
from climb_assets.config_tasks import ChoiceTask
from climb_assets.corpus.choice_items import read_choice_items
from climb_assets.corpus.contamination import collect_runs
from climb_assets.corpus.frozen_tokenizer import END
from climb_assets.training.tasks import prepare_choice_task
from tests.fuzz.hostile import BOM, chance, damage, hostile_json, hostile_text, hostile_value, pick


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Read a task's file, look for its items in text, and prepare it for proxies."""
    path = folder / "task.jsonl"
    lines = [_line(random) for _ in range(int(random.integers(5)))]
    data = (BOM if chance(random, 0.05) else b"") + pick(random, (b"\n", b"\r\n", b"\n\n")).join(lines)
    path.write_bytes(damage(random, data) if chance(random, 0.4) else data)
    items = read_choice_items(path, "arc")
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    assert len(items) == sum(bool(line.strip()) for line in lines), "a line is unaccounted for"
    collect_runs([items], Contamination())
    task = ChoiceTask(kind="choice", path=path, split=pick(random, ("search_eval", "report_eval")), items=3)
    (folder / "tokenizer.json").write_bytes(byte_level_tokenizer())
    prepare_choice_task(task, "arc", folder / "tokenizer.json", pick(random, ("search", "confirm")), folder)
    return Counter(accepted=1, read=len(items), kept=len(items))


def _line(random: Generator) -> bytes:
    """Return an item, now and then with a fault in it."""
    choices = [f" {hostile_text(random, 2)}{letter}" for letter in "abcd"[: int(random.integers(2, 5))]]
    item: dict[str, Any] = {
        "context": hostile_text(random),
        "choices": choices,
        "gold": int(random.integers(len(choices))),
    }
    if chance(random, 0.2):
        item["contexts"] = [hostile_text(random) for _ in choices]
    if chance(random, 0.1):
        item[pick(random, ("context", "contexts", "choices", "gold"))] = hostile_value(random)
    return hostile_json(random, item)


@functools.cache
def byte_level_tokenizer() -> bytes:
    """Return the file of a byte-level tokenizer without merges."""
    alphabet = [END, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str().encode()

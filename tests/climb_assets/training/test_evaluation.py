import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from climb_assets.config_tasks import ChoiceTask, TextTask
from climb_assets.config_training import Training
from climb_assets.tables import read_table
from climb_assets.training.evaluation import evaluate, gold_probability
from climb_assets.training.model import build_model
from climb_assets.training.tasks import prepare_choice_task, prepare_text_task
from climb_assets.training.token_index import TrainingIndex

WORDS = [
    "the",
    "of",
    "a",
    "to",
    "in",
    "is",
    "you",
    "that",
    "it",
    "he",
    "was",
    "for",
    "on",
    "are",
    "as",
    "with",
    "his",
    "they",
    "at",
    "be",
]


@pytest.fixture
def model(make_training: Callable[..., Training]) -> LlamaForCausalLM:
    """A model with opinions: large random weights."""
    model = build_model(make_training(sequence=128), 300, seed=3).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    return model


def log_likelihood(model: LlamaForCausalLM, tokens: list[int], context: int) -> float:
    """Return the natural log-likelihood of tokens[context:], one plain pass, nothing shared."""
    with torch.inference_mode():
        chances = model(input_ids=torch.tensor([tokens[:-1]])).logits[0].log_softmax(-1)
    return sum(float(chances[position - 1, tokens[position]]) for position in range(context, len(tokens)))


def requests(folder: Path) -> list[dict]:
    tokens = np.load(folder / "tokens.npy")
    rows = read_table(folder / "items.parquet").to_pylist()
    return [row | {"tokens": tokens[row["start"] : row["start"] + row["length"]].tolist()} for row in rows]


def test_choices_score_as_in_a_slow_plain_computation(model: LlamaForCausalLM, tokenizer: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    path = tmp_path / "task.jsonl"
    records = []
    for _ in range(30):
        choices = [" é" + " ".join(random.choice(WORDS, random.integers(1, 8))) for _ in range(random.integers(2, 5))]
        context = " ".join(random.choice(WORDS, random.integers(1, 15)))
        records.append({"context": context, "choices": choices, "gold": int(random.integers(len(choices)))})
    path.write_text("\n".join(json.dumps(record) for record in records))
    prepare_choice_task(ChoiceTask(kind="choice", path=path, split="report_eval"), "t", tokenizer, "confirm", tmp_path)
    items: dict[int, list[dict]] = {}
    for row in requests(tmp_path):
        row["likelihood"] = log_likelihood(model, row["tokens"], row["context"])
        items.setdefault(row["item"], []).append(row)
    gold = [row for rows in items.values() for row in rows if row["gold"]]
    bits = -sum(row["likelihood"] for row in gold) / math.log(2)
    right = [max(rows, key=lambda row: row["likelihood"])["gold"] for rows in items.values()]
    right_norm = [max(rows, key=lambda row: row["likelihood"] / row["characters"])["gold"] for rows in items.values()]
    chances = [
        math.exp(one["likelihood"] / one["bytes"]) / sum(math.exp(row["likelihood"] / row["bytes"]) for row in rows)
        for rows in items.values()
        for one in rows
        if one["gold"]
    ]

    evaluation = evaluate(model, tmp_path, sequence=128)
    scores = evaluation.scores
    assert evaluation.bits.tolist() == pytest.approx([-row["likelihood"] / math.log(2) for row in gold], rel=1e-5)
    assert evaluation.sizes.tolist() == [row["bytes"] for row in gold]
    assert scores.loss == pytest.approx(bits / sum(row["bytes"] for row in gold), rel=1e-6)
    assert scores.accuracy == sum(right) / 30
    assert scores.accuracy_norm == sum(right_norm) / 30
    assert scores.gold_probability == pytest.approx(sum(chances) / 30, rel=1e-6)
    assert (scores.items, right) != (30, right_norm)  # the two accuracies are told apart


def test_the_probability_of_gold_is_a_share_and_survives_any_likelihood() -> None:
    item, gold = np.array([0, 0, 1, 1, 1]), np.array([True, False, False, True, False])
    assert gold_probability(item, gold, np.full(5, 9000.0)) == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert gold_probability(item, gold, np.array([0, 9e9, 1, 1, 9e9])) == pytest.approx((1 + 1 / 2) / 2)


@pytest.mark.parametrize("sequence", [7, 13, 39, 100])
def test_long_documents_are_cut_and_every_token_predicted_once(
    model: LlamaForCausalLM, index: TrainingIndex, tmp_path: Path, sequence: int
) -> None:
    prepare_text_task(TextTask(kind="text", sources=("source0", "source1")), "t", index, "search", tmp_path)
    rows = requests(tmp_path)
    likelihood = sum(
        log_likelihood(model, row["tokens"][first : first + sequence + 1], 1)
        for row in rows
        for first in range(0, row["length"] - 1, sequence)
    )
    scores = evaluate(model, tmp_path, sequence).scores
    assert scores.loss == pytest.approx(-likelihood / math.log(2) / sum(row["bytes"] for row in rows), rel=1e-6)
    assert (scores.accuracy, scores.accuracy_norm, scores.items, scores.gold_probability) == (None, None, 2, None)


def test_a_long_context_loses_its_left_end(model: LlamaForCausalLM, tokenizer: Path, tmp_path: Path) -> None:
    path = tmp_path / "task.jsonl"
    path.write_text(json.dumps({"context": "a long " * 20 + ":", "choices": [" yes", " no"], "gold": 1}))
    prepare_choice_task(ChoiceTask(kind="choice", path=path, split="report_eval"), "t", tokenizer, "confirm", tmp_path)
    (row,) = [row for row in requests(tmp_path) if row["gold"]]
    expected = -log_likelihood(model, row["tokens"][-21:], 18) / math.log(2) / 2
    assert evaluate(model, tmp_path, sequence=20).scores.loss == pytest.approx(expected, rel=1e-6)

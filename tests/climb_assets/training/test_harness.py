import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from transformers import LlamaForCausalLM

from climb_assets.config_tasks import ChoiceTask, HarnessTask
from climb_assets.config_training import Training
from climb_assets.corpus.frozen_tokenizer import END, load_tokenizer
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.tables import read_table
from climb_assets.training.evaluation import Scores, continuation_bits, evaluate
from climb_assets.training.model import build_model
from climb_assets.training.tasks import prepare_choice_task

pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: pip install 'climb[eval]'")

from climb_assets.training import harness
from climb_assets.training.harness import evaluate_with_harness

SEQUENCE = 24
LETTERS = list("aaab é")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(library, "1")


def text(random: np.random.Generator, letters: int) -> str:
    """Return letters without order, that neither begin nor end with a space."""
    return "b" + "".join(random.choice(LETTERS, letters)) + "a"


@pytest.fixture
def bpe(tmp_path: Path) -> Path:
    """A byte-level BPE that knows no words, so that a token often spans the border of context and choice."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=4,
        show_progress=False,
    )
    random = np.random.default_rng(0)
    tokenizer.train_from_iterator((text(random, 200) for _ in range(50)), trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.fixture
def model(make_training: Callable[..., Training]) -> LlamaForCausalLM:
    """A model with opinions, in double precision: what differs then is the method, not the order of sums."""
    model = build_model(make_training(sequence=SEQUENCE), 400, seed=3).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    return model


def write_task(folder: Path, records: list[dict[str, Any]], **changes: Any) -> HarnessTask:
    """Write the records and a harness task of them in which a choice follows a space."""
    folder.mkdir(exist_ok=True)
    (folder / "items.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    described = {
        "task": "local",
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(folder / "items.jsonl")},
            "cache_dir": str(folder / "cache"),
        },
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{context}}",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "target_delimiter": "",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    (folder / "local.yaml").write_text(yaml.safe_dump(described | changes))
    return HarnessTask(kind="harness", task="local", include=folder, items=1000, split="report_eval")


def questions(number: int, space: str) -> list[dict[str, Any]]:
    """Return random questions, among them those that tell one way of tokenising from another."""
    random = np.random.default_rng(1)
    contexts = [text(random, random.integers(1, 60)) for _ in range(number)]
    contexts[:6] = ["", " ", "baa  ", "ba:\n", "é baa\t", text(random, 200)]
    records = []
    for context in contexts:
        choices = [space + text(random, random.integers(6, 20)) for _ in range(3)]
        records.append({"context": context, "choices": choices, "gold": int(random.integers(3))})
    return records


def logged_samples(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return a list that will hold what the harness logs."""
    seen: list[dict[str, Any]] = []
    read = harness._evaluation
    monkeypatch.setattr(harness, "_evaluation", lambda samples: seen.extend(s for _, s in samples) or read(samples))
    return seen


@pytest.mark.parametrize(("space", "precision"), [("", "float64"), (" ", "float64"), (" ", "float32")])
def test_choices_score_as_in_the_harness(
    model: LlamaForCausalLM, bpe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: str, precision: str
) -> None:
    """With a space the harness' own form: choices without one, its default delimiter between."""
    model.to(getattr(torch, precision))
    records = questions(60, space)
    bare = [record | {"choices": [choice.removeprefix(" ") for choice in record["choices"]]} for record in records]
    task = write_task(tmp_path / "tasks", bare, target_delimiter=space)
    samples = logged_samples(monkeypatch)
    theirs = evaluate_with_harness(model, bpe, task, SEQUENCE, "confirm").scores

    path = tmp_path / "task.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    prepare_choice_task(
        ChoiceTask(kind="choice", path=path, items=1000, split="report_eval"), "t", bpe, "confirm", tmp_path
    )
    ours = evaluate(model, tmp_path, SEQUENCE).scores

    assert ours.items == theirs.items == 60
    for field in ("loss", "accuracy", "accuracy_norm", "gold_probability"):
        assert getattr(ours, field) == pytest.approx(getattr(theirs, field), abs=1e-6)
    assert [sample["acc"] for sample in samples] != [sample["acc_norm"] for sample in samples]  # it matters which
    likelihoods = sorted(value for sample in samples for value, _ in sample["filtered_resps"])
    tolerance = {"abs": 1e-6} if precision == "float64" else {"rel": 1e-6}  # in single precision, a sum's last digit
    assert per_choice(tmp_path, model) == pytest.approx(likelihoods, **tolerance)


def per_choice(prepared: Path, model: LlamaForCausalLM) -> list[float]:
    """Return the log-likelihoods (nats) of all choices, sorted."""
    return sorted((-continuation_bits(model, prepared, SEQUENCE) * math.log(2)).tolist())


def test_the_questions_hold_what_tells_the_ways_of_tokenising_apart(bpe: Path, tmp_path: Path) -> None:
    encoder = load_tokenizer(bpe)
    records = questions(60, " ")
    whole = [encoder.encode(record["context"] + record["choices"][0]).ids for record in records]
    apart = [encoder.encode(r["context"]).ids + encoder.encode(r["choices"][0]).ids for r in records]
    assert sum(one != other for one, other in zip(whole, apart, strict=True)) > 20
    assert sum(len(ids) > SEQUENCE + 1 for ids in whole) > 1
    path = tmp_path / "task.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    prepare_choice_task(
        ChoiceTask(kind="choice", path=path, items=1000, split="report_eval"), "t", bpe, "confirm", tmp_path
    )
    assert min(read_table(tmp_path / "items.parquet")["context"].to_pylist()) == 1  # the mark alone


def test_contexts_that_differ_by_choice_score_as_in_the_harness(
    model: LlamaForCausalLM, bpe: Path, tmp_path: Path
) -> None:
    """WinoGrande's form, where the harness calls the contexts the choices and the item's text its gold."""
    random = np.random.default_rng(2)
    records = [{"contexts": [text(random, 5) + " ", text(random, 9)], "after": text(random, 9)} for _ in range(20)]
    records = [record | {"context": "", "gold": number % 2} for number, record in enumerate(records)]
    task = write_task(
        tmp_path / "tasks",
        records,
        doc_to_text="{{gold}}",
        doc_to_choice="contexts",
        doc_to_target="after",
        metric_list=[{"metric": "acc"}],
    )
    theirs = evaluate_with_harness(model, bpe, task, SEQUENCE, "confirm").scores
    path = tmp_path / "task.jsonl"
    path.write_text("".join(json.dumps(record | {"choices": [record["after"]] * 2}) + "\n" for record in records))
    prepare_choice_task(ChoiceTask(kind="choice", path=path, split="report_eval"), "t", bpe, "confirm", tmp_path)
    ours = evaluate(model, tmp_path, SEQUENCE).scores
    assert (ours.accuracy, theirs.accuracy_norm) == (theirs.accuracy, None)
    assert (ours.loss, ours.gold_probability) == pytest.approx((theirs.loss, theirs.gold_probability), abs=1e-6)


def test_rolling_text_is_measured_in_bits_per_byte_after_one_mark(
    model: LlamaForCausalLM, bpe: Path, tmp_path: Path
) -> None:
    words = "baa é aab"
    rolling = {"output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{context}}"}
    task = write_task(
        tmp_path / "tasks",
        [{"context": words}],
        metric_list=[{"metric": "bits_per_byte"}],
        doc_to_choice=None,
        **rolling,
    )
    tokens = [0, *load_tokenizer(bpe).encode(words).ids]
    with torch.inference_mode():
        chances = model(input_ids=torch.tensor([tokens[:-1]])).logits[0].log_softmax(-1)
    nats = -sum(float(chances[position, token]) for position, token in enumerate(tokens[1:]))
    expected = nats / math.log(2) / len(words.encode())
    scores = evaluate_with_harness(model, bpe, task, SEQUENCE, "confirm").scores
    assert scores == Scores(pytest.approx(expected), None, None, 1, None)

    bare = write_task(
        tmp_path / "bare",
        [{"context": words}],
        metric_list=[{"metric": "word_perplexity"}],
        doc_to_choice=None,
        **rolling,
    )
    with pytest.raises(ConfigError, match="bits_per_byte"):
        evaluate_with_harness(model, bpe, bare, SEQUENCE, "confirm")


def test_one_continuation_has_nothing_to_choose(model: LlamaForCausalLM, bpe: Path, tmp_path: Path) -> None:
    cloze = {"output_type": "loglikelihood", "doc_to_choice": None, "doc_to_target": "{{gold}}"}
    records = [{"context": "that was", "gold": " for"}, {"context": "it is", "gold": " him"}]
    task = write_task(tmp_path / "tasks", records, metric_list=[{"metric": "acc"}], **cloze)
    scores = evaluate_with_harness(model, bpe, task.model_copy(update={"items": 1}), SEQUENCE, "confirm").scores
    assert scores.loss > 0
    assert (scores.accuracy, scores.accuracy_norm, scores.items, scores.gold_probability) == (0, None, 1, None)


def test_a_group_is_scored_over_the_items_of_its_tasks(model: LlamaForCausalLM, bpe: Path, tmp_path: Path) -> None:
    task = write_task(tmp_path / "tasks", questions(9, ""))
    described = yaml.safe_load((tmp_path / "tasks" / "local.yaml").read_text())
    (tmp_path / "tasks" / "again.yaml").write_text(yaml.safe_dump(described | {"task": "again"}))
    (tmp_path / "tasks" / "both.yaml").write_text(yaml.safe_dump({"group": "both", "task": ["local", "again"]}))
    alone = evaluate_with_harness(model, bpe, task, SEQUENCE, "confirm").scores
    both = evaluate_with_harness(model, bpe, task.model_copy(update={"task": "both"}), SEQUENCE, "confirm").scores
    assert both.items == 2 * alone.items
    assert vars(both) == pytest.approx(vars(alone) | {"items": both.items})


def test_the_search_and_what_confirms_see_different_documents(
    model: LlamaForCausalLM, bpe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = write_task(tmp_path / "tasks", questions(9, "")).model_copy(update={"items": 3, "split": "search_eval"})
    samples = logged_samples(monkeypatch)
    search = evaluate_with_harness(model, bpe, task, SEQUENCE, "search")
    confirm = evaluate_with_harness(model, bpe, task, SEQUENCE, "confirm")
    assert [sample["doc_id"] for sample in samples] == [0, 1, 2, 3, 4, 5]
    for evaluation in (search, confirm):
        assert evaluation.scores.loss == pytest.approx(evaluation.bits.sum() / evaluation.sizes.sum())
        assert len(evaluation.bits) == evaluation.scores.items == 3


def test_without_the_package_the_extra_is_named(
    model: LlamaForCausalLM, bpe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ConfigError, match=r"climb\[eval\]"):
        evaluate_with_harness(model, bpe, HarnessTask(kind="harness", task="piqa"), SEQUENCE, "confirm")


def test_what_cannot_be_measured_is_said(model: LlamaForCausalLM, bpe: Path, tmp_path: Path) -> None:
    def fault(task: HarnessTask, error: type[Exception] = ConfigError) -> str:
        with pytest.raises(error) as caught:
            evaluate_with_harness(model, bpe, task, SEQUENCE, "confirm")
        return str(caught.value)

    folder = tmp_path / "tasks"
    question = {"context": "it", "choices": [" was", " is"], "gold": 1}
    task = write_task(folder, [question])
    assert "has no task 'other'" in fault(task.model_copy(update={"task": "other"}))
    assert "is not there" in fault(task.model_copy(update={"include": tmp_path / "gone"}))
    harness._load.cache_clear()
    write_task(
        folder, [question], output_type="generate_until", doc_to_target="", metric_list=[{"metric": "exact_match"}]
    )
    assert "neither choices nor bits_per_byte" in fault(task)
    long = write_task(tmp_path / "long", [question | {"choices": [" was" * 40, " is"]}])
    assert "more than the model's 24" in fault(long, ComputeError)
    (folder / "items.jsonl").unlink()
    harness._load.cache_clear()
    assert "is its data there" in fault(task)

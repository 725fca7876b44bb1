"""Training a swarm of proxies: our path against a plain `transformers.Trainer` loop on the same models and text.

Ours: two workers with one thread each train several candidates at the same time. The peer: one candidate after the
other with `Trainer` at its defaults (AdamW, float32, all cores), on the same packed sequences. Both are timed from the
first step to the last; starting processes and importing torch is not counted on either side.

    python benchmarks/proxy_training.py --lake data_lake [--json]
"""

import argparse
import importlib.util
import json
import tempfile
import time
from pathlib import Path

from climb_assets.config import Training
from climb_assets.lake import Lake
from climb_assets.proxy.batches import SequencePlan, plan_sequences
from climb_assets.proxy.model import build_model, count_parameters
from climb_assets.proxy.spans import load_training_index
from climb_assets.proxy.swarm import ProxyJob, Recipe, Swarm, TrainingData

WARM, MEASURED, WORKERS, SEED = 2, 4, 2, 0
TRAINING = Training(
    hidden=64, layers=2, heads=2, intermediate=192, sequence=64, batch=4, tokens=57_344, learning_rate=2e-3
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", type=Path, default=Path("data_lake"), help="a lake in which training_tokens was made")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lake = Lake(arguments.lake)
    if lake.current("training_tokens") is None or lake.current("tokenizer") is None:
        print(f"skipped: {lake.root} holds no training_tokens; run `climb up --to training_tokens` first")
        return
    if importlib.util.find_spec("accelerate") is None:
        print("skipped: transformers.Trainer, the peer, needs accelerate; pip install accelerate")
        return
    result = measure(lake)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"ours {result['ours']:.0f}, peer {result['peer']:.0f} {result['unit']}: {result['ratio']:.2f} times")
        print("\n".join(f"  {name}: {value}" for name, value in result["details"].items()))


def measure(lake: Lake) -> dict[str, object]:
    """Return the benchmark's record."""
    index = lake.get("training_tokens")
    tokens = {record["shard"]: lake.get("tokenized_shards", record["shard"]) for record in index.json("shards.json")}
    data = TrainingData(
        index.data_version, index.path, {shard: artifact.file("tokens.npy") for shard, artifact in tokens.items()}
    )
    tokenizer = lake.get("tokenizer").file("tokenizer.json")
    vocabulary = vocabulary_of(tokenizer)
    domains = len(load_training_index(data.folder, data.tokens).supply)
    jobs = [ProxyJob((1 / domains,) * domains, repeat) for repeat in range(WARM + MEASURED)]
    ours = swarm_speed(data, Recipe(vocabulary, tokenizer, SEED, {}, {}, "cpu"), jobs)
    plan = plan_sequences(load_training_index(data.folder, data.tokens), jobs[0].weights, TRAINING, SEED)
    peer = trainer_speed(plan, vocabulary)
    return {
        "name": "proxy_training",
        "ours": ours,
        "peer": peer,
        "ratio": ours / peer,
        "unit": "tokens/s",
        "details": {
            "parameters": count_parameters(build_model(TRAINING, vocabulary, SEED)),
            "vocabulary": vocabulary,
            "tokens_per_candidate": TRAINING.tokens,
            "candidates": MEASURED,
            "workers": WORKERS,
            "peer": "transformers.Trainer, defaults, same model, sequences and batch",
        },
    }


def vocabulary_of(tokenizer: Path) -> int:
    from tokenizers import Tokenizer

    return int(Tokenizer.from_file(str(tokenizer)).get_vocab_size())


def swarm_speed(data: TrainingData, recipe: Recipe, jobs: list[ProxyJob]) -> float:
    """Return tokens per second of the whole swarm, commits included, once its workers are up."""
    with tempfile.TemporaryDirectory() as folder:
        swarm = Swarm(Lake(Path(folder)), data, recipe, WORKERS)
        swarm.run(jobs[:WARM], TRAINING, {})
        began = time.perf_counter()
        outcomes = swarm.run(jobs[WARM:], TRAINING, {})
        return sum(outcome.model.summary["tokens"] for outcome in outcomes) / (time.perf_counter() - began)


def trainer_speed(plan: SequencePlan, vocabulary: int) -> float:
    """Return tokens per second of `transformers.Trainer` over one candidate's sequences."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.steps: list[float] = []

        def on_step_end(self, *arguments: object, **values: object) -> None:
            self.steps.append(time.perf_counter())

    rows = [torch.from_numpy(row.astype("int64")[:-1]) for row in plan.sequences]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=plan.batch_size,
            num_train_epochs=1,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
        )
        model = build_model(TRAINING, vocabulary, SEED)
        examples = [{"input_ids": row, "labels": row} for row in rows]
        Trainer(model=model, args=settings, train_dataset=examples, callbacks=[clock]).train()
    return (len(clock.steps) - 1) * plan.batch_size * TRAINING.sequence / (clock.steps[-1] - clock.steps[0])


if __name__ == "__main__":
    main()

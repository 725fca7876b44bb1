"""Training a swarm of 16 candidates: our path against two peers on the same model, text and number of steps.

Peers: (i) a loop of `transformers.Trainer`, at its defaults and at its best setting; (ii) a loop over flat code in the
manner of nanochat (one short model file, rotary, RMSNorm, SwiGLU, fused AdamW), at its best setting. A peer's best
setting is the fastest of one thread or all, compiled or not where a C++ compiler is found, float32 or bfloat16 where
the processor computes in it; ours is the faster of compiled or not, in the precision that a search would take. A peer
trains one candidate after the other, so one candidate tells its speed. Starting processes, importing torch and
compiling is counted on neither side; writing our models to the lake is counted on ours.

    python benchmarks/proxy_training.py --lake data_lake/demo [--size 100k] [--json]
"""

import argparse
import importlib.util
import itertools
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from climb_assets.config import Runtime
from climb_assets.config_training import Training
from climb_assets.sizes import SIZES
from climb_assets.store.local import LocalStore
from climb_assets.training.model import build_model, count_parameters
from climb_assets.training.proxy_orders import Conditions, Proxy, TrainingData
from climb_assets.training.sequence_plan import SequencePlan, plan_sequences
from climb_assets.training.swarm import Swarm
from climb_assets.training.token_index import load_training_index
from climb_assets.training.train import computes_in_bfloat16, learning_rate_at

CANDIDATES, SEED = 16, 0
PEER_STEPS = 80  # after which a peer's speed is known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--lake", type=Path, default=Path("data_lake/demo"), help="a lake in which training_tokens was made"
    )
    parser.add_argument("--size", choices=SIZES, default="100k", help="the demo's proxies: 100k")
    parser.add_argument("--tokens", type=int, default=57_344, help="training tokens of a candidate")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    lake = LocalStore(arguments.lake)
    if lake.current("training_tokens") is None or lake.current("tokenizer") is None:
        print(f"skipped: {lake.root} holds no training_tokens; run `climb up --to training_tokens` first")
        return
    if importlib.util.find_spec("accelerate") is None:
        print("skipped: transformers.Trainer, a peer, needs accelerate; pip install accelerate")
        return
    training = Training(size=arguments.size, sequence=64, batch=4, tokens=arguments.tokens, learning_rate=2e-3)
    result = measure(lake, training)
    if arguments.json:
        print(json.dumps(result))
    else:
        print(f"ours {result['ours']:.0f}, peer {result['peer']:.0f} {result['unit']}: {result['ratio']:.2f} times")
        print("\n".join(f"  {name}: {value}" for name, value in result["details"].items()))


def measure(lake: LocalStore, training: Training) -> dict:
    """Return the benchmark's record; `peer` is the Trainer at its defaults, the others are among the details."""
    import torch

    index = lake.get("training_tokens")
    tokens = {record["shard"]: lake.get("tokenized_shards", record["shard"]) for record in index.json("shards.json")}
    data = TrainingData(
        index.data_version, index.path, {shard: artifact.file("tokens.npy") for shard, artifact in tokens.items()}
    )
    tokenizer = lake.get("tokenizer").file("tokenizer.json")
    vocabulary = int(lake.get("tokenizer").summary["vocabulary"])
    opened = load_training_index(data.folder, data.tokens)
    proxies = [Proxy((1 / len(opened.supply),) * len(opened.supply), repeat) for repeat in range(CANDIDATES + 2)]
    swarm = {}
    for name, choice in (("eager", "never"), ("compiled", "always"))[: 1 + bool(shutil.which("g++"))]:
        runtime = Runtime.model_validate({"device": "cpu", "compile": choice})
        conditions = Conditions(vocabulary, tokenizer, SEED, training.tokens, None, {}, {}, runtime)
        swarm[name] = swarm_speed(data, conditions, training, proxies)
    ours = max(swarm.values())
    plan = plan_sequences(opened, proxies[0].weights, training, SEED)
    trainer = {name: trainer_speed(plan, training, vocabulary, *setting) for name, setting in settings().items()}
    flat = {name: flat_speed(plan, training, vocabulary, *setting) for name, setting in settings().items()}
    peer = trainer[f"{os.cpu_count() or 1} thread(s), eager, float32"]  # its defaults, which include fused AdamW
    parameters = count_parameters(build_model(training, vocabulary, SEED))
    able = computes_in_bfloat16(torch.device("cpu"))
    rates = {name: matrix_rate(name) for name in ("float32", "bfloat16")[: 1 + able]}
    rate = max(rates.values())
    return {
        "name": "proxy_training",
        "ours": ours,
        "peer": peer,
        "ratio": ours / peer,
        "unit": "tokens/s",
        "details": {
            "peer": "transformers.Trainer, defaults",
            "ours, tokens/s": {name: round(speed) for name, speed in swarm.items()},
            "ratio to Trainer at its best": round(ours / max(trainer.values()), 2),
            "Trainer, tokens/s": {name: round(speed) for name, speed in trainer.items()},
            "ratio to flat code at its best": round(ours / max(flat.values()), 2),
            "flat code, tokens/s": {name: round(speed) for name, speed in flat.items()},
            "size": training.size,
            "parameters": parameters,
            "vocabulary": vocabulary,
            "candidates": CANDIDATES,
            "tokens_per_candidate": training.tokens,
            "matrix products on all threads, GFLOP/s": {name: round(rate / 1e9, 1) for name, rate in rates.items()},
            "share of the largest rate (6 x parameters x tokens)": round(6 * parameters * ours / rate, 3),
        },
    }


def settings() -> dict[str, tuple[int, bool, bool]]:
    """Return the settings that a peer is tried at: (threads, compiled, in bfloat16)."""
    import torch

    compiled = (False, True)[: 1 + (shutil.which("g++") is not None)]
    mixed = (False, True)[: 1 + computes_in_bfloat16(torch.device("cpu"))]
    return {
        f"{threads} thread(s), {('eager', 'compiled')[compile_it]}, {('float32', 'bfloat16')[mix]}": (
            threads,
            compile_it,
            mix,
        )
        for threads, compile_it, mix in itertools.product(sorted({1, os.cpu_count() or 1}), compiled, mixed)
    }


def swarm_speed(data: TrainingData, conditions: Conditions, training: Training, proxies: list[Proxy]) -> float:
    """Return tokens per second of the whole swarm, commits included, once its workers are up."""
    with tempfile.TemporaryDirectory() as folder:
        swarm = Swarm(LocalStore(Path(folder)), data, conditions)
        swarm.run(proxies[CANDIDATES:], training, {})
        began = time.perf_counter()
        outcomes = swarm.run(proxies[:CANDIDATES], training, {})
        return sum(outcome.model.summary["tokens"] for outcome in outcomes) / (time.perf_counter() - began)


def trainer_speed(
    plan: SequencePlan, training: Training, vocabulary: int, threads: int, compiled: bool, mixed: bool
) -> float:
    """Return tokens per second of `transformers.Trainer` over one candidate's sequences."""
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.steps: list[float] = []

        def on_step_end(self, *arguments: object, **values: object) -> None:
            self.steps.append(time.perf_counter())

    torch.set_num_threads(threads)
    rows = [torch.from_numpy(row[:-1]) for step in range(PEER_STEPS) for row in plan.batch(step)]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=plan.batch_size,
            num_train_epochs=1,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            torch_compile=compiled,
            bf16=mixed,
        )
        model = build_model(training, vocabulary, SEED)
        examples = [{"input_ids": row, "labels": row} for row in rows]
        Trainer(model=model, args=arguments, train_dataset=examples, callbacks=[clock]).train()
    return speed(clock.steps, plan)


def flat_speed(
    plan: SequencePlan, training: Training, vocabulary: int, threads: int, compiled: bool, mixed: bool
) -> float:
    """Return tokens per second of flat code over one candidate's sequences."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(threads)
    model = flat_model(training, vocabulary)
    forward: Callable = torch.compile(model) if compiled else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=training.learning_rate, betas=training.betas, fused=True)
    ends = []
    for step in range(PEER_STEPS):
        batch = torch.from_numpy(plan.batch(step))
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, PEER_STEPS, training)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = functional.cross_entropy(forward(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        loss.item()
        ends.append(time.perf_counter())
    return speed(ends, plan)


def flat_model(training: Training, vocabulary: int):  # type: ignore[no-untyped-def]
    """Return a Llama of the same shape, written out in one place as nanochat does."""
    import torch
    from torch import nn
    from torch.nn import functional

    width, layers, heads, inner = training.shape
    size = width // heads

    def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        left, right = x.chunk(2, -1)
        return torch.cat((left * cos - right * sin, right * cos + left * sin), -1)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
            self.gate, self.up = nn.Linear(width, inner, bias=False), nn.Linear(width, inner, bias=False)
            self.down = nn.Linear(inner, width, bias=False)
            self.before, self.after = nn.RMSNorm(width), nn.RMSNorm(width)

        def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
            rows, length, _ = x.shape
            parts = self.qkv(self.before(x)).view(rows, length, 3 * heads, size).transpose(1, 2).chunk(3, 1)
            query, key, value = parts
            mixed = functional.scaled_dot_product_attention(
                rotate(query, cos, sin), rotate(key, cos, sin), value, is_causal=True
            )
            x = x + self.out(mixed.transpose(1, 2).reshape(rows, length, width))
            h = self.after(x)
            return x + self.down(functional.silu(self.gate(h)) * self.up(h))

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(vocabulary, width)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.RMSNorm(width)
            nn.init.normal_(self.embedding.weight, std=0.02)
            angles = torch.outer(torch.arange(training.sequence), 1e4 ** (-torch.arange(0, size, 2) / size))
            self.cos, self.sin = angles.cos(), angles.sin()

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            x = self.embedding(ids)
            for block in self.blocks:
                x = block(x, self.cos, self.sin)
            return functional.linear(self.norm(x), self.embedding.weight)

    return Flat()


def speed(ends: list[float], plan: SequencePlan) -> float:
    """Return tokens per second of the second half of the steps, when caches and compilers have settled."""
    half = len(ends) // 2
    return (len(ends) - half) * plan.batch_size * plan.sequence / (ends[-1] - ends[half - 1])


def matrix_rate(precision: str) -> float:
    """Return the FLOP per second of a large matrix product on all threads, the best of several."""
    import torch

    torch.set_num_threads(os.cpu_count() or 1)
    matrix, best = torch.randn(2048, 2048).to(getattr(torch, precision)), 0.0
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        best = max(best, 2 * 2048**3 / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    main()

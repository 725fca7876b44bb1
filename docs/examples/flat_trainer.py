"""A trainer in one file, for climb.yaml's `proxy.trainer`: it knows job.json (docs/trainer.md) and nothing of climb.

    proxy: {trainer: {command: [python, docs/examples/flat_trainer.py]}, ...}
    target: {training: {trainer: {command: [torchrun, --standalone, --nproc-per-node=2, ...]}, ...}, ...}

A GPT of the asked widths learns from the mixture that the job names; the loss of each task goes into metrics.json. What
was trained lies in checkpoints now and then, so that a run which was killed goes on from there. Under torchrun each
process trains on its part of every batch, on a GPU of its own.
"""

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

SAVE_EVERY = 100  # steps

job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
settings, sequence, out = job["training"], job["sequence"], {key: Path(path) for key, path in job["out"].items()}
device = torch.device(job["limits"]["device"])
processes, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))  # torchrun sets them
if processes > 1:
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
if settings["batch"] % processes:
    sys.exit(f"a batch of {settings['batch']} sequences cannot be shared out to {processes} processes")
torch.set_num_threads(job["limits"]["threads"])
torch.manual_seed(job["seed"])


class Block(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads, self.qkv, self.join = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def forward(self, x):
        parts = self.qkv(self.norms[0](x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.join(functional.scaled_dot_product_attention(*parts, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.inner(self.norms[1](x))


class GPT(nn.Module):
    def __init__(self, vocabulary, width, layers, heads, inner):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(sequence, width)
        self.blocks = nn.Sequential(*(Block(width, heads, inner) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        for table in (self.tokens, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, ids):
        x = self.tokens(ids) + self.places.weight[: ids.shape[1]]
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


class Domain:
    """The tokens of a domain as one endless stream: its documents in order, and again from the first."""

    def __init__(self, described):
        self.ids, self.place = np.load(described["text"]["path"], mmap_mode="r"), 0

    def read(self, start):
        return np.take(self.ids, np.arange(start, start + sequence + 1), mode="wrap").astype(np.int64)


def shuffled_sequences():
    """Say for each sequence of the run which domain it is of, in exactly the shares that the job asks for."""
    share = np.array([domain["tokens"] for domain in job["domains"]]) / sequence
    counts = np.floor(share + 1e-9).astype(int)
    left = round(share.sum()) - counts.sum()
    counts[np.argsort(counts - share, kind="stable")[:left]] += 1
    return np.random.default_rng(job["seed"]).permutation(np.repeat(np.arange(len(counts)), counts))


def learning_rate(step, steps):
    peak = settings["learning_rate"] * settings["rate_factor"]
    warm, decay = settings["warmup"] * steps, settings["decay"] * steps
    final = settings["final_learning_rate"]
    return peak * min(1, (step + 1) / max(warm, 1), final + (1 - final) * min(1, (steps - step) / max(decay, 1)))


def train(model, optimiser):
    order, batch, state = shuffled_sequences(), settings["batch"], out["checkpoints"] / "state.pt"
    domains, steps, curve, first = [Domain(domain) for domain in job["domains"]], len(order) // batch, [], 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        optimiser.load_state_dict(saved["optimiser"])
        first, curve = saved["step"], saved["curve"]
    trained = DistributedDataParallel(model) if processes > 1 else model  # which averages the gradients
    read = np.zeros(len(domains), dtype=np.int64)  # sequences of each domain before a step
    for step in range(steps):
        chosen, rows = order[step * batch : (step + 1) * batch], []
        for place, domain in enumerate(chosen.tolist()):
            if step >= first and place % processes == rank:
                rows.append(domains[domain].read(int(read[domain]) * sequence))
            read[domain] += 1
        if step < first:
            continue
        ids = torch.from_numpy(np.stack(rows)).to(device)
        loss = functional.cross_entropy(trained(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings["clip"])
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps)
        optimiser.step()
        loss = loss.detach()
        if processes > 1:
            distributed.all_reduce(loss)
        loss /= processes
        curve.append({"step": step + 1, "tokens": (step + 1) * batch * sequence, "loss": loss.item()})
        if rank == 0 and (step + 1) % SAVE_EVERY == 0:
            print(f"step {step + 1} of {steps}: {loss.item():.3f}", flush=True)
            whole = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1, "curve": curve}
            torch.save(whole, state.with_suffix(".new"))
            state.with_suffix(".new").replace(state)
    return (read * sequence).tolist(), curve


@torch.inference_mode()
def bits_per_byte(model, task):
    """Return all bits of the right continuations over all their bytes; what is longer than a sequence is cut."""
    ids, requests = np.load(task["text"]["path"]), np.load(task["requests"]["path"])
    bits, size = 0.0, 0
    for request in requests.tolist():
        asked = dict(zip(task["requests"]["columns"], request, strict=True))
        if not asked["gold"]:
            continue
        text = ids[asked["start"] : asked["start"] + asked["length"]].astype(np.int64)
        for end in range(len(text), asked["context"], -sequence):  # windows from the right, each token predicted once
            begin = max(0, end - sequence - 1)
            window = torch.from_numpy(text[begin:end]).to(device)[None]
            losses = functional.cross_entropy(model(window[:, :-1])[0], window[0, 1:], reduction="none")
            predicted = min(sequence, end - max(asked["context"], 1))
            bits += losses[-predicted:].sum().item() / math.log(2)
        size += asked["bytes"]
    return bits / size


model = GPT(job["tokenizer"]["vocabulary"], *(settings[key] for key in ("hidden", "layers", "heads", "intermediate")))
model.to(device)
decay = settings["weight_decay"]
optimiser = torch.optim.AdamW(model.parameters(), betas=tuple(settings["betas"]), weight_decay=decay)
tokens, curve = train(model, optimiser)
if processes > 1:
    distributed.destroy_process_group()
if rank > 0:
    sys.exit()
measured = {
    "tokens": tokens,
    "diverged": not math.isfinite(curve[-1]["loss"]),
    "parameters": sum(parameter.numel() for parameter in model.parameters()),
    "curve": [point for point in curve if math.isfinite(point["loss"])],
}
if job["score"] and not measured["diverged"]:
    measured["losses"] = {task["metric"]: bits_per_byte(model, task) for task in job["tasks"]}
out["metrics"].write_text(json.dumps(measured), encoding="utf-8")

"""A trainer of a second, bigrams by counting, which imports nothing of climb; MOOD and SAYS make it misbehave."""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

SMOOTHING = 0.1

job = json.loads(Path(sys.argv[-1]).read_text())
checkpoints = Path(job["out"]["checkpoints"])
(checkpoints / "begun").open("a").write("x")
mood = os.environ.get("MOOD", "")
if mood == "dies":
    sys.exit("no room on the device\nRuntimeError: it is all too much")
if mood == "dies once" and len((checkpoints / "begun").read_text()) == 1:
    sys.exit(3)
if mood == "sleeps":
    time.sleep(600)

vocabulary, wanted = job["tokenizer"]["vocabulary"], [domain["tokens"] for domain in job["domains"]]
counts = np.full((vocabulary, vocabulary), SMOOTHING / vocabulary)
for domain, tokens in zip(job["domains"], wanted, strict=True):
    described = domain["text"]
    ids = np.memmap(described["path"], described["type"], "r", described["skip_bytes"], tuple(described["shape"]))
    read = np.take(ids, np.arange(tokens + 1), mode="wrap")
    np.add.at(counts, (read[:-1], read[1:]), 1)
bits = -np.log2(counts / counts.sum(axis=1, keepdims=True))

losses = {}
for task in job["tasks"]:
    ids, requests = np.load(task["text"]["path"]), np.load(task["requests"]["path"])
    total, size = 0.0, 0
    for row in requests.tolist():
        request = dict(zip(task["requests"]["columns"], row, strict=True))
        text = ids[request["start"] : request["start"] + request["length"]]
        total += bits[text[request["context"] - 1 : -1], text[request["context"] :]].sum() * request["gold"]
        size += request["bytes"] * request["gold"]
    losses[task["metric"]] = float(total / size)

print("counted", sum(wanted), "tokens")
measured = {"losses": losses, "tokens": wanted}
measured |= json.loads(os.environ.get("SAYS", "{}"))
Path(job["out"]["metrics"]).write_text(json.dumps(measured))

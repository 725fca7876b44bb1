"""The arithmetic of docs/scale.md: what ClimbLab's 1.2 T tokens would take, by rates measured here and published ones.

Nothing is run. Each rate stands beside where it is from; a change of one changes the page's numbers with it.

    python benchmarks/scale_plan.py [--tokens 1.2e12] [--shard-gigabytes 1]
"""

import argparse
import json

from tabulate import tabulate

NAME = "the arithmetic of scale"

# Of the corpus: ClimbLab's card; ClimbMix' documents and tokens as counted by roccoangelella/climbmix-token-mixture.
TOKENS = 1.2e12
TOKENS_A_DOCUMENT = 356_864_528_972 / 553_315_056
BYTES_A_TOKEN = 3.59  # GPT-2's tokens over 33 domains of our own text, measured here

# Megabytes of text a processor second, measured here (docs/results.md: 800 MB, one shard, one thread).
MB_A_SECOND = {
    "corpus_shards": 42.1,
    "document_signatures": 32.9,
    "contamination": 20.6,
    "tokenized_shards": 32.7,
    "quality_scores": 3.1,
}
# Bytes stored a byte of text, measured here (the same); embeddings are dimensions x 2 bytes a document.
STORED = {
    "corpus_shards": 0.496,
    "document_signatures": 0.228,
    "tokenized_shards": 0.665,
    "quality_scores": 0.017,
    "cluster_assignments": 0.014,
    "training_tokens": 0.015,
}
DIMENSIONS = 1024  # stella_en_400M_v5

# Published. NeMo Curator's nightly gate (nightly-benchmark.yaml at 1e2e4275): 7,000 documents/s of embeddinggemma-300m
# on a node of 8 GPUs of a kind that is not stated; FineWeb-Edu (its paper): 15 T tokens scored by a model of 109 M
# parameters in 6,000 H100-hours. Both scaled to stella's 400 M by parameters.
EMBED_FAST = 7000 / 8 * 308 / 400  # documents a second and GPU
EMBED_SLOW = 15e12 / (6000 * 3600) * 109 / 400 / TOKENS_A_DOCUMENT
PROXIES, PROXY_HOURS = 112, 45  # CLIMB's paper (v2): GPU-hours of H100 a proxy
DOLLARS_A_GPU_HOUR = 3  # nanochat's README: about 24 dollars an hour for eight H100

# Measured here (docs/results.md, many shards), of a chain of eight assets.
EVENTS_A_SHARD = 33.3
HISTORY_BYTES_A_SHARD = 133e3
OVERHEAD_SECONDS_A_SHARD = 0.3  # by estimate: 326 s of 1,000 shards, less some 25 s that do not hang on them
PLAN_SECONDS_A_SHARD = 0.00087

# Bytes of memory in one process a document of the corpus (docs/design.md, "What grows with the corpus").
MEMORY = {"corpus_manifest": 16, "near_duplicates": 16, "supply of the training index, for a moment": 16}
CORES = 96  # of a node


def compute(tokens: float, shard_gigabytes: float) -> list[tuple[str, float, str]]:
    """Return what a corpus takes: name, amount, unit."""
    documents, megabytes = tokens / TOKENS_A_DOCUMENT, tokens * BYTES_A_TOKEN / 1e6
    shards = megabytes / 1e3 / shard_gigabytes
    rows = [("documents", documents / 1e9, "10^9"), ("text", megabytes / 1e6, "TB"), ("shards", shards, "")]
    cores = {stage: megabytes / rate / 3600 for stage, rate in MB_A_SECOND.items()}
    rows += [(f"{stage}, by processor", hours, "core-hours") for stage, hours in cores.items()]
    rows.append(("all of these on one node", sum(cores.values()) / CORES, f"hours of {CORES} cores"))
    for name, rate in (("at best", EMBED_FAST), ("at worst", EMBED_SLOW)):
        hours = documents / rate / 3600
        rows.append((f"embeddings, {name}", hours, "GPU-hours"))
        rows.append((f"embeddings, {name}", hours * DOLLARS_A_GPU_HOUR, "dollars"))
    rows.append(("search of 112 proxies", PROXIES * PROXY_HOURS, "GPU-hours"))
    rows.append(("search of 112 proxies", PROXIES * PROXY_HOURS * DOLLARS_A_GPU_HOUR, "dollars"))
    rows += [(f"{asset}, stored", share * megabytes / 1e6, "TB") for asset, share in STORED.items()]
    rows.append(("embeddings, stored", documents * DIMENSIONS * 2 / 1e12, "TB"))
    stored = sum(STORED.values()) * megabytes / 1e6 + documents * DIMENSIONS * 2 / 1e12
    rows.append(("all stored", stored, "TB"))
    rows.append(("rows of Dagster's history", shards * EVENTS_A_SHARD, ""))
    rows.append(("Dagster's history", shards * HISTORY_BYTES_A_SHARD / 1e9, "GB"))
    rows.append(("artefacts, events and leases of shards", shards * OVERHEAD_SECONDS_A_SHARD / 3600, "core-hours"))
    rows.append(("a plan", shards * PLAN_SECONDS_A_SHARD, "s"))
    rows += [(f"memory: {name}", documents * size / 2**30, "GiB") for name, size in MEMORY.items()]
    return rows


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=float, default=TOKENS)
    parser.add_argument("--shard-gigabytes", type=float, default=1.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    found = compute(arguments.tokens, arguments.shard_gigabytes)
    if arguments.json:
        print(json.dumps({"name": NAME, "details": found}))
        return
    rows = [(name, f"{amount:,.3g}" if amount < 100 else f"{amount:,.0f}", unit) for name, amount, unit in found]
    print(tabulate(rows, headers=("what", "amount", "unit"), disable_numparse=True))


if __name__ == "__main__":
    main()

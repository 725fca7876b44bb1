"""How the assets that train models come about: the tokens, the proxies, the baselines, the fidelity of proxies.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from climb_assets.clusters.shards import shard_tables
from climb_assets.graph.estimates import measure_scoring
from climb_assets.graph.hashed_settings import iteration_number
from climb_assets.graph.kept import GENERATION
from climb_assets.graph.materializer import Materializer
from climb_assets.search.baselines import write_baselines
from climb_assets.search.evidence import METRIC
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import deciding_tasks, read_space
from climb_assets.store.artifacts import Draft, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.training.baseline_runs import train_baselines
from climb_assets.training.carried import TAXONOMY, carry_evidence, write_carried
from climb_assets.training.fidelity import answer, write_fidelity
from climb_assets.training.fidelity_runs import compare_settings
from climb_assets.training.measurement import (
    describe_metric,
    measure,
    summarise_outcomes,
    write_identities,
    write_outcomes,
)
from climb_assets.training.proxy_orders import Proxy
from climb_assets.training.token_index import ShardSpans, build_training_index


def training_tokens(climb: Materializer, draft: Draft) -> None:
    """Which stretches of the tokenized shards belong to which domain, and which are held out; no token is copied."""
    shards = [
        ShardSpans(**vars(tables), tokens_version=climb.get("tokenized_shards", tables.shard).data_version)
        for tables in shard_tables(climb)
    ]
    splits, made = climb.get("corpus_manifest").file("splits.parquet"), climb.get("domains")
    domains, clusters = made.file("domains.parquet"), made.file("clusters.parquet")
    draft.summary |= build_training_index(shards, splits, domains, clusters, draft.path)
    draft.summary |= {TAXONOMY: made.manifest["config"][GENERATION]}


def carried_evidence(climb: Materializer, draft: Draft) -> None:
    """What the models of earlier generations say of today's domains, measured on today's tasks."""
    if climb.config.search.evidence is not None:  # which may say by what metric it was measured
        metric = describe_metric(climb, climb.config.proxy, deciding_tasks(climb.config), "search")
        write_atomically(draft.path / METRIC, canonical_json(metric).encode())
    carried = carry_evidence(climb, draft.path)
    write_carried(carried, draft.path)
    draft.summary |= {
        "rows": len(carried.history.keys),
        "models": len(carried.models),
        "left_out": dict(sorted(carried.left_out.items())),
    }


def proxy_results(climb: Materializer, key: str, draft: Draft) -> None:
    """Every task of every proxy, with its loss curve and the tokens it saw."""
    config = climb.config
    candidates = read_candidates(climb.get("mixture_candidates", key).file("candidates.parquet"))
    proxies = [Proxy(candidate.weights) for candidate in candidates]
    if iteration_number(key) == 1:  # the anchors, whose further seeds measure the noise
        repeats = range(1, config.search.repeats + 1)
        anchors = proxies[: config.search.anchors]
        proxies += [Proxy(anchor.weights, repeat) for anchor in anchors for repeat in repeats]
    outcomes = measure(climb, proxies, config.proxy, deciding_tasks(config), "search", f"proxies [{key}]")
    write_outcomes(outcomes, draft.path)
    draft.summary |= summarise_outcomes(outcomes, config.proxy, key)
    draft.run |= {"trained_now": sum(outcome.trained for outcome in outcomes)}
    draft.run |= measure_scoring(
        (outcome.scoring_seconds, outcome.model.run, len(outcome.points) * len(outcome.items)) for outcome in outcomes
    )


def baseline_mixtures(climb: Materializer, objective: str, draft: Draft) -> None:
    """The mixtures that an answer is compared with; those that train proxies get as many as the search."""
    space = read_space(climb)
    baselines = train_baselines(climb, space, objective)
    write_baselines(draft.path / "baselines.parquet", baselines.mixtures, space.limits)
    write_outcomes(baselines.trained.values(), draft.path)
    draft.summary |= {"baselines": sorted(baselines.mixtures), "proxies": len(baselines.trained)}
    if baselines.doremi is not None:
        identity = {"fingerprint": baselines.doremi.fingerprint, "data_version": baselines.doremi.data_version}
        draft.summary |= {"doremi": identity}


def proxy_fidelity(climb: Materializer, draft: Draft) -> None:
    """Whether proxies rank mixtures as target models do, by setting and tokens, and the cheapest that does."""
    compared = compare_settings(climb)
    write_fidelity(draft.path / "fidelity.parquet", compared.rows)
    write_identities(compared.outcomes, draft.path)
    found = answer(compared.rows, climb.config.fidelity.wanted)
    write_atomically(draft.path / "answer.json", canonical_json(found).encode())
    draft.summary |= compared.counts

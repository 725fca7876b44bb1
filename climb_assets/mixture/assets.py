"""How the assets of the answer come about: confirmation, choice, comparison, data set.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from dataclasses import asdict

import pyarrow as pa

from climb_assets.clusters.shards import shard_tables
from climb_assets.graph.materializer import Materializer
from climb_assets.mixture.changes import REALISED, SAMPLE, changes_since
from climb_assets.mixture.choice import choose
from climb_assets.mixture.confirmation_runs import confirm
from climb_assets.mixture.confirmed_choice import write_selection
from climb_assets.mixture.corpus_writer import write_mixed_corpus, write_realised
from climb_assets.mixture.pool import Withheld, open_pool
from climb_assets.mixture.realisation import measure, realise
from climb_assets.mixture.target_runs import CHOSEN, compare_targets
from climb_assets.search.confirmation import write_shortlist
from climb_assets.search.item_sampling import write_items
from climb_assets.search.search_state import read_space, read_space_today
from climb_assets.store.artifacts import Draft, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.tables import read_table, write_table
from climb_assets.training.measurement import items_of, write_outcomes


def confirmation_results(climb: Materializer, objective: str, draft: Draft) -> None:
    """The best mixtures of the search and the baselines, trained again with fresh seeds; the answer is one of them."""
    listed, outcomes = confirm(climb, objective)
    write_outcomes(outcomes, draft.path)
    write_items(draft.path / "items.parquet", items_of(outcomes))
    write_shortlist(draft.path / "shortlist.parquet", listed)
    draft.summary |= {"shortlist": [entry.name for entry in listed], "proxies": len(outcomes)}


def optimal_mixture(climb: Materializer, objective: str, draft: Draft) -> None:
    """The answer: a mixture, how sure it is, and what may be said of it against the baselines."""
    today = read_space_today(climb)
    selection, advice = choose(climb, read_space(climb), today, objective)
    write_selection(draft.path, selection, today.names, today.prior)
    write_atomically(draft.path / "advice.json", canonical_json(asdict(advice)).encode())
    elsewhere = ("weights", "today", "published")
    draft.summary |= {key: value for key, value in asdict(selection).items() if key not in elsewhere}
    draft.summary |= {"advice": advice.sentence}


def target_comparison(climb: Materializer, objective: str, draft: Draft) -> None:
    """Target models on the chosen mixture and on the baselines, at equal tokens, compared seed by seed."""
    rows, outcomes = compare_targets(climb, objective)
    write_outcomes(outcomes, draft.path)
    write_items(draft.path / "items.parquet", items_of(outcomes))
    write_table(draft.path / "comparison.parquet", pa.Table.from_pylist([asdict(row) for row in rows]))
    draft.summary |= {"arms": sorted({CHOSEN, *(row.arm for row in rows)}), "seeds": len(climb.config.target.seeds)}


def mixed_corpus(climb: Materializer, objective: str, draft: Draft) -> None:
    """The data set: documents sampled to the token budget by the weights, no domain repeated beyond the cap."""
    settings, manifest, made = climb.config.mixture, climb.get("corpus_manifest"), climb.get("domains")
    answer = read_table(climb.get("optimal_mixture", objective).file("weights.parquet"), ["name", "weight"])
    names, weights = answer["name"].to_pylist(), answer["weight"].to_numpy()
    shards, clusters, splits = shard_tables(climb), made.file("clusters.parquet"), manifest.file("splits.parquet")
    withheld = Withheld(climb.get("training_tokens").file("evaluation.parquet"), manifest.file("families.parquet"))
    sample = draft.path / SAMPLE
    with open_pool(shards, clusters, splits, withheld, len(names), draft.path) as pool:
        plan = realise(weights, pool.supply, settings.tokens, settings.max_epochs)
        tokens = pool.sample(plan.tokens, settings.seed, sample)
    written = measure(weights, tokens, settings.tokens)
    rows = write_mixed_corpus(sample, shards, names, draft.path, settings.shard_documents, settings.seed)
    write_realised(draft.path / REALISED, names, weights, plan, tokens)
    capped = [name for name, at_cap in zip(names, plan.capped, strict=True) if at_cap]
    draft.summary |= {"documents": rows, "tokens": int(tokens.sum()), **asdict(written)}
    draft.summary |= {"planned_distance": plan.distance, "planned_shortfall": plan.shortfall}
    draft.summary |= {"domains_at_the_epoch_cap": capped, "withheld": pool.withheld}
    before = climb.store.current("mixed_corpus", objective)
    changes = None if before is None else changes_since(before, sample, draft.path / REALISED, draft.path)
    if changes is not None:
        draft.run |= {"changes": changes.in_words(), "changes_by_domain": [asdict(one) for one in changes.domains]}

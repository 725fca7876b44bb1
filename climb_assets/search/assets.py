"""How the search's own assets come about: what is tried next, and what the measurements taught.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft. Between
the two stands `proxy_results`, which is training's.
"""

from collections import Counter

import numpy as np

from climb_assets.graph.hashed_settings import iteration_number
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_key
from climb_assets.search.evidence import evidence_left_out, read_evidence
from climb_assets.search.history import History, first_models
from climb_assets.search.iteration import write_state
from climb_assets.search.noise import losses_of, measure_noise, read_noise
from climb_assets.search.proposal import read_candidates, write_candidates
from climb_assets.search.search_state import propose_candidates, read_knowledge, read_space
from climb_assets.search.stop_rule import STOPPED
from climb_assets.store.artifacts import Draft
from climb_assets.tables import read_table


def mixture_candidates(climb: Materializer, key: str, draft: Draft) -> None:
    """The mixtures that are put up for evaluation, and why each was proposed; none where the stop rule is obeyed."""
    number, space = iteration_number(key), read_space(climb)
    before = climb.get("predictor_state", iteration_key(number - 1)) if number > 1 else None
    known, pool = read_knowledge(space, before) if before else None, space.draw()
    candidates, stopped = propose_candidates(space, read_evidence(climb, space), known, pool, number)
    write_candidates(draft.path / "candidates.parquet", candidates)
    draft.summary |= {"candidates": len(candidates), "pool": len(pool), "domains": len(space.names)}
    draft.summary |= {STOPPED: stopped} if stopped else {}


def predictor_state(climb: Materializer, key: str, draft: Draft) -> None:
    """The predictors fitted on all rows so far, the rows themselves, and how far to trust them."""
    config, number = climb.config, iteration_number(key)
    candidates = read_candidates(climb.get("mixture_candidates", key).file("candidates.parquet"))
    results = read_table(climb.get("proxy_results", key).file("results.parquet"))
    if number == 1:
        space = read_space(climb)
        history, left_out = read_evidence(climb, space), evidence_left_out(config, space.names)
        draft.summary |= {"evidence": len(history.keys), "evidence_left_out": dict(left_out)}
        draft.summary |= {"evidence_of": dict(Counter(history.sources))}
        noise = measure_noise(losses_of(results), config.objectives)
    else:
        before = climb.get("predictor_state", iteration_key(number - 1))
        history, noise = History.load(before.file("history.parquet")), read_noise(before.file("noise.parquet"))
    weights = np.array([candidate.weights for candidate in candidates]).reshape(-1, history.weights.shape[1])
    history = history.extend([candidate.key for candidate in candidates], weights, first_models(results), number)
    draft.summary |= write_state(history, noise, config, draft.path)

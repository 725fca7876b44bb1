"""Seconds to fit a predictor on a finished swarm and to propose the next candidates, against one Gaussian process.

256 mixtures of 20 domains and one task; 64 candidates out of a pool of 100,000 by `propose_next` with the default
settings. The peer is scikit-learn's GaussianProcessRegressor with a length scale for each domain (Matern 5/2 on roots
of weights, noise fitted, no restarts), fitted on the same rows, and the 64 of least prediction taken; both on one
thread. The loss is a made-up smooth function: only time is measured here.

    python benchmarks/proposal.py [--rows 256] [--domains 20] [--json]
"""

import argparse
import json
import time
import warnings
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from climb_assets import config_search
from climb_assets.search.predictor import new_predictor
from climb_assets.search.proposal import draw_pool, propose_first, propose_next
from climb_assets.simplex.limits import Limits
from climb_assets.simplex.mixtures import FloatArray

COUNT, SEED = 64, 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=256, help="mixtures of the swarm")
    parser.add_argument("--domains", type=int, default=20)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with threadpool_limits(1):
        record = measure(arguments.rows, arguments.domains)
    if arguments.json:
        print(json.dumps(record))
    else:
        print(
            f"ours {record['ours']:.2f} s, {record['details']['peer']} {record['peer']:.2f} s: {record['ratio']:.2f}x"
        )


def measure(rows: int, domains: int) -> dict:
    """Return the benchmark's record; the ratio is the peer's seconds over ours."""
    settings = config_search.Search(seed=SEED)
    prior = np.random.default_rng(SEED).dirichlet(np.full(domains, 3.0))
    limits = Limits(np.zeros(domains), np.minimum(settings.max_usage * prior, 1.0))
    pool = draw_pool(prior, limits, settings)
    swarm = np.array([candidate.weights for candidate in propose_first(pool, rows, settings)])
    losses = 3 - np.sqrt(swarm) @ np.linspace(0, 1, domains) + 0.01 * np.random.default_rng(SEED).normal(size=rows)
    ours = min(_seconds(partial(_ours, settings, prior, limits, pool, swarm, losses)) for _ in range(3))
    peer = min(_seconds(partial(_peer, pool, swarm, losses)) for _ in range(3))
    details = {"peer": "scikit-learn's GP with a scale for each domain", "rows": rows, "domains": domains}
    details |= {"pool": len(pool), "candidates": COUNT}
    return {"name": "proposal", "ours": ours, "peer": peer, "ratio": peer / ours, "unit": "s", "details": details}


def _ours(
    settings: config_search.Search,
    prior: FloatArray,
    limits: Limits,
    pool: FloatArray,
    swarm: FloatArray,
    losses: FloatArray,
) -> None:
    predictor = new_predictor(settings.predictor, SEED).fit(swarm, losses)
    best = {"objective": float(losses.min())}
    around = {"objective": swarm[np.argmin(losses)]}
    predict = {"objective": predictor.predict}
    propose_next(pool, swarm, predict, best, around, COUNT, settings, 2, limits, prior)


def _peer(pool: FloatArray, swarm: FloatArray, losses: FloatArray) -> None:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import Matern, WhiteKernel

    kernel = Matern(np.ones(swarm.shape[1]), nu=2.5) + WhiteKernel(1e-2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of length scales at their bounds
        process = GaussianProcessRegressor(kernel, normalize_y=True).fit(np.sqrt(swarm), losses)
        np.argsort(process.predict(np.sqrt(pool)))[:COUNT]


def _seconds(work: partial) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()

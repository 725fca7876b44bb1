"""What proxies were trained on against what was asked for.

What belongs here: the arithmetic on the tables of results. When a difference is too large is the check's business.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def share_missed(realised: pa.Table, results: pa.Table) -> float:
    """Return the largest difference, over models and domains, of a share of the tokens from the weight asked for.

    Models that diverged have stopped before their time and are left out.

    Parameters
    ----------
    realised
        A row for each model and domain: key, repeat, weight, tokens.
    results
        A row for each model and task: key, repeat, diverged.
    """
    ended = results.filter(pc.invert(results["diverged"])).select(["key", "repeat"])
    realised = realised.join(ended.group_by(["key", "repeat"]).aggregate([]), ["key", "repeat"], join_type="inner")
    totals = realised.group_by(["key", "repeat"]).aggregate([("tokens", "sum")])
    joined = realised.join(totals, ["key", "repeat"])
    shares = joined["tokens"].to_numpy() / joined["tokens_sum"].to_numpy()
    return float(np.abs(shares - joined["weight"].to_numpy()).max())

"""Mixtures over other domains of the same text, and what is lost when they are written anew.

What belongs here: arithmetic on weights. Which documents lie where is counted by `climb_assets.training.carried`.

A mixture of domains is a distribution over documents; domains are a way to write it down. Where the domains change,
the share of each new one follows from where the documents of the old ones lie. What cannot be said any longer is that
within a new domain its documents were drawn as the old ones have it.
"""

from dataclasses import dataclass

import numpy as np

from climb_assets.simplex.mixtures import NEGLIGIBLE, FloatArray


@dataclass(frozen=True, eq=False)
class Transfer:
    """Where the text of earlier domains lies among those of today.

    Parameters
    ----------
    shares
        Share of the tokens of each earlier domain that lie in each of today's (D, E); what is missing to 1 is no longer
        trained on: gone from the corpus, held out or pruned.
    before
        How the tokens of each earlier domain are spread over parts finer than domains (D, C); what is missing to 1 lies
        in none of them.
    now
        How the tokens of each of today's domains are spread over the same parts (E, C); rows sum to 1.
    """

    shares: FloatArray
    before: FloatArray
    now: FloatArray

    def express(self, mixtures: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mixtures over the earlier domains (n, D) as mixtures over those of today, and how wrong that is.

        Returns
        -------
        The mixtures (n, E), and for each its doubt (n,): the total variation, over the parts, between the text that
        was drawn and the text that the new mixture would draw, from 0 to 1. Where nothing of the text is left the
        mixture is uniform and the doubt 1.
        """
        found = mixtures @ self.shares
        left = found.sum(axis=1, keepdims=True)
        uniform = np.full_like(found, 1 / found.shape[1])
        expressed = np.where(left > NEGLIGIBLE, found / np.maximum(left, NEGLIGIBLE), uniform)
        drawn = mixtures @ self.before
        apart = np.abs(drawn - expressed @ self.now).sum(axis=1)
        gone = 1 - drawn.sum(axis=1)
        return expressed, np.clip((apart + gone) / 2, 0.0, 1.0)

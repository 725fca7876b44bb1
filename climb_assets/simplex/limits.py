"""Limits: what a mixture may be, and what a limit costs.

What belongs here: the least and the largest weight of each domain, from settings and from the tokens that there are,
and the two costs that go with them: repetition and distance from the prior. The arithmetic of a projection is
`climb_assets.simplex.mixtures`; which mixtures are drawn within the limits is `climb_assets.search.proposal`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from climb_assets import config_search
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.simplex.mixtures import FloatArray, floor_and_round, normalise, project

SLACK = 1e-9  # how far beyond a limit a weight may be by the rounding of floats
NONE_LEFT = (
    "no mixture of the search keeps the limits; widen search.limits, search.max_usage or search.choice.tolerance or, "
    "if the corpus has changed, run `climb renew search`"
)


@dataclass(frozen=True, eq=False)
class Limits:
    """The least and the largest weight of each domain.

    Parameters
    ----------
    floor, ceiling
        Weights (K,), 0 <= floor <= ceiling <= 1, whose sums are at most and at least 1.
    causes
        The setting that each ceiling comes from (K); empty where nothing but the simplex does.
    """

    floor: FloatArray
    ceiling: FloatArray
    causes: tuple[str, ...] = ()

    def kept_by(self, mixtures: FloatArray) -> npt.NDArray[np.bool_]:
        """Return whether each of the mixtures (n, K) keeps the limits (n,)."""
        kept = (mixtures >= self.floor - SLACK) & (mixtures <= self.ceiling + SLACK)
        return np.asarray(kept.all(axis=-1))

    def excess(self, mixtures: FloatArray) -> FloatArray:
        """Return the least total variation (n,) by which mixtures (n, K) must be moved to keep the limits."""
        above = np.maximum(mixtures - self.ceiling, 0.0).sum(axis=-1)
        below = np.maximum(self.floor - mixtures, 0.0).sum(axis=-1)
        return np.asarray(np.maximum(above, below))

    def project(self, mixtures: FloatArray) -> FloatArray:
        """Return the mixtures (n, K) moved onto the limits by `climb_assets.simplex.mixtures.project`."""
        return project(mixtures, self.floor, self.ceiling)

    def round(self, mixtures: FloatArray, min_weight: float) -> FloatArray:
        """Return the mixtures (n, K) on the grid of `min_weight` and within the limits; see `floor_and_round`."""
        return floor_and_round(mixtures, min_weight, self.floor, self.ceiling)


def find_limits(
    prior: FloatArray,
    supply: FloatArray,
    budget: float,
    max_epochs: float,
    settings: config_search.Search,
    names: Sequence[str],
) -> Limits:
    """Return the tightest of all limits that the settings and the supply put on each domain.

    The ceiling of a domain is the least of `search.max_usage` times its prior (NVIDIA's 5_mixture.py), the weight at
    which `budget` tokens repeat it `max_epochs` times (Olmix: p <= k N / R), and the user's own.

    Parameters
    ----------
    prior
        Token share of each domain (K,).
    supply
        Training tokens of each domain (K,), all positive.
    budget
        Tokens that the target model is trained on.
    max_epochs
        How often a domain may be repeated at most.
    names
        Name of each domain (K); the user's floors and ceilings go by name or by number.

    Raises
    ------
    ConfigError
        A floor or a ceiling names no domain, or more than one.
    ComputeError
        No mixture keeps all limits.
    """
    own = settings.limits
    floor = np.maximum(own.floor, _by_domain(own.floors, names, "floors", otherwise=0.0))
    ceilings = {
        "": np.ones(len(prior)),
        "search.max_usage": settings.max_usage * prior,
        "mixture.max_epochs": supply * max_epochs / budget,
        "search.limits.ceilings": _by_domain(own.ceilings, names, "ceilings", otherwise=1.0),
    }
    tightest = np.argmin(list(ceilings.values()), axis=0)
    causes = tuple(list(ceilings)[index] for index in tightest)
    limits = Limits(floor, np.min(list(ceilings.values()), axis=0), causes)
    _check_feasible(limits, names)
    limits.round(prior[None], settings.min_weight)  # refuses limits that no mixture of the grid keeps
    return limits


def _by_domain(wanted: Mapping[str, float], names: Sequence[str], kind: str, otherwise: float) -> FloatArray:
    """Return the user's weight of each domain (K,), `otherwise` where there is none."""
    weights = np.full(len(names), otherwise)
    for domain, weight in wanted.items():
        places = [place for place, name in enumerate(names) if name == domain]
        places = places or [place for place in range(len(names)) if str(place) == domain]
        if len(places) != 1:
            known = ", ".join(f"{place} {name}" for place, name in enumerate(names))
            told = "more than one domain; use its number" if places else "no domain; name one"
            raise ConfigError(f"search.limits.{kind} names {domain!r}, which is {told} of: {known}")
        weights[places[0]] = weight
    return weights


def _check_feasible(limits: Limits, names: Sequence[str]) -> None:
    crossed = np.flatnonzero(limits.floor > limits.ceiling)
    if len(crossed):
        place = crossed[0]
        raise ComputeError(
            f"domain {names[place]} has floor {limits.floor[place]:g} and {limits.causes[place]} allows it "
            f"{limits.ceiling[place]:g}; lower the floor in search.limits or raise {limits.causes[place]}"
        )
    if limits.floor.sum() > 1 + SLACK:
        raise ComputeError(f"the floors of search.limits sum to {limits.floor.sum():.3g}, more than 1; lower them")
    if limits.ceiling.sum() < 1 - SLACK:
        causes = " or ".join(sorted(set(limits.causes) - {""}))
        raise ComputeError(
            f"the ceilings of all domains hold {limits.ceiling.sum():.3g} of a mixture, less than 1; "
            f"raise {causes}, or lower mixture.tokens"
        )


def divergence(mixtures: FloatArray, prior: FloatArray) -> FloatArray:
    """Return the Kullback-Leibler divergence (n,) of mixtures (n, K) from the prior (K,), in nats; 0 log 0 is 0."""
    from scipy.special import rel_entr

    nats: FloatArray = rel_entr(mixtures, prior).sum(axis=-1)
    return nats


def divergence_penalty(mixtures: FloatArray, prior: FloatArray, settings: config_search.Limits) -> FloatArray:
    """Return what `search.limits.divergence` adds to the loss of mixtures (n, K): that times their divergence (n,)."""
    return settings.divergence * divergence(mixtures, prior)


def discount_repeats(mixtures: FloatArray, supply: FloatArray, budget: float, scale: float) -> FloatArray:
    """Return the mixtures (n, K) that tokens without repeats would have to make to be worth as much.

    Of a domain with U tokens that is seen R more times, U + U R* (1 - exp(-R / R*)) tokens count (the law of
    arXiv 2305.16264). Proxies that repeat their data as the target will (`proxy.simulate_epochs`) have measured the
    loss of repetition already: discount there, and it counts twice.

    Parameters
    ----------
    supply
        Training tokens of each domain (K,), all positive.
    budget
        Tokens that the target model is trained on.
    scale
        R*, repeats after which most of the worth is gone; 15.4 in the paper.
    """
    tokens = mixtures * budget
    repeats = np.maximum(tokens / supply - 1, 0.0)
    return normalise(np.minimum(tokens, supply) * (1 + scale * -np.expm1(-repeats / scale)) / budget)

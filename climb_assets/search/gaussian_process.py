"""Gaussian processes over mixtures: smooth, and sure only near what was measured.

What belongs here: the kernel, its likelihood and its posterior. scikit-learn's regressor has the kernel but no priors,
and its gradient in the domains' lengths costs an (n, n, K) array: 240 ms a fit at 112 rows of 17 domains, here 15.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from climb_assets import config_search
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import FloatArray

BIAS = 3.0  # prior variance of the mean of standardised losses
CENTRE = np.log([2.0, 3.0, 0.03])  # prior medians of length, signal variance and noise variance
SPREAD = np.array([1.0, 2.0, 2.0])  # and the standard deviations of their logarithms
BOUNDS = [(np.log(0.03), np.log(30.0)), (np.log(1e-2), np.log(1e3)), (np.log(1e-5), np.log(2.0))]
DOMAIN_BOUNDS = (-3.0, 3.0)
CHUNK = 4096  # mixtures predicted at once: bounds the memory, stays in the cache


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian process with a Matern-5/2 kernel and Gaussian noise, and the rows that it knows.

    Parameters
    ----------
    root
        Whether the kernel sees the square roots of the weights, whose distance is Hellinger's.
    lengths
        Length scale of each domain (K,).
    signal, noise
        Variances of the function and of one measurement.
    weights, losses
        The mixtures (n, K) and their standardised losses (n,).
    trust
        How much each row counts (n,): its measurement has the noise divided by this.
    """

    root: bool
    lengths: FloatArray
    signal: float
    noise: float
    weights: FloatArray
    losses: FloatArray
    trust: FloatArray

    @cached_property
    def _posterior(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the scaled inputs (n, K), the inverse of the Cholesky factor (n, n) and K^-1 y (n,)."""
        from scipy.linalg import solve_triangular

        inputs = self._scale(self.weights)
        covariance = BIAS + self.signal * matern(squared_distances(inputs, inputs))[0]
        covariance[np.diag_indices_from(covariance)] += self.noise / self.trust
        inverse = solve_triangular(np.linalg.cholesky(covariance), np.eye(len(inputs)), lower=True)
        return inputs, inverse, inverse.T @ (inverse @ self.losses)

    def _scale(self, weights: FloatArray) -> FloatArray:
        return _inputs(weights, self.root) / self.lengths

    def predict(self, weights: FloatArray) -> Prediction:
        """Return the posterior mean and standard deviation of the function at mixtures (m, K)."""
        inputs, inverse, solved = self._posterior
        mean, variance = np.empty(len(weights)), np.empty(len(weights))
        for start in range(0, len(weights), CHUNK):
            part = slice(start, start + CHUNK)
            cross = matern(squared_distances(self._scale(weights[part]), inputs))[0]
            cross *= self.signal
            cross += BIAS
            mean[part] = cross @ solved
            explained = cross @ inverse.T
            variance[part] = BIAS + self.signal - np.einsum("ij,ij->i", explained, explained)
        return Prediction(mean, np.sqrt(np.maximum(variance, 0.0)))

    @property
    def constant(self) -> bool:
        """Whether all rows have the same loss."""
        return bool(np.ptp(self.losses) == 0)

    def to_json(self) -> dict[str, Any]:
        """Return the hyperparameters and the rows."""
        return {
            "root": self.root,
            "lengths": self.lengths.tolist(),
            "signal": self.signal,
            "noise": self.noise,
            "weights": self.weights.tolist(),
            "losses": self.losses.tolist(),
            "trust": self.trust.tolist(),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """Return the process that made the state."""
        arrays = {name: np.array(state[name], dtype=np.float64) for name in ("lengths", "weights", "losses", "trust")}
        return cls(root=state["root"], signal=state["signal"], noise=state["noise"], **arrays)


def fit_gaussian_process(
    weights: FloatArray,
    losses: FloatArray,
    settings: config_search.GaussianProcess,
    *,
    per_domain: bool,
    trust: FloatArray | None = None,
) -> GaussianProcess:
    """Return the process whose hyperparameters are most probable (ML-II with weak log-normal priors).

    Parameters
    ----------
    weights, losses
        Mixtures (n, K) and their standardised losses (n,).
    per_domain
        Whether every domain has a length scale of its own (automatic relevance determination): the common one times a
        factor whose logarithm has a normal prior of `settings.relevance`, so that few rows leave them all alike.
    trust
        How much each row counts (n,); None: all count 1.
    """
    from scipy.optimize import minimize

    trust = np.ones(len(losses)) if trust is None else trust
    inputs = _inputs(weights, settings.inputs == "sqrt")
    domains = inputs.shape[1] if per_domain else 0
    found = minimize(
        _surprise,
        np.concatenate([CENTRE, np.zeros(domains)]),
        args=(inputs, losses, trust, np.concatenate([SPREAD, np.full(domains, settings.relevance)])),
        jac=True,
        method="L-BFGS-B",
        bounds=BOUNDS + [DOMAIN_BOUNDS] * domains,
        options={"maxiter": settings.steps, "ftol": 1e-5, "gtol": 1e-2},
    )
    length, signal, noise = np.exp(found.x[:3])
    lengths = length * np.exp(found.x[3:]) if per_domain else np.full(inputs.shape[1], length)
    return GaussianProcess(settings.inputs == "sqrt", lengths, float(signal), float(noise), weights, losses, trust)


def _inputs(weights: FloatArray, root: bool) -> FloatArray:
    return np.sqrt(weights) if root else weights


def _surprise(
    logs: FloatArray, inputs: FloatArray, losses: FloatArray, trust: FloatArray, spread: FloatArray
) -> tuple[float, FloatArray]:
    """Return the negative logarithm of the posterior density of hyperparameters, and its gradient.

    `logs` holds the logarithms of the common length, the signal and the noise, and with lengths per domain those
    of their factors (K,).
    """
    from scipy.linalg import cho_factor, cho_solve

    (length, signal, noise), factors = np.exp(logs[:3]), np.exp(logs[3:])
    scaled = inputs / (length * factors if len(factors) else length)
    correlation, slope = matern(squared_distances(scaled, scaled))
    covariance = BIAS + signal * correlation
    covariance[np.diag_indices_from(covariance)] += noise / trust
    factor = cho_factor(covariance, lower=True)
    inverse = cho_solve(factor, np.eye(len(losses)))
    solved = inverse @ losses
    pull = np.outer(solved, solved) - inverse  # twice the gradient of the log likelihood in the covariance
    stretch = signal * pull * slope
    by_domain = (scaled**2 * stretch.sum(axis=1)[:, None]).sum(axis=0) - (scaled * (stretch @ scaled)).sum(axis=0)
    uphill = np.concatenate(
        [
            [by_domain.sum(), 0.5 * signal * (pull * correlation).sum(), 0.5 * noise * (np.diag(pull) / trust).sum()],
            by_domain if len(factors) else [],
        ]
    )
    offset = (logs - np.concatenate([CENTRE, np.zeros(len(factors))])) / spread
    likelihood = -0.5 * losses @ solved - np.log(np.diag(factor[0])).sum()
    return float(0.5 * offset @ offset - likelihood), offset / spread - uphill


def matern(squared: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the Matern-5/2 correlation at squared distances (n, m), and -2 times its derivative in them."""
    root = np.sqrt(5.0 * squared)
    decay = np.exp(-root)
    slope = (1.0 + root) * decay
    correlation = slope + squared * (5.0 / 3.0) * decay
    slope *= 5.0 / 3.0
    return correlation, slope


def squared_distances(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return the squared distances (n, m) between points (n, K) and (m, K)."""
    squared: FloatArray = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2.0 * left @ right.T
    np.maximum(squared, 0.0, out=squared)  # rounding
    return squared

"""An edit of the source makes exactly what it decides stale, and no model that other code trained is taken for it."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TRAINED = {"proxy_results", "baseline_mixtures", "proxy_fidelity", "confirmation_results", "target_comparison"}
LEARNT = {"mixture_candidates", "predictor_state", "optimal_mixture", "mixed_corpus", "audit_bundle"}  # behind those
OF_CLUSTERS = {"cluster_assignments", "cluster_statistics", "domains", "training_tokens"}


@dataclass(frozen=True)
class Edit:
    """One change of the source.

    Parameters
    ----------
    file
        Below `climb_assets`.
    old, new
        What stands there once, and what takes its place.
    changed
        The assets that it decides.
    behind
        The assets that are made from those.
    """

    file: str
    old: str
    new: str
    changed: set[str]
    behind: set[str]

    @property
    def module(self) -> str:
        """The module as causes name it."""
        return self.file.removesuffix(".py").replace("/", ".")


REVERSED_BATCHES = Edit(
    "training/sequence_plan.py", "np.asarray(weights, dtype", "np.asarray(weights[::-1], dtype", TRAINED, LEARNT
)
REVERSED_FIT = Edit(
    "search/prediction.py" if False else "search/trees.py",
    "lightgbm.Dataset(weights, losses",
    "lightgbm.Dataset(weights[:, ::-1], losses",
    {"predictor_state", "baseline_mixtures"},
    (TRAINED | LEARNT) - {"predictor_state", "baseline_mixtures", "proxy_fidelity"},
)
NEVER_DIVERGED = Edit(
    "training/train.py", "TrainingResult(curve, True,", "TrainingResult(curve, False,", TRAINED, LEARNT
)
HALF_THE_STEPS = Edit(
    "config.py",
    "-(-self.tokens // (self.batch * self.sequence))",
    "-(-self.tokens // (self.batch * self.sequence)) // 2",
    TRAINED,
    LEARNT,
)
BODY = Edit(
    "clusters/assets.py",
    "settings.count * settings.sample_per_cluster",
    "settings.sample_per_cluster",
    {"cluster_model"},
    OF_CLUSTERS | TRAINED | LEARNT,
)

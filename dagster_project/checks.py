"""Asset checks: what must hold of an artefact before anything is made from it, and what is only told.

What belongs here: each check of the graph, evaluated on the artefacts that a run made of one asset: one, or one for
each of its partitions. The arithmetic belongs to the stages, and so does refusing: what breaks a blocking check is
raised by them before anything is committed, since Dagster looks when the artefact is there already.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import numpy as np

from climb_assets.clusters.pruned import NOTABLE_SHARE
from climb_assets.config import SEARCH_PROXY
from climb_assets.graph.materializer import Materializer
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import read_space
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.fidelity import in_words, of_setting, read_fidelity
from climb_assets.training.realised_shares import allowed_miss, share_missed


@dataclass(frozen=True)
class Finding:
    """What a check found: whether it passed, and the figures to show beside."""

    passed: bool
    shown: Mapping[str, Any] = field(default_factory=dict)
    description: str | None = None


@dataclass(frozen=True)
class Check:
    """One check of one asset.

    Parameters
    ----------
    evaluate
        Given the artefacts of the asset's partitions that a run made, at least one.
    blocking
        Whether nothing may be made from an artefact that fails it; else a failure is a warning.
    """

    name: str
    asset: str
    description: str
    evaluate: Callable[[Materializer, Sequence[Artifact]], Finding]
    blocking: bool = True

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The check as Dagster declares it."""
        return dg.AssetCheckSpec(self.name, asset=self.asset, blocking=self.blocking, description=self.description)

    def result(self, climb: Materializer, made: Sequence[Artifact]) -> dg.AssetCheckResult:
        """Evaluate the check and report it."""
        finding = self.evaluate(climb, made)
        return dg.AssetCheckResult(
            asset_key=self.asset,
            check_name=self.name,
            passed=finding.passed,
            severity=dg.AssetCheckSeverity.ERROR if self.blocking else dg.AssetCheckSeverity.WARN,
            description=finding.description,
            metadata=dict(finding.shown),
        )


def _counts_add_up(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    read = accounted = 0
    for artifact in made:
        counts = artifact.summary
        outcomes = counts["kept"] + counts["filtered_short"] + counts["filtered_duplicate"] + counts["quarantined"]
        accounted, read = accounted + outcomes, read + counts["read"]
    return Finding(accounted == read, {"accounted": accounted})


def _no_pair_crosses(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    facts = made[-1].summary["splits"]
    shown = {f"crossing_{when}": facts[f"crossing_{when}"] for when in ("before", "after")}
    return Finding(facts["crossing_after"] == 0, shown | {"near_duplicates": facts["near_duplicates"]})


def _little_is_pruned(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    facts = made[-1].summary
    share, advice = facts["pruned_token_share"], facts["pruned_advice"]
    shown = {key: facts[key] for key in ("clusters_pruned", "pruned_documents", "pruned_tokens", "pruned_token_share")}
    told = f"{share:.1%} of the tokens that may be trained on are pruned" + (f"; {advice}" if advice else "")
    return Finding(advice is None, shown, f"{told}.")


def _candidates_on_simplex(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    worst = max(float(np.abs(_candidates(artifact).sum(axis=1) - 1).max()) for artifact in made)
    return Finding(worst < 1e-9)


def _candidates_within_limits(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    limits = read_space(climb).limits
    beyond = sum(int((~limits.kept_by(_candidates(artifact))).sum()) for artifact in made)
    return Finding(beyond == 0, {"beyond": beyond})


def _candidates(artifact: Artifact) -> np.ndarray:
    return np.array([candidate.weights for candidate in read_candidates(artifact.file("candidates.parquet"))])


def _unflagged_losses_finite(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    unsound = 0
    for artifact in made:
        results = read_table(artifact.file("results.parquet"))
        unsound += int(np.sum(~np.isfinite(results["loss"].to_numpy()) & ~results["diverged"].to_numpy()))
    return Finding(unsound == 0, {"diverged": sum(artifact.summary["diverged"] for artifact in made)})


def _realised_shares_as_asked(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    missed = max(
        share_missed(read_table(artifact.file("realised.parquet")), read_table(artifact.file("results.parquet")))
        for artifact in made
    )
    return Finding(missed <= allowed_miss(climb.config.proxy), {"largest difference of a domain's share": missed})


def _predictor_skill(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    skill = made[-1].summary["out_of_fold_spearman"]
    return Finding(
        any((value or 0) > 0 for value in skill.values()), {name: str(value) for name, value in skill.items()}
    )


def _proxy_ranks_hold(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    settings = climb.config.fidelity
    own = of_setting(read_fidelity(made[-1].file("fidelity.parquet")), SEARCH_PROXY)
    shown = {name: in_words(row.mixtures, row.spearman, row.low, row.high) for name, row in own.items()}
    shown |= {
        f"{name}, best quarter": in_words(row.top_mixtures, row.top_spearman, row.top_low, row.top_high)
        for name, row in own.items()
    }
    passed = bool(own) and all((row.spearman or 0) >= settings.wanted for row in own.values())
    return Finding(passed, shown, None if settings.mixtures else "not asked for: fidelity.mixtures is 0")


def _answer_on_simplex(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    answers = [_answer(artifact) for artifact in made]
    return Finding(all(bool(np.isclose(shares.sum(), 1) and (shares >= 0).all()) for shares in answers))


def _answer_within_limits(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    limits = read_space(climb).limits
    return Finding(all(bool(limits.kept_by(_answer(artifact))) for artifact in made))


def _answer(artifact: Artifact) -> np.ndarray:
    shares: np.ndarray = read_table(artifact.file("weights.parquet"))["weight"].to_numpy()
    return shares


def _within_plan(climb: Materializer, made: Sequence[Artifact]) -> Finding:
    passed, planned, kept = True, 0, 0
    for artifact in made:
        realised = read_table(artifact.file("realised.parquet"))
        wanted, tokens = realised["planned"].to_numpy(), realised["tokens"].to_numpy()
        passed &= bool((tokens <= wanted).all())
        planned, kept = planned + int(wanted.sum()), kept + int(tokens.sum())
    return Finding(passed, {"planned": planned, "tokens": kept})


CHECKS = (
    Check("counts_add_up", "corpus_shards", "kept + filtered + quarantined = read", _counts_add_up),
    Check(
        "no_near_duplicates_across_splits",
        "corpus_manifest",
        "Of no pair of near-duplicates is one document in train and the other held out.",
        _no_pair_crosses,
    ),
    Check(
        "little_is_pruned",
        "domains",
        f"At most {NOTABLE_SHARE:.0%} of the tokens that may be trained on are in clusters that are pruned.",
        _little_is_pruned,
        blocking=False,
    ),
    Check("weights_on_simplex", "mixture_candidates", "Every candidate's weights sum to 1.", _candidates_on_simplex),
    Check("weights_within_limits", "mixture_candidates", "No candidate breaks a limit.", _candidates_within_limits),
    Check("unflagged_losses_finite", "proxy_results", "What is not flagged is a number.", _unflagged_losses_finite),
    Check("realised_shares_as_asked", "proxy_results", "Proxies saw what was asked.", _realised_shares_as_asked),
    Check("predictor_skill", "predictor_state", "Reported; it never stops a search.", _predictor_skill, blocking=False),
    Check(
        "proxy_ranks_hold",
        "proxy_fidelity",
        "The search's proxies rank mixtures as target models do, as well as fidelity.wanted asks for.",
        _proxy_ranks_hold,
        blocking=False,
    ),
    Check("weights_on_simplex", "optimal_mixture", "The answer's weights are shares of 1.", _answer_on_simplex),
    Check("weights_within_limits", "optimal_mixture", "The answer breaks no limit.", _answer_within_limits),
    Check("within_plan", "mixed_corpus", "No domain exceeds its planned tokens.", _within_plan),
)


def checks_of(*assets: str) -> list[Check]:
    """Return the checks of some assets."""
    return [check for check in CHECKS if check.asset in assets]

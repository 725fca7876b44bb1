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

from climb_assets.clusters.drift import MEASURES
from climb_assets.clusters.held_out import FILE, read_held_out
from climb_assets.clusters.pruned import NOTABLE_SHARE
from climb_assets.config import SEARCH_PROXY
from climb_assets.graph.materializer import Materializer
from climb_assets.rounding import round_numbers
from climb_assets.search.iteration import source_beliefs
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import read_space, read_space_today
from climb_assets.search.trust import HALF
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.fidelity import in_words, of_setting, read_fidelity
from climb_assets.training.realised_shares import allowed_miss, share_missed
from dagster_project.drift_checks import describe_check, judge


@dataclass(frozen=True)
class CheckOutcome:
    """What a check found: whether it passed, in one sentence, and the figures to show beside."""

    passed: bool
    description: str
    shown: Mapping[str, Any] = field(default_factory=dict)


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
    evaluate: Callable[[Materializer, Sequence[Artifact]], CheckOutcome]
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
            metadata=round_numbers(dict(finding.shown)),
        )


def _counts_add_up(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    read = accounted = 0
    for artifact in made:
        counts = artifact.summary
        outcomes = counts["kept"] + counts["filtered_short"] + counts["filtered_duplicate"] + counts["quarantined"]
        accounted, read = accounted + outcomes, read + counts["read"]
    told = f"{accounted:,} of {read:,} records are kept, filtered or quarantined."
    return CheckOutcome(accounted == read, told, {"accounted": accounted})


def _scorer_agrees(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    rows = read_held_out(made[-1].file(FILE))
    shown = {row.dimension: row.in_words() for row in rows}
    told = "; ".join(f"{name}: {text}" for name, text in shown.items()) or "the scorer is fitted on none"
    return CheckOutcome(all(row.tells for row in rows), f"Rank correlation with held-out annotations: {told}.", shown)


def _no_pair_crosses(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    facts = made[-1].summary["splits"]
    shown = {f"crossing_{when}": facts[f"crossing_{when}"] for when in ("before", "after")}
    crossing, pairs = facts["crossing_after"], facts["near_duplicates"]
    told = f"{crossing} of {pairs} pairs of near-duplicates cross train and held-out text."
    return CheckOutcome(crossing == 0, told, shown | {"near_duplicates": pairs})


def _evidence_agrees(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    beliefs = source_beliefs(read_table(made[-1].file("evidence.parquet")))
    told = {source: "not known yet" if value is None else round(value, 2) for source, value in beliefs.items()}
    words = "; ".join(f"{source}: {value}" for source, value in told.items()) or "the search began with none"
    agrees = all(value is None or value >= HALF for value in beliefs.values())
    return CheckOutcome(agrees, f"How far evidence is believed, of 1: {words}.", told)


def _little_is_pruned(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    facts = made[-1].summary
    share, advice = facts["pruned_token_share"], facts["pruned_advice"]
    shown = {key: facts[key] for key in ("clusters_pruned", "pruned_documents", "pruned_tokens", "pruned_token_share")}
    told = f"{share:.1%} of the tokens that may be trained on are pruned" + (f"; {advice}" if advice else "")
    return CheckOutcome(advice is None, f"{told}.", shown)


def _candidates_on_simplex(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    worst = max(float(np.abs(_candidates(artifact).sum(axis=1) - 1).max(initial=0)) for artifact in made)
    return CheckOutcome(worst < 1e-9, f"The sum of a candidate's weights is at most {worst:.1e} away from 1.")


def _candidates_within_limits(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    limits = read_space(climb).limits
    beyond = sum(int((~limits.kept_by(_candidates(artifact))).sum()) for artifact in made)
    return CheckOutcome(beyond == 0, f"{beyond} candidates break a limit.", {"beyond": beyond})


def _candidates(artifact: Artifact) -> np.ndarray:
    """Return the candidates of an iteration (n, K), which are none where the stop rule is obeyed."""
    weights = [candidate.weights for candidate in read_candidates(artifact.file("candidates.parquet"))]
    return np.array(weights).reshape(-1, artifact.summary["domains"])


def _unflagged_losses_finite(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    unsound = 0
    for artifact in made:
        results = read_table(artifact.file("results.parquet"))
        unsound += int(np.sum(~np.isfinite(results["loss"].to_numpy()) & ~results["diverged"].to_numpy()))
    diverged = sum(artifact.summary["diverged"] for artifact in made)
    told = f"{unsound} losses are no numbers and not flagged; {diverged} proxies are flagged as diverged."
    return CheckOutcome(unsound == 0, told, {"diverged": diverged})


def _realised_shares_as_asked(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    missed = max(
        share_missed(read_table(artifact.file("realised.parquet")), read_table(artifact.file("results.parquet")))
        for artifact in made
    )
    allowed = allowed_miss(climb.config.proxy)
    told = f"What a proxy read of a domain is at most {missed:.2g} away from its weight; {allowed:.2g} is allowed."
    return CheckOutcome(missed <= allowed, told, {"largest difference of a domain's share": missed})


def _predictor_skill(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    skill = made[-1].summary["out_of_fold_spearman"]
    shown = {name: "none yet" if value is None else f"{value:.2f}" for name, value in skill.items()}
    told = ", ".join(f"{name} {value}" for name, value in shown.items())
    passed = any((value or 0) > 0 for value in skill.values())
    return CheckOutcome(passed, f"Rank correlation of left-out predictions and measurements: {told}.", shown)


def _proxy_ranks_hold(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    settings = climb.config.fidelity
    own = of_setting(read_fidelity(made[-1].file("fidelity.parquet")), SEARCH_PROXY)
    shown = {name: in_words(row.mixtures, row.spearman, row.low, row.high) for name, row in own.items()}
    shown |= {
        f"{name}, best quarter": in_words(row.top_mixtures, row.top_spearman, row.top_low, row.top_high)
        for name, row in own.items()
    }
    passed = bool(own) and all((row.spearman or 0) >= settings.wanted for row in own.values())
    told = "; ".join(f"{name}: {text}" for name, text in shown.items()) or "nothing was measured"
    if not settings.mixtures:
        told = "not asked for: fidelity.mixtures is 0"
    return CheckOutcome(
        passed, f"Rank correlation of proxies and target models, {settings.wanted:g} is wanted: {told}.", shown
    )


def _answer_on_simplex(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    answers = [_answer(artifact) for artifact in made]
    passed = all(bool(np.isclose(shares.sum(), 1) and (shares >= 0).all()) for shares in answers)
    return CheckOutcome(passed, f"The weights sum to {', '.join(f'{shares.sum():.6g}' for shares in answers)}.")


def _answer_within_limits(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    limits = read_space_today(climb).limits
    broken = sum(not limits.kept_by(_answer(artifact)) for artifact in made)
    return CheckOutcome(broken == 0, f"{broken} of {len(made)} answers break a limit.")


def _answer(artifact: Artifact) -> np.ndarray:
    shares: np.ndarray = read_table(artifact.file("weights.parquet"))["weight"].to_numpy()
    return shares


def _within_plan(climb: Materializer, made: Sequence[Artifact]) -> CheckOutcome:
    passed, planned, kept = True, 0, 0
    for artifact in made:
        realised = read_table(artifact.file("realised.parquet"))
        wanted, tokens = realised["planned"].to_numpy(), realised["tokens"].to_numpy()
        passed &= bool((tokens <= wanted).all())
        planned, kept = planned + int(wanted.sum()), kept + int(tokens.sum())
    told = f"{kept:,} of {planned:,} planned tokens are in the data set."
    return CheckOutcome(passed, told, {"planned": planned, "tokens": kept})


def _drift_check(measure: str) -> Check:
    """Return the check of a measure of drift."""
    name, asked = describe_check(measure)
    find = judge(measure)
    return Check(name, "taxonomy_drift", asked, lambda climb, made: CheckOutcome(*find(climb, made)), blocking=False)


CHECKS = (
    Check(
        "counts_add_up", "corpus_shards", "Every record that was read is kept, filtered or quarantined.", _counts_add_up
    ),
    Check(
        "scorer_agrees",
        "quality_scorer",
        "On annotations that it was not fitted on, the scorer ranks documents better than chance in every dimension.",
        _scorer_agrees,
        blocking=False,
    ),
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
    *(_drift_check(measure) for measure in MEASURES),
    Check(
        "weights_on_simplex", "mixture_candidates", "The weights of every candidate sum to 1.", _candidates_on_simplex
    ),
    Check(
        "weights_within_limits",
        "mixture_candidates",
        "No candidate breaks a floor, a ceiling or an epoch cap.",
        _candidates_within_limits,
    ),
    Check(
        "unflagged_losses_finite",
        "proxy_results",
        "A loss that is no number is flagged as diverged.",
        _unflagged_losses_finite,
    ),
    Check(
        "realised_shares_as_asked",
        "proxy_results",
        "What each proxy read of a domain is what its weight asks for.",
        _realised_shares_as_asked,
    ),
    Check(
        "evidence_agrees",
        "predictor_state",
        "What the search measured itself does not speak against the evidence that it began with.",
        _evidence_agrees,
        blocking=False,
    ),
    Check(
        "predictor_skill",
        "predictor_state",
        "Left-out predictions rank mixtures as measurements do; reported, and never stops a search.",
        _predictor_skill,
        blocking=False,
    ),
    Check(
        "proxy_ranks_hold",
        "proxy_fidelity",
        "The search's proxies rank mixtures as target models do, as well as fidelity.wanted asks for.",
        _proxy_ranks_hold,
        blocking=False,
    ),
    Check(
        "weights_on_simplex",
        "optimal_mixture",
        "The answer's weights are not negative and sum to 1.",
        _answer_on_simplex,
    ),
    Check(
        "weights_within_limits",
        "optimal_mixture",
        "The answer breaks no floor, ceiling or epoch cap.",
        _answer_within_limits,
    ),
    Check("within_plan", "mixed_corpus", "No domain has more tokens in the data set than planned.", _within_plan),
)


def checks_of(*assets: str) -> list[Check]:
    """Return the checks of some assets."""
    return [check for check in CHECKS if check.asset in assets]

"""One sentence for each asset: what its artefact holds, in words, for the top of its page.

What belongs here: words from the facts of a manifest. Tables and pictures are `dagster_project.metadata`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from climb_assets.pictures.scales import percent, plain, signed
from climb_assets.search.stop_rule import STOPPED
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table

USES = {"train": "to train on", "search_eval": "held out to decide", "report_eval": "held out to report"}  # of a split

Facts = Mapping[str, Any]


def sentence_of(artifact: Artifact) -> str:
    """Return what an artefact holds, in one sentence or two."""
    return SENTENCES[artifact.asset](artifact, artifact.summary)


def _listed(counted: Mapping[str, int], otherwise: str) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counted.items() if count) or otherwise


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _shard(artifact: Artifact, facts: Facts) -> str:
    held = _listed({told: facts["by_split"].get(key, 0) for key, told in USES.items()}, "none of use")
    lost = {"filtered": facts["filtered_duplicate"] + facts["filtered_short"], "quarantined": facts["quarantined"]}
    return f"{facts['kept']:,} documents of {facts['read']:,} records: {held}. Left out: {_listed(lost, 'nothing')}."


def _manifest(artifact: Artifact, facts: Facts) -> str:
    splits = facts["splits"]
    return (
        f"The corpus: {facts['documents']:,} documents and {facts['tokens']:,} tokens in {facts['shards']} shards, "
        f"{splits['by_split']['train']:,} documents of them to train on. {splits['near_duplicates']:,} pairs are "
        f"near-duplicates, and {splits['crossing_after'] or 'none'} still cross from train to held-out text."
    )


def _scores(artifact: Artifact, facts: Facts) -> str:
    told = ", ".join(
        f"{name.replace('_', ' ')} {plain(value, 1)}" for name, value in facts["means"].items() if value is not None
    )
    return (
        f"{facts['documents']:,} documents scored from 0 to 5, more is better; on average "
        f"{told or 'nothing could be judged'}."
    )


def _scorer(artifact: Artifact, facts: Facts) -> str:
    if not facts["annotated_documents"]:
        return f"Quality is scored by {facts['scorer']}; nothing was fitted."
    told = ", ".join(
        f"{name} {plain(value, 2)}" for name, value in facts["held_out_spearman"].items() if value is not None
    )
    return (
        f"Fitted on {facts['annotated_documents']:,} annotated documents; rank correlation with those held out: "
        f"{told or 'not known'}."
    )


def _domains(artifact: Artifact, facts: Facts) -> str:
    pruned = f"{facts['clusters_pruned']} clusters were pruned ({percent(facts['pruned_token_share'])} of the tokens"
    why = f", mostly for low {facts['pruned_mostly_by']})" if facts["clusters_pruned"] else ")"
    return f"{facts['domains']} domains, made of {facts['clusters_kept']} clusters; {pruned}{why}."


def _supply(artifact: Artifact, facts: Facts) -> str:
    empty = f" {len(facts['empty'])} of them hold nothing any more." if facts["empty"] else ""
    return (
        f"{facts['domains']} domains hold {facts['tokens']:,} tokens in {facts['documents']:,} documents today.{empty}"
    )


def _drift(artifact: Artifact, facts: Facts) -> str:
    beyond = facts["beyond"]
    more = (
        f"{_counted(beyond, 'measure')} moved more than chance explains"
        if beyond
        else "no measure moved more than it may"
    )
    return f"{percent(facts['token_drift'])} of the tokens moved between domains since they were made; {more}."


def _evidence(artifact: Artifact, facts: Facts) -> str:
    if not facts["rows"]:
        return "No earlier search had anything to carry along."
    return f"{facts['rows']:,} mixtures of earlier searches are carried along, of {facts['models']:,} models."


def _candidates(artifact: Artifact, facts: Facts) -> str:
    if facts.get(STOPPED):
        told = "; ".join(f"{name}: {why}" for name, why in facts[STOPPED].items())
        return f"This iteration trains nothing: {told}."
    return (
        f"{facts['candidates']} mixtures of {facts['domains']} domains to train proxies on, out of a pool of "
        f"{facts['pool']:,}."
    )


def _results(artifact: Artifact, facts: Facts) -> str:
    lost = f"{facts['diverged']} of them diverged" if facts["diverged"] else "none diverged"
    return f"{facts['proxies']} proxies were trained on {facts['tokens_per_proxy']:,} tokens each and measured; {lost}."


def _predictor(artifact: Artifact, facts: Facts) -> str:
    ranks = {
        name: "not known" if value is None else plain(value, 2) for name, value in facts["out_of_fold_spearman"].items()
    }
    told = ", ".join(f"{rank} for {name}" for name, rank in ranks.items())
    return (
        f"Fitted on {facts['rows']} mixtures. Predictions of mixtures that it had not seen rank as measured by "
        f"{told}; 1 is best."
    )


def _fidelity(artifact: Artifact, facts: Facts) -> str:
    if not facts["mixtures"]:
        return "Whether proxies rank mixtures as target models do was not asked for (fidelity.mixtures)."
    were = "was" if facts["settings"] == 1 else "were"
    return (
        f"{_counted(facts['settings'], 'setting')} of proxies {were} held against target models "
        f"on {_counted(facts['mixtures'], 'mixture')}."
    )


def _answer(artifact: Artifact, facts: Facts) -> str:
    rows = sorted(read_table(artifact.file("weights.parquet")).to_pylist(), key=lambda row: -row["weight"])
    named = ", ".join(f"{percent(row['weight'])} {row['name']}" for row in rows[:3])
    left = percent(sum(row["weight"] for row in rows[3:]))
    evidence = facts["evidence"]
    sure = (
        "It was not confirmed with fresh seeds"
        if evidence is None
        else f"By fresh seeds it is {evidence['conclusion']}"
    )
    return f"Train on {named} and {left} of the others. {sure}. Another iteration? {facts['advice']}."


def _comparison(artifact: Artifact, facts: Facts) -> str:
    found: dict[str, dict[str, list[str]]] = {}
    for row in read_table(artifact.file("comparison.parquet")).to_pylist():
        if row["family"] == "primary":
            arm = f"{row['arm']} ({signed(row['difference'])})"
            found.setdefault(row["measure"], {}).setdefault(row["verdict"], []).append(arm)
    told = "; ".join(
        f"by the {measure} " + ", ".join(f"{verdict} against {', '.join(arms)}" for verdict, arms in verdicts.items())
        for measure, verdicts in found.items()
    )
    return f"Target models on the answer, {facts['seeds']} seeds of each, in bits per byte: {told}."


def _data_set(artifact: Artifact, facts: Facts) -> str:
    short = f"; {facts['shortfall']:,} tokens short of the budget" if facts["shortfall"] > 0 else ""
    return f"The data set: {facts['documents']:,} rows, {facts['tokens']:,} tokens{short}."


SENTENCES: Mapping[str, Callable[[Artifact, Facts], str]] = {
    "raw_shards": lambda artifact, facts: (
        f"{_counted(facts['files'], 'raw file')}, {facts['bytes']:,} bytes; "
        f"{facts['unreadable'] or 'none'} cannot be read."
    ),
    "corpus_shards": _shard,
    "document_signatures": lambda artifact, facts: (
        f"Signatures of {facts['documents']:,} documents, of {facts['words']:,} words."
    ),
    "contamination": lambda artifact, facts: (
        f"{_counted(facts['documents'], 'document')} with an item of a task in this shard."
    ),
    "near_duplicates": lambda artifact, facts: (
        f"{facts['pairs']:,} pairs of nearly equal documents, {facts['documents']:,} documents in all."
    ),
    "tokenizer": lambda artifact, facts: (
        f"A vocabulary of {facts['vocabulary']:,} tokens." if "vocabulary" in facts else "The tokenizer of a path."
    ),
    "tokenized_shards": lambda artifact, facts: (
        f"{facts['tokens']:,} tokens of {facts['documents']:,} documents, "
        f"{facts['bytes'] / max(facts['tokens'], 1):.2f} bytes a token."
    ),
    "embeddings": lambda artifact, facts: (
        f"{facts['documents']:,} documents as vectors of {facts['dimension']} numbers."
    ),
    "quality_scorer": _scorer,
    "quality_scores": _scores,
    "corpus_manifest": _manifest,
    "cluster_model": lambda artifact, facts: (
        f"{facts['clusters']} clusters, found on a sample of {facts['sampled']:,} documents."
    ),
    "cluster_assignments": lambda artifact, facts: f"{facts['documents']:,} documents, each with its nearest cluster.",
    "cluster_statistics": lambda artifact, facts: (
        f"{facts['clusters']} clusters hold {facts['tokens']:,} tokens to train on, "
        f"in {facts['documents']:,} documents."
    ),
    "domains": _domains,
    "domain_supply": _supply,
    "taxonomy_drift": _drift,
    "training_tokens": lambda artifact, facts: (
        f"{facts['tokens']:,} tokens of {facts['domains']} domains to train models on; "
        f"{facts['evaluation_documents']:,} documents to measure them."
    ),
    "carried_evidence": _evidence,
    "mixture_candidates": _candidates,
    "proxy_results": _results,
    "predictor_state": _predictor,
    "baseline_mixtures": lambda artifact, facts: f"What the answer is compared with: {', '.join(facts['baselines'])}.",
    "proxy_fidelity": _fidelity,
    "confirmation_results": lambda artifact, facts: (
        f"{facts['proxies']} proxies with fresh seeds decide between "
        f"{', '.join(facts['shortlist']) or 'nothing'} and the baselines."
    ),
    "optimal_mixture": _answer,
    "target_comparison": _comparison,
    "mixed_corpus": _data_set,
    "audit_bundle": lambda artifact, facts: (
        f"{facts['documents']:,} documents, {facts['raw_files']:,} raw files and "
        f"{facts['artefacts']:,} artefacts that the data set rests on, each by its hash."
    ),
}

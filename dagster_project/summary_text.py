"""What people read at the end: the state of the lake in words and tables.

What belongs here: text for the terminal, from what `dagster_project.summary` found. What comes from data is escaped and
cut.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable
from climb_assets.search.shadow_prices import ShadowPrice
from climb_assets.search.stop_rule import STOPPED
from climb_assets.search.trust import HALF
from climb_assets.training.fidelity import in_words
from dagster_project.summary import summarise

PRUNED_SHOWN = 5  # clusters
LICENCES = 5  # that are named in a sentence
EXCERPT = 80  # characters of the beginning of a document


def describe(materializer: Materializer) -> str:
    """Return the state of the lake as text; what is not of the current graph bears a mark."""
    state = summarise(materializer)
    marks = {key: _mark(value) for key, value in state["states"].items() if isinstance(value, str)}
    lines = [_describe_corpus(state["corpus"]) + (marks["corpus"] if state["corpus"] else "")]
    lines += [f"{line[0].upper()}{line[1:]}." for line in state["kept"]]
    if state["left_out"]:
        lines += [line + marks["domains"] for line in _describe_denied(state["left_out"])]
    if state["scorer"]:
        lines += [_describe_scorer(**state["scorer"]) + marks["scorer"]]
    if state["domains"]:
        lines += ["", f"{len(state['domains'])} domains{marks['domains']}:", _describe_domains(state["domains"])]
    if state["pruned"]:
        lines += ["", *_describe_pruned(**state["pruned"])]
    if state["evidence"]:
        lines += ["", _describe_evidence_brought(**state["evidence"]) + marks["evidence"]]
    if state["iterations"]:
        lines += ["", *_describe_iterations(state["iterations"], state["states"]["iterations"])]
    if state["predictors"]:
        lines += ["", "Predictors after the last iteration (weight of each family, by cross-validation)"]
        lines[-1] += f"{marks['predictors']}:"
        lines += [_describe_predictors(state["predictors"])]
    for objective, mixture in state["mixtures"].items():
        if state["noise"] is not None:
            lines += ["", f"{objective}: {_describe_noise(state['noise'].get(objective))}{marks['noise']}"]
        if state["fidelity"] is not None:
            lines += [f"{objective}: {_describe_fidelity(state['fidelity'].get(objective))}{marks['fidelity']}"]
        if mixture is not None:
            own = {key: _mark(state["states"][key][objective]) for key in ("mixtures", "realised", "comparisons")}
            lines += ["", *_describe_mixture(objective, mixture, own)]
    lines += [f"{what}: {count} models wait for results; see `climb ask`." for what, count in state["asked"].items()]
    lines += ["", _describe_staleness(state["stale"])] if state["corpus"] else []
    return "\n".join(lines)


def _mark(state: str) -> str:
    return "" if state == "current" else f" [{state}]"


def _describe_staleness(stale: list[str] | str) -> str:
    if isinstance(stale, str):
        return f"Whether this is up to date cannot be said: {stale}"
    if not stale:
        return "Nothing is stale."
    return f"Stale: {', '.join(stale[:5])}{f' and {len(stale) - 5} more' if len(stale) > 5 else ''}; see `climb plan`."


def _describe_evidence_brought(
    rows: int, sources: Mapping[str, int], believed: Mapping[str, float | None], left_out: Mapping[str, str]
) -> str:
    of_each = "; ".join(f"{count} of {printable(source)}" for source, count in sources.items())
    text = f"The search began with {rows} mixtures of its evidence" + (f" ({of_each})" if of_each else "")
    if left_out:
        run, reason = next(iter(left_out.items()))
        text += f"; {len(left_out)} runs were left out, such as {printable(run, 60)}: {printable(reason)}"
    doubted = [
        f"{printable(source)} (believed {value:.2f} of 1)"
        for source, value in believed.items()
        if value is not None and value < HALF
    ]
    if doubted:
        text += f". What it measured itself speaks against {'; '.join(doubted)}, so that counts little or nothing"
    return f"{text}."


def _describe_predictors(families: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({row["family"] for row in families})
    weight = {(row["task"], row["family"]): f"{row['weight']:.2f}" for row in families}
    rows = [[task, *(weight[task, name] for name in names)] for task in sorted({row["task"] for row in families})]
    return str(tabulate(rows, ["", *names]))


def _describe_noise(noise: dict[str, Any] | None) -> str:
    if noise is None:
        return "noise not measured"
    wide = "" if noise["ratio"] is None else f"; mixtures spread {noise['ratio']:.1f} times as far"
    shared = "" if noise["paired"] is None else f", {noise['paired']:.4f} within a repeat"
    return (
        f"noise between seeds {noise['noise']:.4f} bits per byte ({noise['degrees']:.1f} degrees of freedom)"
        f"{shared}{wide}"
    )


def _describe_fidelity(row: dict[str, Any] | None) -> str:
    if row is None:
        return "whether proxies rank mixtures as targets do was not asked for"
    shown = in_words(row["mixtures"], row["spearman"], row["low"], row["high"])
    return f"proxies rank mixtures as targets do: {shown}"


def _ranks(skill: dict[str, float | None]) -> list[str]:
    return ["none yet" if value is None else f"{value:.2f}" for value in skill.values()]


def _describe_corpus(corpus: dict[str, Any] | None) -> str:
    if corpus is None:
        return "The corpus has no manifest yet; run `climb up`."
    counts = {"duplicates": "duplicates across shards", "filtered": "filtered", "quarantined": "quarantined"}
    counts |= {"dropped_labels": "labels are no text"} if corpus.get("dropped_labels") else {}
    left_out = ", ".join(f"{corpus[key]} {words}" for key, words in counts.items())
    return (
        f"{corpus['documents']} documents, {corpus['tokens']:,} tokens in {corpus['shards']} shards ({left_out})."
        + ('\nWhat was quarantined, and why: `climb sql "FROM quarantine"`.' if corpus["quarantined"] else "")
        + _describe_splits(corpus["splits"])
        + _describe_rejected(corpus["rejected_names"])
    )


def _describe_scorer(scorer: str, documents: int, held_out: Sequence[Mapping[str, Any]]) -> str:
    told = ", ".join(f"{row['dimension']} {row['in_words']}" for row in held_out)
    poor = [row["dimension"] for row in held_out if not row["tells"]]
    warning = f" No better than chance, as far as can be told: {', '.join(poor)}." if poor else ""
    return (
        f"Scored by {scorer}, fitted on {documents} annotated documents; rank correlation with those held out: {told}."
        + warning
    )


def _describe_rejected(entries: Sequence[object]) -> str:
    lines = [f"\nNot a shard: {printable(str(entry), 300)}" for entry in entries[:5]]
    return "".join(lines) + (f"\n... and {len(entries) - 5} more entries are no shards" if len(entries) > 5 else "")


def _describe_splits(splits: Mapping[str, Any]) -> str:
    names = {
        "train": "in train",
        "search_eval": "held out to decide",
        "report_eval": "held out to report",
        "near_duplicate": "left out as near-duplicates",
        "contaminated": "left out because they hold an item of a task",
        "licence": "left out by corpus.licences",
    }
    shares = ", ".join(
        f"{splits['by_split'][key]} {words}" for key, words in names.items() if splits["by_split"].get(key)
    )
    unmatched = splits.get("unmatched_licences", ())  # nothing where an earlier version counted
    by_task = ", ".join(f"{task}: {count}" for task, count in splits["contaminated_by_task"].items())
    return (
        f"\nOf these {shares}."
        f"\n{splits['near_duplicates']} pairs of near-duplicates, {splits['crossing_before']} of them across train and "
        f"held-out text; {splits['moved']} documents follow their families, and {splits['crossing_after']} cross now. "
        f"{splits['contaminated']} train documents hold an item of a task{f' ({by_task})' if by_task else ''}."
        + "".join(f"\ncorpus.licences names {printable(name, 60)}, which no document has." for name in unmatched)
    )


def _describe_denied(left_out: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the licences of documents forbid, most tokens first; nothing where that is nothing."""
    documents, tokens = Counter[str](), Counter[str]()
    for row in left_out:
        if row["reason"] == "licence":
            name = "not stated" if row["licence"] is None else printable(row["licence"], 60)
            documents[name] += row["documents"]
            tokens[name] += row["tokens"]
    if not tokens:
        return []
    named = "; ".join(f"{name}: {documents[name]}, {count:,} tokens" for name, count in tokens.most_common(LICENCES))
    more = f"; and {len(tokens) - LICENCES} more licences" if len(tokens) > LICENCES else ""
    return [
        f"Left out by their licence: {documents.total()} documents, {tokens.total():,} tokens ({named}{more}). "
        'By source and domain: `climb sql "FROM left_out"`.'
    ]


def _describe_domains(domains: list[dict[str, Any]]) -> str:
    rows = []
    for row in domains:
        sources = ", ".join(printable(str(entry["source"]), 60) for entry in row["sources"][:3])
        rows.append(
            [
                row["domain"],
                printable(row["name"]),
                row["documents"],
                f"{row['tokens']:,}",
                f"{row['prior']:.3f}",
                sources,
            ]
        )
    headers = ["", "name", "documents", "tokens", "share", "mostly from"]
    return str(tabulate(rows, headers, maxcolwidths=[None, 44, None, None, None, 44]))


def _describe_pruned(facts: Mapping[str, Any], clusters: Sequence[Mapping[str, Any]]) -> list[str]:
    of, what = facts["clusters_kept"] + facts["clusters_pruned"], "cell" if "bands" in facts else "cluster"
    told = [
        f"{name} was not judged in {count} of {of} {what}s: most of their documents are in a language or in code that "
        "its rules do not know."
        for name, count in facts["clusters_not_judged"].items()
    ]
    if not clusters:
        return [f"No {what} was pruned.", *told]
    much = [f"That is much: {facts['pruned_advice']}."] if facts["pruned_advice"] else []
    lines = [
        f"Pruned: {len(clusters)} of {of} {what}s, {facts['pruned_documents']} documents, "
        f"{facts['pruned_tokens']:,} tokens, {facts['pruned_token_share']:.1%} of what may be trained on, "
        f"mostly for low {facts['pruned_mostly_by']}.",
        *much,
        *told,
    ]
    rows = [
        [
            row["cluster"],
            row["pruned_by"],
            row["documents"],
            f"{row['share']:.1%}",
            printable(" ".join(row["terms"]), 60),
            printable(" ".join(row["begins"].split())[:EXCERPT]),
        ]
        for row in clusters[:PRUNED_SHOWN]
    ]
    headers = [what, "for low", "documents", "share", "terms", "a document begins"]
    lines.append(tabulate(rows, headers, maxcolwidths=[None, 22, None, None, 24, 44], disable_numparse=True))
    if len(clusters) > PRUNED_SHOWN:
        lines.append(f'And {len(clusters) - PRUNED_SHOWN} more: `climb sql "FROM pruned_clusters"`.')
    return lines


def _describe_iterations(iterations: Sequence[Mapping[str, Any]], states: Mapping[str, str]) -> list[str]:
    rows = [
        [row["iteration"], row["proxies"], row["diverged"], *_ranks(row["skill"]), states[row["iteration"]]]
        for row in iterations
    ]
    names = [f"rank correlation, {name}" for name in iterations[0]["skill"]]
    stopped = [
        f"{row['iteration']} trained nothing, by search.stop: {objective}: {sentence}."
        for row in iterations
        for objective, sentence in row[STOPPED].items()
    ]
    return [
        "Iterations (rank correlation of left-out predictions and measurements):",
        tabulate(rows, ["", "proxies", "diverged", *names, "of the current graph"]),
        *stopped,
    ]


def _describe_mixture(objective: str, mixture: dict[str, Any], marks: Mapping[str, str]) -> list[str]:
    names = [printable(str(row["name"])) for row in mixture["weights"]]
    by = mixture["selection"].get("adapted_by", 0.0)  # an answer that an earlier version made does not know it
    told = f"; the limits of today's supply moved it by {by:.4f}" if by else ""
    lines = [f"Mixture for {objective}{marks['mixtures']}: {mixture['selection']['origin']}{told}."]
    lines += _describe_evidence(mixture["selection"], names)
    lines += [f"Another iteration? {mixture['advice']['sentence']}."]
    lines += [_describe_weights(mixture["weights"], mixture["realised"] or [], marks["realised"])]
    # A comparison that an earlier version made knew no families.
    primary = [row for row in mixture["comparison"] or [] if row.get("family") == "primary"]
    if primary:
        return lines + _describe_comparison(primary, marks["comparisons"])
    return [*lines, "No target model was trained on it yet; `climb up` does."]


def _describe_weights(
    weights: Sequence[Mapping[str, Any]], realised: Sequence[Mapping[str, Any]], of_data_set: str
) -> str:
    """Return the domains that weigh something, the weightiest first, with what of them is in the data set."""
    written_of = {row["domain"]: row for row in realised}
    rows = []
    for row in sorted(weights, key=lambda row: -row["weight"]):
        if row["weight"] > 0:
            written = written_of.get(row["domain"])
            epochs = f"{written['weight']:.3f} ({written['epochs']:.1f} epochs)" if written else ""
            rows.append([printable(row["name"]), f"{row['weight']:.3f}", f"{row['prior']:.3f}", epochs])
    columns = ["domain", "weight", "share of the corpus", f"in the data set{of_data_set}"]
    return tabulate(rows, columns, maxcolwidths=[44, None, None, None])


def _describe_comparison(primary: Sequence[Mapping[str, Any]], mark: str) -> list[str]:
    """Return how target models on a mixture compare with those on others."""
    rows = [
        [
            row["arm"],
            row["measure"],
            f"{row['difference']:+.4f}",
            f"{row['low']:+.4f} .. {row['high']:+.4f}",
            row["verdict"],
        ]
        for row in primary
    ]
    return [
        "Target models on it against others, bits per byte, negative is better; "
        f"the intervals of all {primary[0]['comparisons']} comparisons hold together{mark}:",
        tabulate(rows, ["against", "on", "difference", "interval", "verdict"]),
    ]


def _describe_evidence(selection: dict[str, Any], names: Sequence[str]) -> list[str]:
    """Return how sure the answer is, in sentences."""
    published, evidence = selection["published"], selection["evidence"]
    if evidence is None:
        return [
            f"Predicted {published['predicted']:.4f} bits per byte, best measured {published['best_measured']:.4f}; "
            f"{published['ties']} of {published['pool']} mixtures are predicted best."
        ]
    low, high = evidence["interval"]
    likely = max(evidence["probability_best"], key=evidence["probability_best"].__getitem__)
    lines = [
        f"{evidence['mean']:.4f} bits per byte ({low:.4f} to {high:.4f}) over {evidence['seeds']} fresh seeds: "
        f"{evidence['conclusion']}.",
        "Its proxies minus those of each baseline: "
        + ", ".join(
            f"{gap['baseline']} {gap['difference']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})"
            for gap in evidence["gaps"]
        )
        + ".",
        f"Most likely the best of those confirmed: {likely} ({evidence['probability_best'][likely]:.2f}).",
    ]
    prices = [ShadowPrice(**price) for price in selection["prices"]]
    return lines + [price.in_words(names) for price in prices]

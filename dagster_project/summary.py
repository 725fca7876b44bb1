"""What people read at the end: the state of the lake in words and tables.

What belongs here: text for the terminal, from artefacts alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from climb_assets.config import SEARCH_PROXY, Config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan
from climb_assets.graph.spec import artefact_name, iteration_key, iteration_keys
from climb_assets.printable import printable
from climb_assets.search.noise import noise_of_objectives
from climb_assets.search.shadow_prices import ShadowPrice
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.fidelity import in_words, of_setting, read_fidelity
from dagster_project.generations import Generations, look_at_generations


def summarise(materializer: Materializer) -> dict[str, Any]:
    """Return what there is: corpus, domains, iterations, mixtures, comparisons; None where it is not made yet.

    ``stale`` names what `climb up` would make or make again, or is the reason, a text, why that cannot be said;
    ``states`` says of each part, of iterations and mixtures one by one, whether it is of the current graph.
    """
    generations = look_at_generations(materializer)
    return {
        "stale": generations.as_json(),
        "states": _states(materializer.config, generations),
        "corpus": _corpus(materializer),
        "domains": _table(materializer, "domains", None, "domains.parquet"),
        "evidence": _evidence(materializer),
        "iterations": _iterations(materializer),
        "predictors": _table(
            materializer, "predictor_state", iteration_keys(materializer.config)[-1], "families.parquet"
        ),
        "noise": _noise(materializer),
        "fidelity": _fidelity(materializer),
        "mixtures": {name: _mixture(materializer, name) for name in materializer.config.objectives},
    }


def _states(config: Config, generations: Generations) -> dict[str, Any]:
    iterations, state_of = iteration_keys(config), generations.state_of
    return {
        "corpus": state_of("corpus_manifest"),
        "domains": state_of("domains"),
        "evidence": state_of("predictor_state", iterations[0]),
        "iterations": {key: state_of("predictor_state", key) for key in iterations},
        "predictors": state_of("predictor_state", iterations[-1]),
        "noise": state_of("predictor_state", iterations[0]),
        "fidelity": state_of("proxy_fidelity"),
        "mixtures": {name: state_of("optimal_mixture", name) for name in config.objectives},
        "realised": {name: state_of("mixed_corpus", name) for name in config.objectives},
        "comparisons": {name: state_of("target_comparison", name) for name in config.objectives},
    }


def _corpus(materializer: Materializer) -> dict[str, Any] | None:
    manifest = materializer.store.current("corpus_manifest")
    return dict(manifest.summary) if manifest else None


def _table(materializer: Materializer, asset: str, partition: str | None, file: str) -> list[dict[str, Any]] | None:
    artifact = materializer.store.current(asset, partition)
    if artifact is None or file not in artifact.manifest["files"]:  # the latter: made by an earlier version
        return None
    rows: list[dict[str, Any]] = read_table(artifact.file(file)).to_pylist()
    return rows


def _iterations(materializer: Materializer) -> list[dict[str, Any]]:
    rows = []
    for key in iteration_keys(materializer.config):
        state, results = (
            materializer.store.current("predictor_state", key),
            materializer.store.current("proxy_results", key),
        )
        if state is not None and results is not None:
            skill = state.summary["out_of_fold_spearman"]
            rows.append(
                {
                    "iteration": key,
                    "proxies": results.summary["proxies"],
                    "diverged": results.summary["diverged"],
                    "skill": skill,
                }
            )
    return rows


def _evidence(materializer: Materializer) -> dict[str, Any] | None:
    """Return how many rows the search began with, and which runs were left out and why; None where it had none."""
    state = materializer.store.current("predictor_state", iteration_key(1))
    if state is None or not state.summary.get("evidence"):
        return None
    return {"rows": state.summary["evidence"], "left_out": state.summary["evidence_left_out"]}


def _noise(materializer: Materializer) -> dict[str, Any] | None:
    state = materializer.store.current("predictor_state", iteration_key(1))
    if state is None or "noise.parquet" not in state.manifest["files"]:  # made before noise was measured
        return None
    return {name: asdict(noise) for name, noise in noise_of_objectives(state.file("noise.parquet")).items()}


def _fidelity(materializer: Materializer) -> dict[str, Any] | None:
    report = materializer.store.current("proxy_fidelity")
    if report is None:
        return None
    rows = of_setting(read_fidelity(report.file("fidelity.parquet")), SEARCH_PROXY)
    return {name: asdict(row) for name, row in rows.items()}


def _mixture(materializer: Materializer, objective: str) -> dict[str, Any] | None:
    artifact = materializer.store.current("optimal_mixture", objective)
    if artifact is None or "advice.json" not in artifact.manifest["files"]:  # made before answers were confirmed
        return None
    return {
        "selection": artifact.json("selection.json"),
        "advice": artifact.json("advice.json"),
        "weights": read_table(artifact.file("weights.parquet")).to_pylist(),
        "realised": _made_from(materializer, artifact, "mixed_corpus", "realised.parquet"),
        "comparison": _made_from(materializer, artifact, "target_comparison", "comparison.parquet"),
    }


def _made_from(materializer: Materializer, answer: Artifact, asset: str, file: str) -> list[dict[str, Any]] | None:
    """Return a table that was made from this very answer; None where there is only that of an earlier one."""
    made = materializer.store.current(asset, answer.partition)
    name = artefact_name(answer.asset, answer.partition)
    if made is None or made.manifest["inputs"].get(name) != answer.data_version:
        return None
    return _table(materializer, asset, answer.partition, file)


def advice(materializer: Materializer, plan: Plan) -> dict[str, str]:
    """Return for each objective that has an answer of the current graph whether to search on, in one sentence."""
    answers = {name: materializer.store.current("optimal_mixture", name) for name in materializer.config.objectives}
    return {
        name: answer.summary["advice"]
        for name, answer in answers.items()
        if answer is not None
        and "advice" in answer.summary  # else it was made before there was advice
        and plan.state_of("optimal_mixture", name) == "current"
    }


def describe(materializer: Materializer) -> str:
    """Return the state of the lake as text; what is not of the current graph bears a mark."""
    state = summarise(materializer)
    marks = {key: _mark(value) for key, value in state["states"].items() if isinstance(value, str)}
    lines = [_describe_corpus(state["corpus"]) + (marks["corpus"] if state["corpus"] else "")]
    if state["domains"]:
        lines += ["", f"{len(state['domains'])} domains{marks['domains']}:", _describe_domains(state["domains"])]
    if state["evidence"]:
        lines += ["", _describe_evidence_brought(**state["evidence"]) + marks["evidence"]]
    if state["iterations"]:
        states = state["states"]["iterations"]
        rows = [
            [row["iteration"], row["proxies"], row["diverged"], *_ranks(row["skill"]), states[row["iteration"]]]
            for row in state["iterations"]
        ]
        names = [f"rank correlation, {name}" for name in state["iterations"][0]["skill"]]
        lines += ["", "Iterations (rank correlation of left-out predictions and measurements):"]
        lines += [tabulate(rows, ["", "proxies", "diverged", *names, "of the current graph"])]
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


def _describe_evidence_brought(rows: int, left_out: Mapping[str, str]) -> str:
    text = f"The search began with {rows} mixtures of its evidence"
    if left_out:
        run, reason = next(iter(left_out.items()))
        text += f"; {len(left_out)} runs were left out, such as {printable(run, 60)}: {printable(reason)}"
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
        return "The corpus has not been read yet; run `climb up`."
    counts = {"duplicates": "duplicates across shards", "filtered": "filtered", "quarantined": "quarantined"}
    counts |= {"dropped_labels": "labels are no text"} if corpus.get("dropped_labels") else {}
    left_out = ", ".join(f"{corpus[key]} {words}" for key, words in counts.items())
    return (
        f"{corpus['documents']} documents, {corpus['tokens']:,} tokens in {corpus['shards']} shards ({left_out})."
        + _describe_splits(corpus["splits"])
        + _describe_rejected(corpus["rejected_names"])
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
    }
    shares = ", ".join(f"{splits['by_split'][key]} {words}" for key, words in names.items() if splits["by_split"][key])
    by_task = ", ".join(f"{task}: {count}" for task, count in splits["contaminated_by_task"].items())
    return (
        f"\nOf these {shares}."
        f"\n{splits['near_duplicates']} pairs of near-duplicates, {splits['crossing_before']} of them across train and "
        f"held-out text; {splits['moved']} documents follow their families, and {splits['crossing_after']} cross now. "
        f"{splits['contaminated']} train documents hold an item of a task{f' ({by_task})' if by_task else ''}."
    )


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


def _describe_mixture(objective: str, mixture: dict[str, Any], marks: Mapping[str, str]) -> list[str]:
    names = [printable(str(row["name"])) for row in mixture["weights"]]
    lines = [f"Mixture for {objective}{marks['mixtures']}: {mixture['selection']['origin']}."]
    lines += _describe_evidence(mixture["selection"], names)
    lines += [f"Another iteration? {mixture['advice']['sentence']}."]
    realised = {row["domain"]: row for row in mixture["realised"] or []}
    rows = []
    for row in sorted(mixture["weights"], key=lambda row: -row["weight"]):
        if row["weight"] > 0:
            written = realised.get(row["domain"])
            epochs = f"{written['weight']:.3f} ({written['epochs']:.1f} epochs)" if written else ""
            rows.append([printable(row["name"]), f"{row['weight']:.3f}", f"{row['prior']:.3f}", epochs])
    lines.append(
        tabulate(
            rows,
            ["domain", "weight", "share of the corpus", f"in the data set{marks['realised']}"],
            maxcolwidths=[44, None, None, None],
        )
    )
    # A comparison that an earlier version made knew no families.
    primary = [row for row in mixture["comparison"] or [] if row.get("family") == "primary"]
    if primary:
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
        lines += [
            "Target models on it against others, bits per byte, negative is better; "
            f"the intervals of all {primary[0]['comparisons']} comparisons hold together{marks['comparisons']}:"
        ]
        lines += [tabulate(rows, ["against", "on", "difference", "interval", "verdict"])]
    else:
        lines += ["No target model was trained on it yet; `climb up` does."]
    return lines


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

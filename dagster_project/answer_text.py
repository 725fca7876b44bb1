"""What `climb up` says at its end: each answer in five lines, the answer itself first.

What belongs here: the few sentences that a person needs, from what `dagster_project.summary` reads. All that they rest
on is shown by `climb status`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from climb_assets.graph.assets import SPECS
from climb_assets.graph.estimates import in_hours
from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable
from climb_assets.training.proxy_orders import MODELS
from dagster_project.summary import read_mixture

SHOWN = 3  # domains, those that the mixture weighs most
LEAST = 0.005  # what would be told as 0 %
WIDTH = 11  # of the word before each line


def describe_answers(materializer: Materializer) -> str:
    """Return each answer that there is in five lines; empty where there is none."""
    mixtures = {name: read_mixture(materializer, name) for name in materializer.config.objectives}
    made = {name: mixture for name, mixture in mixtures.items() if mixture is not None}
    if not made:
        return ""
    cost = _describe_cost(materializer)
    return "\n\n".join("\n".join(_describe(name, mixture, cost)) for name, mixture in made.items())


def _describe(objective: str, mixture: Mapping[str, Any], cost: str) -> list[str]:
    evidence = mixture["selection"]["evidence"]
    lines = {
        f"{objective}:": _describe_weights(mixture["weights"]),
        "Certainty:": _describe_certainty(mixture["selection"]),
        "Against:": _describe_gaps(evidence["gaps"] if evidence else [], mixture["comparison"] or []),
        "Cost:": cost,
        "Next:": f"{mixture['advice']['sentence']}. `climb report {objective} --open` shows what this rests on, "
        f"`climb export {objective}` writes the data set.",
    }
    (first, answer), *rest = lines.items()
    return [f"{first} {answer}", *(f"  {word:<{WIDTH}}{text}" for word, text in rest)]


def _describe_weights(weights: Sequence[Mapping[str, Any]]) -> str:
    used = sorted((row for row in weights if row["weight"] >= LEAST), key=lambda row: -row["weight"])
    shown = [
        f"{row['weight']:.0%} {printable(str(row['name']), 60)} (corpus {row['prior']:.0%})" for row in used[:SHOWN]
    ]
    rest = used[SHOWN:]
    more = (
        f", and {sum(row['weight'] for row in rest):.0%} of {len(rest)} more domain{'s' * (len(rest) > 1)}"
        if rest
        else ""
    )
    return f"train on {', '.join(shown)}{more}."


def _describe_certainty(selection: Mapping[str, Any]) -> str:
    evidence = selection["evidence"]
    if evidence is None:
        ties, pool = selection["published"]["ties"], selection["published"]["pool"]
        return f"predicted and not confirmed; {ties} of {pool} mixtures are predicted best."
    low, high = evidence["interval"]
    return (
        f"{evidence['conclusion']}; {evidence['mean']:.3f} bits per byte ({low:.3f} to {high:.3f}) over "
        f"{evidence['seeds']} fresh seeds."
    )


def _describe_gaps(gaps: Sequence[Mapping[str, Any]], comparison: Sequence[Mapping[str, Any]]) -> str:
    """Return what proxies say against each baseline, and target models on each measure."""
    told = [f"proxies {_by_verdict([(gap['verdict'], gap['baseline']) for gap in gaps])}"] if gaps else []
    measures: dict[str, list[tuple[str, str]]] = {}
    for row in comparison:
        if row.get("family") == "primary":
            verdict = row["verdict"] + (" than" if row["verdict"] in ("better", "worse") else " from")
            measures.setdefault(row["measure"], []).append((verdict, row["arm"]))
    told += [f"target models on {printable(name, 60)} {_by_verdict(found)}" for name, found in measures.items()]
    return f"{'; '.join(told)}." if told else "no baseline was measured."


def _by_verdict(verdicts: Sequence[tuple[str, str]]) -> str:
    groups: dict[str, list[str]] = {}
    for verdict, baseline in verdicts:
        groups.setdefault(verdict, []).append(baseline)
    return ", ".join(f"{verdict} {' or '.join(names)}" for verdict, names in groups.items())


def _describe_cost(materializer: Materializer) -> str:
    """Return what the current artefacts of the lake took, all objectives together."""
    current = [materializer.store.current(spec.asset, key) for spec in SPECS for key in materializer.partitions(spec)]
    seconds = sum(float(item.run.get("seconds") or 0.0) for item in current if item is not None)
    models = sum(1 for _ in materializer.store.all_of(MODELS))
    return f"{in_hours(seconds)} of work in all, {models} models in the lake, for all objectives together."

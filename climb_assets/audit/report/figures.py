"""The figures of a report: which numbers each shows, how it is to be read, and the table behind it.

What belongs here: from facts to markup. Drawing is `climb_assets.pictures`.
"""

import math
from collections.abc import Sequence

from climb_assets.audit.report.facts import BITS, Facts
from climb_assets.audit.report.page import figure, table
from climb_assets.pictures.plots import agreement, best_so_far, gain_columns, mixture_columns, response
from climb_assets.pictures.rows import Difference, Share, colour_key, forest, share_bars, stacked_shares
from climb_assets.pictures.scales import percent, plain, signed
from climb_assets.pictures.svg import COLOURS, colour, escape

MOST_ROWS = 24  # domains that have a bar of their own


def shares_figure(facts: Facts) -> str:
    """Return the answer domain by domain, against the corpus."""
    epochs = {row["domain"]: row["epochs"] for row in facts.realised or []}
    rows = [
        Share(
            facts.names[domain],
            facts.weights[domain],
            facts.prior[domain],
            percent(facts.weights[domain]) + _times(facts.weights[domain], facts.prior[domain]),
            colour(place),
            _mostly_from(facts, domain),
        )
        for place, domain in enumerate(facts.order[:MOST_ROWS])
    ]
    behind = table(
        ["domain", "answer", "corpus", "passes over its text"],
        [
            (
                facts.names[domain],
                percent(facts.weights[domain]),
                percent(facts.prior[domain]),
                plain(epochs[domain], 1) if epochs else "no data set yet",
            )
            for domain in facts.order
        ],
    )
    told = "The bar is the share in the answer, the stroke the share in the corpus as it is."
    return figure(
        "Answer and corpus",
        told,
        share_bars(rows, "answer", "corpus", "Share of each domain in the answer and the corpus"),
        behind,
    )


def _mostly_from(facts: Facts, domain: int) -> str:
    sources = facts.domains[domain]["sources"]
    return f"mostly {sources[0]['source']}" if sources and sources[0]["source"] else ""


def _times(share: float, prior: float) -> str:
    return f" · × {share / prior:.1f}" if share > 0 and prior > 0 and share / prior < 1000 else ""


def stacked_figure(facts: Facts) -> str:
    """Return the answer beside the corpus and all baselines."""
    mixtures = {"answer": facts.weights.tolist(), "corpus as it is": facts.prior.tolist()}
    alike: dict[tuple[float, ...], list[str]] = {}
    for name, weights in facts.baselines.items():
        if name != "proportional":
            alike.setdefault(tuple(weights), []).append(name)
    mixtures |= {", ".join(same): list(weights) for weights, same in alike.items()}
    key = colour_key([facts.names[domain] for domain in facts.order[:COLOURS]], max(0, len(facts.names) - COLOURS))
    behind = table(
        ["domain", *mixtures],
        [(facts.names[domain], *(percent(one[domain]) for one in mixtures.values())) for domain in facts.order],
    )
    drawing = key + stacked_shares(mixtures, facts.order, facts.names)
    return figure("Against the baselines", "Each bar is a whole mixture.", drawing, behind)


def baselines_figure(facts: Facts) -> str:
    """Return the answer's gap to each baseline, by proxies with fresh seeds."""
    evidence = facts.selection["evidence"]
    title = "Proxies with fresh seeds"
    if evidence is None or not evidence["gaps"]:
        return figure(title, "Not measured: the published rule chose.", "")
    gaps = sorted(evidence["gaps"], key=lambda gap: gap["difference"])
    rows = _differences([(gap["baseline"], gap["difference"], gap["low"], gap["high"]) for gap in gaps])
    sure = percent(facts.settings["choice"]["confidence"])
    told = (
        f"{evidence['seeds']} seeds of each mixture; {sure} intervals that allow for the answer having been chosen "
        "among several."
    )
    drawing = forest(rows, f"answer minus baseline, {BITS}", "The answer against each baseline, by proxies")
    behind = table(
        ["against", "difference", "from", "to", "verdict"],
        [
            (
                gap["baseline"],
                signed(gap["difference"], 4),
                signed(gap["low"], 4),
                signed(gap["high"], 4),
                gap["verdict"],
            )
            for gap in gaps
        ],
    ) + table(
        ["mixture", "mean loss", "probability that it is the best"],
        [
            (name, plain(evidence["means"][name], 4), percent(share))
            for name, share in sorted(evidence["probability_best"].items(), key=lambda one: (-one[1], one[0]))
        ],
        "Which of those confirmed is the best",
    )
    return figure(title, told, drawing, behind)


def _differences(rows: Sequence[tuple[str, float, float, float]]) -> list[Difference]:
    """Return rows of a forest plot; those of the same numbers, which are one mixture under several names, as one."""
    names: dict[tuple[float, float, float], list[str]] = {}
    for name, *numbers in rows:
        names.setdefault((numbers[0], numbers[1], numbers[2]), []).append(name)
    return [Difference(", ".join(same), *numbers) for numbers, same in names.items()]


def targets_figure(facts: Facts) -> str:
    """Return the answer against each baseline by larger models, measure by measure."""
    title = "Target models"
    if not facts.primary:
        return figure(title, "Not measured: no larger model was trained on this answer yet.", "")
    drawings = ""
    for measure in dict.fromkeys(row["measure"] for row in facts.primary):
        found = [
            row for row in sorted(facts.primary, key=lambda row: float(row["difference"])) if row["measure"] == measure
        ]
        rows = _differences([(row["arm"], row["difference"], row["low"], row["high"]) for row in found])
        drawings += f"<h4>{escape(measure)}</h4>" + forest(
            rows, f"answer minus baseline, {BITS}", f"Target models, {measure}"
        )
    told = (
        f"{facts.seeds} seeds of each; the intervals of all {facts.primary[0]['comparisons']} comparisons hold "
        "together."
    )
    behind = table(
        ["on", "against", "difference", "from", "to", "verdict"],
        [
            (
                row["measure"],
                row["arm"],
                signed(row["difference"], 4),
                signed(row["low"], 4),
                signed(row["high"], 4),
                row["verdict"],
            )
            for row in facts.comparison or []
        ],
        "The numbers, of single tasks too",
    )
    return figure(title, told, drawings, behind)


def progress_figure(facts: Facts) -> str:
    """Return what each proxy measured, and the least so far."""
    told = (
        "Each point is a proxy, the line the best so far. The best of many was lucky too: fresh seeds say what it "
        "is worth."
    )
    drawing = best_so_far(facts.losses.tolist(), facts.history.iteration.tolist())
    rows = [
        (str(place), str(group), plain(loss, 4) if math.isfinite(loss) else "diverged")
        for place, (group, loss) in enumerate(
            zip(facts.history.iteration.tolist(), facts.losses.tolist(), strict=True), 1
        )
    ]
    return figure("Best so far", told, drawing, table(["proxy", "iteration", BITS], rows))


def gains_figure(facts: Facts) -> str:
    """Return what each iteration gained and cost, and what another one promises."""
    known = [step for step in facts.steps if step.gain is not None]
    names = [f"iteration {step.number}" for step in known] + ["the next"]
    gains = [float(step.gain or 0.0) for step in known] + [facts.advice["expected_gain"]]
    counts = [step.proxies for step in known] + [facts.advice["proxies"]]
    costs = [f"{count} proxies" for count in counts]
    drawing = gain_columns(names, costs, gains, facts.advice["noise"], len(known))
    rows = [
        (
            str(step.number),
            str(step.proxies),
            f"{step.proxies * step.tokens:,}",
            "nothing before it" if step.gain is None else plain(step.gain, 4),
            "" if step.gain is None else plain(step.gain / max(step.proxies, 1), 5),
        )
        for step in facts.steps
    ]
    next_one = facts.advice
    rows.append(
        (
            "next",
            str(next_one["proxies"]),
            f"{next_one['proxies'] * facts.steps[-1].tokens:,}",
            f"{plain(next_one['expected_gain'], 4)} expected",
            plain(next_one["gain_per_proxy"], 5),
        )
    )
    behind = table(
        ["iteration", "proxies", "tokens of training", "gain", "gain a proxy"], rows, "Gain and cost in numbers"
    )
    told = (
        "By how much the best loss fell in each iteration; the dashed column is what as many proxies again are "
        "expected to bring."
    )
    return figure("Gain against cost", told, drawing, behind)


def iterations_figure(facts: Facts) -> str:
    """Return the mixtures that were tried, iteration by iteration."""
    names = facts.names
    drawing = mixture_columns(
        facts.history.weights.tolist(),
        facts.history.iteration.tolist(),
        facts.order,
        "Mixtures that were tried, by iteration",
    )
    key = colour_key([names[domain] for domain in facts.order[:COLOURS]], max(0, len(names) - COLOURS))
    best = [
        (key_, str(group), *(percent(share) for share in weights[facts.order]))
        for key_, group, weights in zip(
            facts.history.keys, facts.history.iteration.tolist(), facts.history.weights, strict=True
        )
    ]
    behind = table(["mixture", "iteration", *(names[domain] for domain in facts.order)], best)
    return figure(
        "Mixtures that were tried", "The colours are those of the answer's largest domains.", key + drawing, behind
    )


def prediction_figure(facts: Facts) -> str:
    """Return predictions of mixtures that the predictor had not seen, against what was measured."""
    title = "Predicted and measured"
    if facts.predicted is None:
        return figure(title, "Not known: there were too few mixtures to predict one from the others.", "")
    drawing = agreement(
        facts.predicted.tolist(),
        facts.measured.tolist(),
        facts.groups,
        f"measured, {BITS}",
        f"predicted unseen, {BITS}",
    )
    rank = "not known" if facts.rank is None else plain(facts.rank, 2)
    told = f"Each mixture is predicted by members that were not fitted on it. Rank correlation {rank}, of 1 at best."
    rows = [
        (str(place), plain(predicted, 4), plain(measured, 4))
        for place, (predicted, measured) in enumerate(
            zip(facts.predicted.tolist(), facts.measured.tolist(), strict=True), 1
        )
    ]
    return figure(title, told, drawing, table(["mixture", "predicted", "measured"], rows))


def response_figures(facts: Facts) -> str:
    """Return a small picture for each domain, all on one axis."""
    means = [mean for found in facts.responses for _, mean, _ in found.curve]
    half = sorted(width for found in facts.responses for _, _, width in found.curve)[len(means) // 2]
    low, high = min(means) - half, sorted(means)[int(0.97 * (len(means) - 1))] + half
    if high <= low:
        low, high = low - 0.01, high + 0.01
    told = []
    for place, domain in enumerate(facts.order):
        name, found = facts.names[domain], facts.responses[domain]
        drawing = response(
            found, low, high, colour(place) if place < COLOURS else "muted", f"Predicted loss by the share of {name}"
        )
        told.append(f"<div><h3>{escape(name)}</h3>{drawing}</div>")
    return "".join(told)


def response_table(facts: Facts) -> str:
    """Return the numbers behind the responses: the change of the loss at both ends of what is allowed and was tried."""
    rows = []
    for domain in facts.order:
        found = facts.responses[domain]
        ends = [f"{signed(change, 4)} at {percent(share)}" for share, change, _ in (found.curve[0], found.curve[-1])]
        rows.append((facts.names[domain], percent(found.answer), *ends, percent(max(found.tried, default=0.0))))
    head = ["domain", "in the answer", "change at the least share", "change at the largest", "tried up to"]
    return table(head, rows)

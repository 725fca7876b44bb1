"""What a report says in sentences: the answer, how sure it is, what to do next, and what nobody knows.

What belongs here: words from facts, as plain text. Nothing is said that was not measured, and what was not is named.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from climb_assets.audit.report.documents import Documents
from climb_assets.audit.report.facts import BITS, Facts
from climb_assets.pictures.scales import percent, plain, signed
from climb_assets.search.confidence import Gap, best_baseline
from climb_assets.training.fidelity import in_words

NAMED, ENOUGH = 5, 0.75  # domains that the answer names at most, and the share of it that is enough
Badge = tuple[str, str]  # kind of colour, words


def answer_sentence(facts: Facts) -> str:
    """Return the answer: the largest shares by name, and what is left."""
    return f"Train on {_listed([f'{share} {name}' for share, name in largest_shares(facts)])}."


def largest_shares(facts: Facts) -> list[tuple[str, str]]:
    """Return the shares that the answer is told by, each with the name of its domain, and at the end what is left."""
    named: list[tuple[str, str]] = []
    told, left = 0.0, [domain for domain in facts.order if facts.weights[domain] > 0]
    while left and len(named) < NAMED and told < ENOUGH:
        domain = left.pop(0)
        named.append((percent(facts.weights[domain]), facts.names[domain]))
        told += facts.weights[domain]
    rest = percent(sum(facts.weights[left]))
    return named + ([(rest, f"of {len(left)} other domain{'s' if len(left) > 1 else ''}")] if left else [])


def verdict(facts: Facts) -> Badge:
    """Return in three words whether the answer is better than what it is compared with."""
    gap = _best_gap(facts)
    if gap is None:
        return "muted", "Not confirmed"
    worse = {row["measure"] for row in facts.primary if row["verdict"] == "worse"}
    if worse and (gap.verdict != "better than" or f"mean of objective {facts.objective}" in worse):
        return "bad", "Target models: worse than a baseline"
    if worse:
        return "bad", "Better on its own tasks, worse on others"
    words = {"better than": "Better than every baseline", "worse than": "Worse than a baseline"}
    kinds = {"better than": "good", "worse than": "bad"}
    return kinds.get(gap.verdict, "muted"), words.get(gap.verdict, "No difference shown")


def certainty_sentences(facts: Facts) -> list[str]:
    """Return how sure the answer is: by proxies with fresh seeds, then by target models."""
    evidence, gap = facts.selection["evidence"], _best_gap(facts)
    if evidence is None or gap is None:
        return [
            "It was chosen by the published rule and not trained again with fresh seeds, so nothing can be said of how "
            "sure it is.",
            *_target_sentences(facts),
        ]
    sure = percent(facts.settings["choice"]["confidence"])
    seeds = f"{evidence['seeds']} fresh seed{'s' if evidence['seeds'] > 1 else ''}"
    others = len(evidence["gaps"])
    best = f"{gap.baseline}, the best of {others} baselines" if others > 1 else gap.baseline
    interval = (
        f"{signed(gap.difference)} {BITS}, {sure} interval {signed(gap.low)} to {signed(gap.high)}, {seeds} of proxies"
    )
    told = {
        "better than": f"It is better than {best} ({interval}).",
        "worse than": f"It is worse than {best} ({interval}).",
        "no better than": f"It is not shown to be better than {best} ({interval}).",
    }
    beaten = [one["baseline"] for one in evidence["gaps"] if one["verdict"] == "better than"]
    more = [f"It is better than {_listed(beaten)}."] if beaten and gap.verdict != "better than" else []
    if evidence["excess"] > 0:
        more.append(f"It breaks a no-regression floor by {plain(evidence['excess'])} {BITS}; every mixture does.")
    return [told[gap.verdict], *more, *_target_sentences(facts)]


def _target_sentences(facts: Facts) -> list[str]:
    """Return what target models say, of each average that they are judged by."""
    if facts.comparison is None:
        return ["Target models were not trained on it yet, so only proxies speak for it."]
    told = []
    for measure in dict.fromkeys(row["measure"] for row in facts.primary):
        rows = [row for row in facts.primary if row["measure"] == measure]
        found = {kind: [row["arm"] for row in rows if row["verdict"] == kind] for kind in ("better", "worse")}
        parts = [f"{kind} than {_listed(arms)}" for kind, arms in found.items() if arms]
        alike = [row["arm"] for row in rows if row["verdict"] not in found]
        parts += [f"not told apart from {_listed(alike)}"] if alike else []
        told.append(f"Target models on it are, by the {measure}, {' and '.join(parts)} ({facts.seeds} seeds).")
    return told


def next_sentences(facts: Facts) -> list[str]:
    """Return what to do next, what promises most first."""
    advice, todo = facts.advice, []
    promise = f"another {advice['proxies']} proxies are expected to gain {plain(advice['expected_gain'])} {BITS}"
    if advice["noise"] is None:
        todo.append(f"Whether to search on is not known: {promise}, and the noise between seeds was not measured.")
    elif advice["stop"]:
        todo.append(f"Stop searching: {promise}, less than the noise of one model ({plain(advice['noise'])}).")
    else:
        todo.append(f"Search on: {promise}; the noise of one model is {plain(advice['noise'])}.")
    gap = _best_gap(facts)
    if gap is not None and gap.verdict == "no better than":
        half = (gap.high - gap.low) / 2
        todo.append(
            f"To tell it from {gap.baseline}, confirm with more seeds (search.choice.seeds): the interval is "
            f"± {plain(half)} now and shrinks with their root."
        )
    if facts.comparison is None:
        todo.append("Train target models on it: climb up.")
    worse = {row["arm"] for row in facts.primary if row["verdict"] == "worse"}
    if worse:
        todo.append(
            f"Look at what it is worse at before you use it: target models name {_listed(sorted(worse))}. Tasks that "
            "matter belong into the objective, or into search.choice.no_regression."
        )
    wanted = [price for price in facts.prices if price.price < 0 and price.limit != "floor"]
    if wanted:
        most = min(wanted, key=lambda price: price.price)
        todo.append(
            f"More text like {facts.names[most.domain]} would help: {most.limit} holds it at {percent(most.weight)}, "
            f"and one point more of it is predicted to change the loss by {signed(most.price * 0.01, 4)} {BITS}."
        )
    return todo


def price_sentences(facts: Facts) -> list[str]:
    """Return for each limit that binds what it costs."""
    return [price.in_words(facts.names) + "." for price in facts.prices]


def unknown_sentences(facts: Facts, documents: Documents) -> list[str]:
    """Return what nobody knows, or only in part."""
    evidence, proxy, told = facts.selection["evidence"], facts.proxy, []
    if facts.fidelity is None or facts.fidelity.spearman is None:
        why = (
            "not measured (fidelity.mixtures)"
            if "proxy_fidelity" in facts.artefacts
            else "not among what this page tells of"
        )
        told.append(f"Whether proxies rank mixtures as target models do is {why}, and all of the search rests on it.")
    else:
        one = facts.fidelity
        told.append(f"Proxies rank mixtures as targets do: {in_words(one.mixtures, one.spearman, one.low, one.high)}.")
    target = facts.target
    if target is None:
        told.append("No target model was trained on this answer.")
    else:
        told.append(
            f"Target models here are {_model(target)}. Whether the same holds for a model many times as large was "
            "not tried."
        )
    told.append(f"Proxies here are {_model(proxy)}.")
    if evidence is not None:
        told.append(
            f"The noise between seeds is known from {plain(evidence['degrees'], 1)} degrees of freedom; intervals "
            "are as wide as that asks for."
        )
    diverged = sum(step.diverged for step in facts.steps)
    if diverged:
        told.append(f"{diverged} proxies diverged, and nothing is known of their mixtures.")
    far = [facts.names[place] for place in facts.order if facts.history.weights[:, place].max() < 0.05]
    if far:
        told.append(f"No proxy had more than 5 % of {_listed(far[:6])}; what more of it would do is a guess.")
    if facts.realised is not None:
        repeated = [row["name"] for row in facts.realised if row["epochs"] > 1.005]
        if repeated and not proxy.get("simulate_epochs"):
            told.append(
                f"The data set repeats {_listed(repeated)}; proxies did not, so what repeats cost is not in it."
            )
    pruned = facts.pruned.get("pruned_token_share")
    if pruned:
        told.append(
            f"{percent(pruned)} of the text was pruned before the search, for low "
            f"{facts.pruned.get('pruned_mostly_by')}; nothing here says what it would have been worth."
        )
    unnamed = sum(tokens for held in documents.licences.values() for licence, tokens in held if not licence)
    if unnamed:
        every = sum(tokens for held in documents.licences.values() for _, tokens in held)
        told.append(f"{percent(unnamed / every)} of the tokens in the domains name no licence.")
    told.append("What the domains are called is drawn from their words by counting, and decides nothing.")
    return told


def _model(settings: Mapping[str, Any]) -> str:
    size = (
        f"{settings['layers']} layers of width {settings['hidden']}"
        if settings.get("layers")
        else "of a trainer of yours"
    )
    return f"{size}, trained on {settings['tokens']:,} tokens"


def _best_gap(facts: Facts) -> Gap | None:
    evidence = facts.selection["evidence"]
    gaps = [] if evidence is None else [Gap(**gap) for gap in evidence["gaps"]]
    return best_baseline(gaps) if gaps else None


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def search_sentence(facts: Facts) -> str:
    """Return in one sentence what was searched and at what cost."""
    tried = sum(step.mixtures for step in facts.steps)
    tokens = sum(step.proxies * step.tokens for step in facts.steps)
    evidence = int(np.sum(~facts.history.own))
    brought = f", beside {evidence} that were brought along" if evidence else ""
    return (
        f"{tried} mixtures of {len(facts.names)} domains were tried in {len(facts.steps)} iterations{brought}, "
        f"on {tokens:,} tokens of proxy training in all."
    )

"""The report of an objective: one page that begins with the answer, how sure it is, and what to do next.

What belongs here: which figures stand where, and what is said of them. The page is one file that fetches nothing, the
same bytes for the same artefacts on one machine. `write_report` needs a lineage alone, so the audit bundle and
`climb report` write the same page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from climb_assets.audit.lineage import Lineage, name_of, trace
from climb_assets.audit.report.documents import Documents, read_documents
from climb_assets.audit.report.facts import Facts, read_facts
from climb_assets.audit.report.figures import (
    baselines_figure,
    gains_figure,
    iterations_figure,
    prediction_figure,
    progress_figure,
    response_figures,
    response_table,
    shares_figure,
    stacked_figure,
    targets_figure,
)
from climb_assets.audit.report.map import domain_cards, map_markup
from climb_assets.audit.report.page import bullets, lead, page
from climb_assets.audit.report.words import (
    answer_sentence,
    certainty_sentences,
    largest_shares,
    next_sentences,
    price_sentences,
    search_sentence,
    unknown_sentences,
    verdict,
)
from climb_assets.pictures.svg import escape
from climb_assets.store.artifacts import Artifact
from climb_assets.store.files import write_atomically
from climb_assets.store.store import Store

FILE = "report.html"


def trace_report(store: Store, objective: str) -> Lineage:
    """Return what the answer of an objective rests on, with what was made from it so far and the proxies' fidelity.

    Raises
    ------
    MissingArtifact
        There is no answer, or the lake no longer holds what it was made from.
    """
    answer = store.get("optimal_mixture", objective)
    made = [store.current(asset, objective) for asset in ("target_comparison", "mixed_corpus")]
    lineage = trace(
        store, [answer, *(one for one in made if one is not None and _rests_on(one, {name_of(answer): answer}))]
    )
    fidelity = store.current("proxy_fidelity")
    if fidelity is None or not _rests_on(fidelity, lineage.artefacts):
        return lineage
    return replace(lineage, artefacts=lineage.artefacts | {name_of(fidelity): fidelity})


def _rests_on(made: Artifact, artefacts: Mapping[str, Artifact]) -> bool:
    """Return whether what an artefact was made from is, as far as it is among these, in the same versions."""
    shared = {name: version for name, version in made.manifest["inputs"].items() if name in artefacts}
    return bool(shared) and all(artefacts[name].data_version == version for name, version in shared.items())


def answer_of(objective: str, lineage: Lineage) -> str:
    """Return the answer of an objective in one sentence."""
    return answer_sentence(read_facts(objective, lineage))


def write_report(objective: str, lineage: Lineage, out: Path, notes: Sequence[str] = ()) -> None:
    """Write the report of an objective into a file.

    Parameters
    ----------
    lineage
        What its `optimal_mixture` rests on; and as far as they were made from it `target_comparison`, `mixed_corpus`
        and `proxy_fidelity`; see `trace_report`. What is not among it is said not to be known.
    notes
        Sentences that stand above all others, such as that the answer is stale.

    Raises
    ------
    ComputeError
        No document may be trained on.
    """
    facts = read_facts(objective, lineage)
    documents = read_documents(lineage.artefacts, out.parent)
    write_atomically(out, render(facts, documents, notes).encode())


def render(facts: Facts, documents: Documents, notes: Sequence[str] = ()) -> str:
    """Return the page."""
    sections = [
        ("mixture", "The mixture", _mixture(facts)),
        ("evidence", "How sure it is", _evidence(facts)),
        ("search", "The search", _search(facts)),
        ("responses", "What each domain does", _responses(facts)),
        ("domains", "Domains", _domains(facts, documents)),
        ("map", "Map of documents", _map(facts, documents)),
        ("unknown", "What is not known", bullets(unknown_sentences(facts, documents), "unknown")),
    ]
    return page(f"Mixture for {facts.objective}", _header(facts, notes), sections, _footer(facts))


def _header(facts: Facts, notes: Sequence[str]) -> str:
    kind, words = verdict(facts)
    sides = [("How sure", certainty_sentences(facts)), ("What next", next_sentences(facts))]
    tasks = ", ".join(f"{task}" if weight == 1 else f"{task} × {weight:g}" for task, weight in facts.tasks.items())
    corpus = f"{facts.corpus['documents']:,} documents, {facts.corpus['tokens']:,} tokens"
    told = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    beside = "".join(f"<div><h2>{escape(name)}</h2>{bullets(sentences)}</div>" for name, sentences in sides)
    return (
        f'{told}<p class="over">Mixture for <strong>{escape(facts.objective)}</strong> ({escape(tasks)}) · '
        f"{escape(corpus)}</p>"
        f"<h1>{_headline(facts)}</h1>"
        f'<span class="badge b-{kind}">{escape(words)}</span>'
        f'<div class="sides">{beside}</div>'
    )


def _headline(facts: Facts) -> str:
    """Return the answer with its numbers made strong; as text it is what `answer_sentence` says."""
    shown = [f"<b>{escape(share)}</b> {escape(name)}" for share, name in largest_shares(facts)]
    return f"Train on {', '.join(shown[:-1])}{' and ' if len(shown) > 1 else ''}{shown[-1]}."


def _mixture(facts: Facts) -> str:
    moved = facts.selection["adapted_by"]
    origin = facts.selection["origin"]
    told = f"It is {'' if origin.startswith('number') else 'the '}{origin}"
    told += f"; the limits of today's supply moved it by {moved:.1%}." if moved else "."
    beside = stacked_figure(facts) + _limits(facts)
    return f'{lead(told)}<div class="grid">{shares_figure(facts)}<div class="stack">{beside}</div></div>'


def _evidence(facts: Facts) -> str:
    told = (
        "Each point is the loss of the answer minus that of a baseline, in bits per byte of the objective: left of "
        "zero the answer is better. A filled point is told from zero by its interval."
    )
    return f'{lead(told)}<div class="grid">{baselines_figure(facts)}{targets_figure(facts)}</div>'


def _search(facts: Facts) -> str:
    figures = [progress_figure(facts), gains_figure(facts), iterations_figure(facts), prediction_figure(facts)]
    return f'{lead(search_sentence(facts))}<div class="grid">{"".join(figures)}</div>'


def _responses(facts: Facts) -> str:
    told = (
        "By how much the predicted loss changes as one domain's share moves away from the answer (the dot) and the "
        "others make room in proportion, within the limits, in bits per byte. Less is better; the band is two standard "
        "deviations of the prediction. Strokes on the axis are shares that a proxy was trained on: between them, and "
        "beyond the last, it is a guess."
    )
    return (
        f'{lead(told)}<div class="card"><div class="minis">{response_figures(facts)}</div>{response_table(facts)}</div>'
    )


def _limits(facts: Facts) -> str:
    told = price_sentences(facts)
    budget = facts.settings["budget"]
    within = (
        f"No domain may be more than {facts.settings['search']['max_usage']:g} times its share of the corpus, or be "
        f"repeated more than {budget['max_epochs']:g} times in {budget['tokens']:,} tokens, or leave search.limits."
    )
    binding = bullets(told) if told else "<p>None of them binds: the answer would be the same without them.</p>"
    return (
        f'<div class="card"><h3>Limits that bind, and their price</h3><p class="terms">{escape(within)}</p>'
        f"{binding}</div>"
    )


def _domains(facts: Facts, documents: Documents) -> str:
    told = (
        f"{len(facts.names)} domains over {documents.of:,} documents that may be trained on, those with most of the "
        "answer first."
    )
    return lead(told) + domain_cards(facts, documents)


def _map(facts: Facts, documents: Documents) -> str:
    told = (
        f"{len(documents.places):,} of {documents.of:,} documents, a fair sample, laid out by t-SNE of their "
        "embeddings: who is near is alike, but how far apart groups lie, and how large they look, says nothing. "
        "Numbers and colours are those of the domains with most of the answer."
    )
    return lead(told) + map_markup(facts, documents)


def _footer(facts: Facts) -> str:
    answer = facts.artefacts[f"optimal_mixture@{facts.objective}"]
    manifest = facts.artefacts["corpus_manifest"]
    return (
        f"<p>Made from optimal_mixture <code>{answer.data_version}</code> on the corpus "
        f"<code>{manifest.data_version}</code>, which <code>climb verify</code> holds against the lake. Losses are in "
        "bits per byte; intervals are explained in docs/design.md, section 9. This page fetches nothing.</p>"
    )

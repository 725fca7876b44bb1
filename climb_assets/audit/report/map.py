"""The map of documents and the cards of domains: what a report shows of the text itself.

What belongs here: markup of documents and domains. Everything of the user's is escaped on its way into the page.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from climb_assets.audit.report.documents import Documents, Place
from climb_assets.audit.report.facts import Facts
from climb_assets.audit.report.page import table
from climb_assets.pictures.plots import dots, middle
from climb_assets.pictures.scales import percent, plain
from climb_assets.pictures.svg import COLOURS, Drawing, colour, escape
from climb_assets.printable import printable

WIDE, HIGH, EDGE = 720.0, 540.0, 14.0  # units of the map
ZOOM = (
    '<div class="zoom"><button type="button" data-zoom="0.6">Closer</button>'
    '<button type="button" data-zoom="1.7">Farther</button><button type="button" data-zoom="0">All</button></div>'
)
PRUNED = -1  # the number of what is in no domain
QUALITIES = {
    "mean_quality": "quality",
    "mean_educational_value": "educational",
    "mean_informational_value": "informational",
    "mean_advertisement": "free of advertisement",
}
LICENCES, SOURCES = 3, 4  # that a card names


def map_markup(facts: Facts, documents: Documents) -> str:
    """Return the map, a list of domains to pick one from, and a place for the document that is pointed at."""
    rank = {domain: place for place, domain in enumerate(facts.order)}
    drawing = Drawing(HIGH, WIDE)
    at = [_at(place) for place in documents.places]
    of = [PRUNED if place.domain is None else place.domain for place in documents.places]
    for domain in [PRUNED, *reversed(facts.order)]:
        points = [point for point, own in zip(at, of, strict=True) if own == domain]
        kind = "s-line" if domain == PRUNED else f"s-{colour(rank[domain])}"
        if points:
            drawing.add("path", d=dots(points), class_=f"dots {kind}", data_domain=str(domain))
    for domain in facts.order[:COLOURS]:
        points = [point for point, own in zip(at, of, strict=True) if own == domain]
        if points:
            x, y = middle(points)
            drawing.add(
                "circle",
                cx=x,
                cy=y,
                r=11,
                class_=f"f-paper ring s-{colour(rank[domain])}",
                stroke_width=2,
                data_domain=str(domain),
            )
            drawing.add(
                "text",
                str(rank[domain] + 1),
                x=x,
                y=y + 4.5,
                text_anchor="middle",
                class_="strong",
                data_domain=str(domain),
            )
    picture = drawing.render(f"Map of {len(at)} documents, coloured by domain; the list beside it names the domains")
    return (
        f'<div class="card map"><div>{ZOOM}{picture}'
        '<p class="told" aria-live="polite">Point at a document, or touch it, to read how it begins.</p></div>'
        f'<ul class="names">{_names(facts, of)}</ul></div>{_points(facts, documents, at, of)}{domain_table(facts)}'
    )


def _names(facts: Facts, of: Sequence[int]) -> str:
    items = []
    for place, domain in enumerate(facts.order):
        number = f"{place + 1} " if place < COLOURS else ""
        items.append(
            f'<li><button type="button" data-domain="{domain}" aria-pressed="false">'
            f'<i class="key b-{colour(place)}"></i>{escape(number + facts.names[domain])} '
            f'<span class="terms">{of.count(domain)}</span></button></li>'
        )
    if PRUNED in of:
        items.append(
            f'<li><button type="button" data-domain="{PRUNED}" aria-pressed="false"><i class="key b-line"></i>'
            f'pruned <span class="terms">{of.count(PRUNED)}</span></button></li>'
        )
    return "".join(items)


def _points(facts: Facts, documents: Documents, at: Sequence[tuple[float, float]], of: Sequence[int]) -> str:
    """Return what the script looks documents up in; as JSON in which nothing can end the element."""
    sources = sorted({place.source for place in documents.places})
    number = {source: place for place, source in enumerate(sources)}
    places = [
        [round(x), round(y), own, number[place.source], printable(" ".join(place.begins.split()), 160)]
        for (x, y), own, place in zip(at, of, documents.places, strict=True)
    ]
    told = {"places": places, "names": [printable(name) for name in facts.names]}
    told |= {"sources": [printable(source) or "no source" for source in sources]}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return f'<script type="application/json" id="points">{text}</script>'


def _at(place: Place) -> tuple[float, float]:
    return EDGE + place.x * (WIDE - 2 * EDGE), EDGE + place.y * (HIGH - 2 * EDGE)


def domain_cards(facts: Facts, documents: Documents) -> str:
    """Return a card for each domain, those with most of the answer first."""
    cards = "".join(_card(facts, documents, place, domain) for place, domain in enumerate(facts.order))
    return f'<div class="cards">{cards}</div>'


def _card(facts: Facts, documents: Documents, place: int, domain: int) -> str:
    row = facts.domains[domain]
    told = {
        "in the answer": percent(facts.weights[domain]),
        "in the corpus": f"{percent(facts.prior[domain])}, {row['tokens']:,} tokens in {row['documents']:,} documents",
        "scores": _quality(row) or "not scored",
        "sources": _shares(
            [(one["source"] or "not named", one["documents"]) for one in row["sources"]], row["documents"]
        ),
        "licences": _licences(documents.licences.get(domain, [])),
    }
    facts_of = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told.items())
    begins = "".join(
        f"<blockquote>{escape(' '.join(text.split()))} …<cite>{escape(source or 'no source')}</cite></blockquote>"
        for source, text in documents.beginnings.get(domain, [])
    )
    return (
        f'<article class="card"><h3><i class="key b-{colour(place)}"></i>{escape(str(row["name"]))}</h3>'
        f'<p class="terms">{escape(", ".join(row["terms"]))}</p><dl>{facts_of}</dl>'
        f"<details><summary>How documents begin</summary>{begins or '<p>It holds none today.</p>'}</details></article>"
    )


def _quality(row: Mapping[str, Any]) -> str:
    scores = [f"{told} {plain(row[name], 1)}" for name, told in QUALITIES.items() if row.get(name) is not None]
    return ", ".join(scores)


def _shares(counted: Sequence[tuple[str, int]], of: int) -> str:
    return ", ".join(f"{name} {percent(count / max(of, 1))}" for name, count in counted[:SOURCES]) or "none"


def _licences(held: Sequence[tuple[str, int]]) -> str:
    every = sum(tokens for _, tokens in held)
    told = [f"{licence or 'not named'} {percent(tokens / max(every, 1))}" for licence, tokens in held[:LICENCES]]
    return ", ".join(told) + (f" and {len(held) - LICENCES} more" if len(held) > LICENCES else "") if told else "none"


def domain_table(facts: Facts) -> str:
    """Return the numbers behind the map."""
    rows = [
        (
            facts.names[domain],
            percent(facts.weights[domain]),
            percent(facts.prior[domain]),
            f"{facts.domains[domain]['documents']:,}",
        )
        for domain in facts.order
    ]
    return table(["domain", "in the answer", "in the corpus", "documents"], rows)

"""The report: one page that begins with the answer, the same each time, in which the user's text is text."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.audit.report.documents import Documents, Place, read_documents
from climb_assets.audit.report.facts import Facts, read_facts
from climb_assets.audit.report.page import SCRIPT
from climb_assets.audit.report.words import certainty_sentences, next_sentences, unknown_sentences, verdict
from climb_assets.audit.report.writer import answer_of, render, trace_report, write_report
from climb_assets.config_file import load_config
from climb_assets.errors import MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.pictures.scales import plain

MOST_BYTES = 5_000_000


class Page(HTMLParser):
    """What a browser makes of a page: its elements with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._raw = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else ""
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._raw = ""

    def handle_data(self, data: str) -> None:
        if self._raw == "script":
            self.scripts[-1] += data
        elif not self._raw:
            self.text += f"{data} "


@pytest.fixture(scope="module")
def climb(finished_once: Path) -> Materializer:
    return Materializer(load_config(finished_once / "climb.yaml"))


@pytest.fixture(scope="module")
def facts(climb: Materializer) -> Facts:
    return read_facts("general", trace_report(climb.store, "general"))


@pytest.fixture(scope="module")
def documents(climb: Materializer, tmp_path_factory: pytest.TempPathFactory) -> Documents:
    lineage = trace_report(climb.store, "general")
    return read_documents(lineage.artefacts, tmp_path_factory.mktemp("read"))


def test_the_page_is_one_file_that_fetches_nothing_and_the_same_each_time(climb: Materializer, tmp_path: Path) -> None:
    lineage = trace_report(climb.store, "general")
    for name in ("one.html", "two.html"):
        write_report("general", lineage, tmp_path / name)
    written = (tmp_path / "one.html").read_bytes()
    assert written == (tmp_path / "two.html").read_bytes() and len(written) < MOST_BYTES
    page = Page(written.decode())
    fetching = {"src", "href", "srcset", "data", "action", "poster"}
    addresses = [value for _, attributes in page.elements for name, value in attributes.items() if name in fetching]
    assert addresses and all(address is not None and address.startswith("#") for address in addresses)
    assert any("http-equiv" in found for _, found in page.elements)
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", written.decode())


def test_it_begins_with_the_answer_how_sure_it_is_and_what_to_do(facts: Facts, documents: Documents) -> None:
    text = " ".join(Page(render(facts, documents)).text.split())
    places = [text.find(told) for told in ("Train on", verdict(facts)[1], "How sure", "What next", "The mixture")]
    assert -1 not in places and places == sorted(places)
    for sentence in [*certainty_sentences(facts), *next_sentences(facts), *unknown_sentences(facts, documents)]:
        assert " ".join(sentence.split()) in text


def test_every_section_figure_and_domain_is_there(facts: Facts, documents: Documents) -> None:
    page = Page(render(facts, documents))
    for title in (
        *("Answer and corpus", "Against the baselines", "Proxies with fresh seeds", "Target models", "Best so far"),
        *("Gain against cost", "Mixtures that were tried", "Predicted and measured", "Limits that bind"),
        *("What each domain does", "Map of documents", "What is not known"),
    ):
        assert title in page.text, title
    for row in facts.domains:
        assert page.text.count(str(row["name"])) >= 3
    assert "CC0" in page.text and "first" in page.text  # licences and sources
    drawings = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert len(drawings) >= 9 + len(facts.domains)
    assert all(one["role"] == "img" and one["aria-label"] for one in drawings)


def test_shares_are_told_as_they_are(facts: Facts, climb: Materializer) -> None:
    told = answer_of("general", trace_report(climb.store, "general"))
    assert told.startswith("Train on ") and facts.names[int(np.argmax(facts.weights))] in told


def test_the_map_has_the_documents_and_none_of_those_held_out(facts: Facts, documents: Documents) -> None:
    assert len(documents.places) == documents.of == facts.corpus["splits"]["by_split"]["train"]
    assert all(0 <= place.x <= 1 and 0 <= place.y <= 1 for place in documents.places)
    held = sum(tokens for domain in documents.licences.values() for _, tokens in domain)
    assert held == sum(row["tokens"] for row in facts.domains)


def test_the_response_passes_through_the_answer(facts: Facts) -> None:
    for domain, found in enumerate(facts.responses):
        shares = [share for share, _, _ in found.curve]
        assert shares == sorted(shares) and shares[0] <= found.answer + 1e-9
        nearest = min(found.curve, key=lambda point: abs(point[0] - found.answer))
        assert found.answer == facts.confirmed[domain] and abs(nearest[1]) < 0.5


def test_what_was_not_measured_is_said_to_be_so(facts: Facts, documents: Documents) -> None:
    selection = dict(facts.selection) | {"evidence": None}
    poor = replace(
        facts, comparison=None, realised=None, fidelity=None, predicted=None, target=None, selection=selection
    )
    text = Page(render(poor, documents)).text
    assert "Not confirmed" in text and "Target models were not trained on it yet" in text
    assert "Not measured" in text and "Not known" in text and "No target model was trained on this answer." in text


def test_the_rank_of_predictions_is_the_one_that_was_recorded(facts: Facts, documents: Documents, climb) -> None:
    recorded = climb.get("predictor_state", "iteration-03").summary["out_of_fold_spearman"]["general"]
    assert f"Rank correlation {plain(recorded, 2)}, of 1 at best" in Page(render(facts, documents)).text
    blind = Page(render(replace(facts, rank=None), documents))
    assert "Rank correlation not known" in blind.text


def test_target_models_that_disagree_are_not_passed_over(facts: Facts) -> None:
    gaps = [gap | {"verdict": "better than"} for gap in facts.selection["evidence"]["gaps"]]
    selection = dict(facts.selection) | {"evidence": dict(facts.selection["evidence"]) | {"gaps": gaps}}
    rows = [dict(row) | {"verdict": "worse"} for row in facts.primary]
    told = replace(facts, selection=selection, comparison=rows)
    assert verdict(told) == ("bad", "Target models: worse than a baseline")
    others = [row | {"verdict": "better" if "objective" in row["measure"] else "worse"} for row in rows]
    assert verdict(replace(told, comparison=others)) == ("bad", "Better on its own tasks, worse on others")
    assert any("worse than " in sentence and "uniform" in sentence for sentence in certainty_sentences(told))
    assert any(sentence.startswith("Look at what it is worse at") for sentence in next_sentences(told))


def test_a_note_stands_above_all(facts: Facts, documents: Documents) -> None:
    text = Page(render(facts, documents, ["When this was written it was <stale>."])).text
    assert text.index("it was <stale>.") < text.index("Train on")


def test_without_an_answer_there_is_no_report(materializer: Materializer) -> None:
    with pytest.raises(MissingArtifact):
        trace_report(materializer.store, "general")


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hostile=st.text(min_size=1, max_size=30)
    | st.sampled_from(
        [
            "</script><script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            '" onload="alert(1)',
            "]]>",
            "<!--",
            "\u2028\u202e",
        ]
    )
)
def test_what_data_holds_is_never_markup(facts: Facts, documents: Documents, hostile: str) -> None:
    rows = [
        dict(row) | {"name": hostile, "terms": [hostile] * 3, "sources": [{"source": hostile, "documents": 1}]}
        for row in facts.domains
    ]
    places = [Place(place.x, place.y, place.domain, hostile, hostile) for place in documents.places[:20]]
    told = Documents(places, {0: [(hostile, hostile)]}, {0: [(hostile, 5)]}, 20)
    plain_page, page = (
        Page(render(facts, documents)),
        Page(render(replace(facts, domains=rows, objective=facts.objective), told)),
    )
    assert len(page.scripts) == 2 and page.scripts[1] == SCRIPT
    kinds = {tag for tag, _ in plain_page.elements}
    assert {tag for tag, _ in page.elements} <= kinds
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]

"""What people are handed: weights, blends as frameworks read them, and a table to fill."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from climb_assets.config import Config
from climb_assets.errors import ArgumentError
from climb_assets.graph.materializer import Materializer
from climb_assets.search.asking import ask
from climb_assets.search.questions import forget_questions_behind, put_questions
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.files import write_array
from tests.climb_assets.search.conftest import ASKED, SECOND, WEIGHTS, question


def test_the_folder_says_all_that_is_asked(climb: Materializer, tmp_path: Path) -> None:
    (asked,) = ask(climb, tmp_path / "out")
    assert [one.id for one in asked.questions] == ["id0", "id1"]
    ratios, metrics = (
        list(csv.DictReader((tmp_path / "out" / f"{name}.csv").open())) for name in ("ratios", "metrics")
    )
    for number, row in enumerate(ratios):
        assert tuple(float(row[domain]) for domain in ("sea", "hill", "plain, wide")) == WEIGHTS[number]
        assert (row["run_id"], row["mixture"]) == (f"id{number}", question(number).mixture)
    assert [list(row) for row in metrics] == [["run_id", "mixture", "repeat", "seed", "one", "two", "diverged"]] * 2
    assert metrics[0]["one"] == metrics[0]["diverged"] == ""
    (described,) = json.loads((tmp_path / "out" / "questions.json").read_text())
    assert described["training"] == {"tokens": 1024} and described["questions"][1]["weights"] == list(WEIGHTS[1])


def put_tokens(climb: Materializer, documents: list[list[int]]) -> str:
    """Put down token files of domains whose documents are so long, and return their data version."""

    def write(draft: Draft) -> None:
        for number, lengths in enumerate(documents):
            write_array(draft.path / f"domain-{number:05d}.documents.npy", np.cumsum([0, *lengths]))

    return climb.store.put(Order("domain_tokens", None, {}, {}, {}), write)[0].data_version


def test_blends_leave_out_what_weighs_nothing(climb: Materializer, tmp_path: Path) -> None:
    version = put_tokens(climb, [[4, 6], [20, 20, 20], [10]])
    questions = tuple(replace(question(number), tokens_version=version) for number in range(2))
    put_questions(climb.store, ("proxy_results", "iteration-01"), replace(ASKED, questions=questions))
    ask(climb, tmp_path / "out")
    blend = (tmp_path / "out" / "megatron" / "id0.txt").read_text()
    assert blend == "0.50000000 domain-00000_text_document\n0.50000000 domain-00001_text_document\n"
    interleaved = json.loads((tmp_path / "out" / "interleave_datasets" / "id1.json").read_text())
    assert interleaved["datasets"] == ["domain-00000", "domain-00001", "domain-00002"]
    assert interleaved["token_shares"] == [0.2, 0.3, 0.5]
    options, lengths = interleaved["options"], np.array([5, 20, 10])  # tokens of a document
    assert (options["seed"], options["stopping_strategy"]) == (7, "all_exhausted")
    drawn = np.array(options["probabilities"]) * lengths  # a domain's share of the tokens, drawn by documents
    assert sum(options["probabilities"]) == pytest.approx(1)
    assert drawn / drawn.sum() == pytest.approx([0.2, 0.3, 0.5])
    folders = json.loads((tmp_path / "out" / "nanochat" / "id0.json").read_text())
    assert folders == {"seed": 7, "weights": {"domain-00000": 0.5, "domain-00001": 0.5}}


def test_what_was_asked_before_and_is_no_longer_is_not_asked(climb: Materializer) -> None:
    put_questions(climb.store, ("proxy_results", "iteration-01"), SECOND)
    assert [one.id for found in ask(climb) for one in found.questions] == ["id1"]


def test_a_model_that_two_wait_for_is_asked_once(climb: Materializer, tmp_path: Path) -> None:
    put_questions(climb.store, ("confirmation_results", "general"), SECOND)
    assert len(ask(climb, tmp_path / "out")) == 2
    rows = list(csv.DictReader((tmp_path / "out" / "metrics.csv").open()))
    assert sorted(row["run_id"] for row in rows) == ["id0", "id1"]


def test_only_what_todays_graph_and_search_ask_is_asked(climb: Materializer, config: Config) -> None:
    other = replace(SECOND, domains=("letters", "code"), search="another corpus")
    for partition, asked in (("iteration-02", other), ("iteration-09", SECOND)):
        put_questions(climb.store, ("proxy_results", partition), asked)
    put_questions(climb.store, ("confirmation_results", "an objective of before"), SECOND)
    assert [asked.what for asked in ask(climb)] == ["proxies"]
    assert ask(Materializer(config)) == []  # whose proxies climb trains


def test_who_asks_anew_lets_what_rests_on_it_ask_anew(climb: Materializer) -> None:
    places = [("proxy_results", "iteration-02"), ("proxy_results", "iteration-03")]
    places += [("confirmation_results", "general"), ("confirmation_results", "science")]
    for number, node in enumerate(places):
        put_questions(climb.store, node, replace(SECOND, what=f"{number}"))
    forget_questions_behind(climb, "confirmation_results", "general")
    assert len(ask(climb)) == 5
    forget_questions_behind(climb, "proxy_results", "iteration-02")
    assert [asked.what for asked in ask(climb)] == ["proxies", "0"]


def test_a_folder_that_is_there_is_left_alone(climb: Materializer, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ArgumentError, match="is there already; name another folder"):
        ask(climb, tmp_path / "out")


def test_nothing_is_asked_of_a_lake_that_waits_for_nothing(config: Config) -> None:
    assert ask(Materializer(config)) == []

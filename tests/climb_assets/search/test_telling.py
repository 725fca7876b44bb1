"""What is told is checked cell by cell, and nothing of a wrong table is kept."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from climb_assets.config import Config
from climb_assets.errors import ClimbError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import TOLD
from climb_assets.search.asking import ask
from climb_assets.search.questions import put_questions, read_answers
from climb_assets.search.telling import tell
from tests.climb_assets.search.conftest import ASKED, question

HEAD = "run_id,mixture,repeat,seed,one,two,diverged\n"


@pytest.fixture
def told(climb: Materializer, tmp_path: Path) -> Callable[..., object]:
    """Return a teller of rows of a table, whose first cells are those of the questions."""

    def say(*rows: str, by: str = "me", metric: str = "v1", head: str = HEAD, replace: bool = False) -> object:
        table = tmp_path / "metrics.csv"
        table.write_text(head + "".join(f"{row}\n" for row in rows), encoding="utf-8")
        return tell(climb, table, by, metric, replace=replace)

    return say


def row(number: int, one: str = "1.5", two: str = "2.5", diverged: str = "") -> str:
    asked = question(number)
    return f"{asked.id},{asked.mixture},{asked.repeat},{asked.seed},{one},{two},{diverged}"


def test_what_is_told_is_kept_with_who_said_it(climb, told) -> None:
    told(row(0), row(1, diverged="true", one="", two=""))
    answers = read_answers(climb.store.current(TOLD))
    assert [(one["task"], one["loss"], one["by"], one["metric"]) for one in answers["id0"]] == [
        ("one", 1.5, "me", "v1"),
        ("two", 2.5, "me", "v1"),
    ]
    assert [(one["diverged"], one["loss"]) for one in answers["id1"]] == [(True, None)] * 2
    assert ask(climb) == []


def test_the_order_of_columns_and_rows_is_free(climb, told) -> None:
    told("2.5,id1,1.5", "", "4,id0,3", head="two,run_id,one\n")
    answers = read_answers(climb.store.current(TOLD))
    assert {id_: [one["loss"] for one in rows] for id_, rows in answers.items()} == {"id0": [3, 4], "id1": [1.5, 2.5]}


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([row(0)], "no row id1, which is asked for; fill every row"),
        ([row(0), row(1), row(1)], "row id1 twice"),
        ([row(0), row(1, one="")], "row id1 has nothing for one; write its loss in bits per byte"),
        ([row(0), row(1, one="n/a")], "row id1 has 'n/a' for one"),
        ([row(0), row(1, one="nan")], "row id1 has nan for one, which is no loss; write true for diverged"),
        ([row(0), row(1, two="-1")], "row id1 has -1 for two, which is no loss"),
        ([row(0), row(1, two="inf")], "row id1 has inf for two, which is no loss"),
        ([row(0), row(1, diverged="perhaps")], "row id1 has 'perhaps' for diverged"),
        ([row(0), row(1).replace("id1", "id2")], "row id2 was not asked for, or not with today's settings"),
        ([row(0), row(0).replace("id0", "id1")], "row id1 has mixture .* it is another's row"),
        ([row(0), row(1).replace(",7,", ",8,")], "row id1 has seed 8 and not 7"),
        ([row(0), row(1) + ",1"], "line 3 has 8 cells and not 7"),
    ],
)
def test_a_wrong_table_is_refused_as_a_whole(climb, told, rows: list[str], fault: str) -> None:
    with pytest.raises(ClimbError, match=fault):
        told(*rows)
    assert climb.store.current(TOLD) is None


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"by": " "}, "say who has measured in at most 200 characters"),
        ({"metric": ""}, "say the metric of one in at most"),
        ({"head": "id,one,two\n"}, "needs one column run_id and no name twice"),
        ({"head": HEAD.replace("two", "one")}, "needs one column run_id and no name twice"),
    ],
)
def test_who_and_by_what_is_needed(told, options: dict[str, str], fault: str) -> None:
    with pytest.raises(ClimbError, match=fault):
        told(row(0), row(1), **options)


def test_two_metrics_of_one_task_never_meet(climb, told) -> None:
    told(row(0), row(1))
    with pytest.raises(ClimbError, match="one was told by metric 'v1' before and now by 'v2'"):
        told(row(0), metric="v2", replace=True)
    told(row(0), row(1), metric="v2", replace=True)
    assert {one["metric"] for rows in read_answers(climb.store.current(TOLD)).values() for one in rows} == {"v2"}


def test_a_metric_of_another_search_is_no_matter(climb, told) -> None:
    told(row(0), row(1))
    fresh = replace(question(0), id="id9")
    put_questions(climb.store, ("proxy_results", "iteration-01"), replace(ASKED, questions=(fresh,)))
    told(row(0).replace("id0", "id9"), metric="v2")
    assert set(read_answers(climb.store.current(TOLD))) == {"id0", "id1", "id9"}


def test_of_two_who_tell_at_once_each_is_checked_against_the_other(climb, tmp_path: Path) -> None:
    both = [{"id0": {"one": one, "two": 2.5}, "id1": {"one": 1.0, "two": 2.0}} for one in (1.5, 9.0)]
    with ThreadPoolExecutor() as pool:
        said = [pool.submit(tell, climb, results, "me", "v1") for results in both]
    errors = [str(one.exception()) for one in said if one.exception() is not None]
    assert len(errors) == 1 and "row id0 was told before, and otherwise" in errors[0]


def test_telling_the_same_twice_changes_nothing_and_other_numbers_need_a_word(climb, told) -> None:
    told(row(0), row(1))
    before = climb.store.current(TOLD)
    told(row(0), row(1))
    assert climb.store.current(TOLD).data_version == before.data_version
    with pytest.raises(ClimbError, match="row id0 was told before, and otherwise"):
        told(row(0, one="9"))
    told(row(0, one="9"), replace=True)
    answers = read_answers(climb.store.current(TOLD))
    assert [one["loss"] for one in answers["id0"]] == [9, 2.5] and len(answers) == 2


def test_it_can_be_told_without_a_table(climb) -> None:
    with pytest.raises(ClimbError, match="what is told, row id1 has nothing for two"):
        tell(climb, {"id0": {"one": 1.5, "two": 2.5}, "id1": {"one": 1.0}}, "me", {"one": "v1", "two": "v2"})
    tell(climb, {"id0": {"one": 1.5, "two": 2.5}, "id1": None}, "me", {"one": "v1", "two": "v2"})
    answers = read_answers(climb.store.current(TOLD))
    assert [(one["loss"], one["metric"]) for one in answers["id0"]] == [(1.5, "v1"), (2.5, "v2")]
    assert [one["diverged"] for one in answers["id1"]] == [True, True]


def test_nothing_is_told_where_nothing_was_asked(config: Config, tmp_path: Path) -> None:
    with pytest.raises(ClimbError, match=r"nothing was asked for; set proxy\.trainer to ask"):
        tell(Materializer(config), tmp_path / "metrics.csv", "me", "v1")

"""Names of domains: of one domain alone, short, and fit to head a column."""

from hypothesis import given
from hypothesis import strategies as st

from climb_assets.clusters.domain_names import NOT_NAMES, name_domains
from climb_assets.search.swarm_table import RUN_COLUMNS


def test_a_name_is_the_first_terms_until_it_is_taken() -> None:
    terms = [["river", "lake", "water", "boat"]] * 2 + [["river", "lake", "water"]] * 2 + [[], [], ["Run"], ["run"]]
    assert name_domains(terms) == [
        *("river lake water", "river lake water boat", "river lake water 2", "river lake water 3"),
        *("domain 4", "domain 5", "Run 2", "run 3"),
    ]


def test_terms_without_spaces_are_cut() -> None:
    (name, other) = name_domains([["x" * 9000, "y" * 9000], ["x" * 9000, "y" * 8999]])
    assert len(name) < 60 and name != other


def test_no_name_is_that_of_another_column_of_a_swarm_table() -> None:
    assert set(RUN_COLUMNS) <= NOT_NAMES


@given(st.lists(st.lists(st.sampled_from(["a", "b", "A", "x" * 99, "name", "水"]), max_size=6), max_size=30))
def test_names_are_distinct_whatever_the_case_and_short(terms: list[list[str]]) -> None:
    names = name_domains(terms)
    assert len({name.casefold() for name in names}) == len(terms)
    assert all(0 < len(name) <= 110 and name.isprintable() for name in names)

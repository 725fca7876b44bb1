"""Names of domains, labels and files: each is of one thing alone, is shown harmlessly, and comes back as it went."""

import json
import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.random import Generator

from climb_assets.clusters.domain_names import TERM_CHARACTERS, name_domains
from climb_assets.clusters.terms import split_terms
from climb_assets.corpus.labels import LabelError, make_label
from climb_assets.corpus.records import printable_name
from climb_assets.printable import MOST, printable, printable_lines
from climb_assets.search.history import History
from climb_assets.search.swarm_table import as_history, read_swarm, write_swarm
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.tables import read_table, write_table
from tests.fuzz.case import require_one_line
from tests.fuzz.hostile import chance, hostile_text, hostile_value

TERMS = 6  # the default of clusters.terms


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Name domains and send them through a swarm table; label, show and write down what nobody meant to write."""
    names = name_domains([_terms(random) for _ in range(int(random.integers(2, 7)))])
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(names), names
    for name in names:
        require_one_line(name)
        assert 0 < len(name) <= (TERMS + 1) * (TERM_CHARACTERS + 1) and name == name.strip(), name
    _require_round_trip(random, folder, names)
    _require_label(hostile_value(random), folder)
    _require_shown(hostile_text(random, 40))
    return Counter(accepted=1)


def _terms(random: Generator) -> list[str]:
    """Return terms as they are found in a text."""
    found = split_terms(hostile_text(random, 12)) + ["term", "river", "name", "run"] * chance(random, 0.3)
    return [str(term) for term in random.permutation(found)[:TERMS]]


def _require_round_trip(random: Generator, folder: Path, names: list[str]) -> None:
    """Check that a swarm over these domains is read as it was written, to the last bit."""
    weights = random.dirichlet(np.ones(len(names)), 3)
    keys = tuple(map(mixture_key, weights))
    history = History.of_own(keys, 0, weights, {"arc": random.normal(3, 1, 3)}, np.zeros(3, np.bool_))
    write_swarm(folder, history, names)
    back = as_history(read_swarm(folder), names, ("arc",))
    assert back.keys == keys and np.array_equal(back.weights, weights)
    assert np.array_equal(back.losses["arc"], history.losses["arc"])


def _require_label(value: object, folder: Path) -> None:
    """Check that a label is none, or a text that stays as it is in a table and as its own label."""
    try:
        label = make_label(value)
    except LabelError:
        return
    table = pa.table({"label": pa.array([label], pa.string())})
    write_table(folder / "labels.parquet", table)
    assert read_table(folder / "labels.parquet")["label"].to_pylist() == [label] == [make_label(label)]


def _require_shown(text: str) -> None:
    """Check that a text, or a file of that name, can be shown and written down."""
    require_one_line(printable(text))
    assert len(printable(text)) <= MOST
    for line in printable_lines(text).split("\n"):
        require_one_line(line)
    name = printable_name(os.fsencode(text.encode("utf-8", "surrogatepass")))
    assert json.loads(json.dumps(name).encode()) == name
    name.encode()

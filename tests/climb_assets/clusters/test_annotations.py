"""Annotations: what is wrong with a file is one sentence with its line; texts are those of documents."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from climb_assets.clusters.annotations import LEAST, read_annotations
from climb_assets.errors import ConfigError
from tests.climb_assets.clusters.annotated import annotate, write_annotations

GOOD = annotate(30)


def with_second(record: Any) -> list[Any]:
    """Return good records with another one in the second line."""
    return [GOOD[0], record, *GOOD[2:]]


def scored(**scores: Any) -> dict[str, Any]:
    """Return a record whose scores are those of a good one but for some."""
    return {"text": "a text of its own", "scores": GOOD[1]["scores"] | scores}


def test_what_is_good_is_read_in_its_order(tmp_path: Path) -> None:
    found = read_annotations(write_annotations(tmp_path / "a.jsonl", GOOD), whole=True)
    assert found.dimensions == ("luck", "quality")
    assert found.texts == [record["text"] for record in GOOD]
    assert found.scores[:, 1].tolist() == [record["scores"]["quality"] for record in GOOD]


def test_a_text_is_what_the_corpus_would_have_and_counts_once(tmp_path: Path) -> None:
    odd = {"text": "\ufeffcafe\u0301 \r\nmore\x00  \n\n", "scores": GOOD[1]["scores"]}
    again = {"text": "caf\u00e9\nmore", "scores": GOOD[1]["scores"]}
    found = read_annotations(write_annotations(tmp_path / "a.jsonl", [odd, again, *GOOD]), whole=True)
    assert found.texts[0] == "caf\u00e9\nmore" and len(found.texts) == 1 + len(GOOD)


def test_a_probe_learns_parts_of_a_point(tmp_path: Path) -> None:
    path = write_annotations(tmp_path / "a.jsonl", with_second(scored(quality=2.5)))
    assert 2.5 in read_annotations(path, whole=False).scores
    with pytest.raises(ConfigError, match=r":2: quality is 2\.5, and fastText learns whole numbers; round it"):
        read_annotations(path, whole=True)


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        ("no json", "is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"text": "a", "text": "b", "scores": {}}', "the key 'text' stands there twice"),
        ([1], "not these two fields"),
        ({"scores": {"quality": 1, "luck": 1}}, "not these two fields"),
        ({"text": "a"}, "not these two fields"),
        (scored() | {"source": "web"}, "not these two fields"),
        (scored() | {"text": 7}, "text must be a text"),
        (scored() | {"text": " \n\x00"}, "text must be a text"),
        (scored() | {"text": "a \ud83d"}, "half of a surrogate pair"),
        (scored() | {"scores": []}, "scores must be an object"),
        (scored() | {"scores": {}}, "scores must be an object"),
        (scored() | {"scores": {"quality": 1}}, "scores lacks 'luck'"),
        (scored(beauty=1), "scores has 'beauty', too"),
        (scored(Quality=1), "'Quality' cannot name a dimension"),
        (scored(id=1), "'id' cannot name a dimension"),
        (scored(source=1), "'source' cannot name a dimension"),
        (scored(quality=float("nan")), "quality must be a number from 0 to 5"),
        (scored(quality=float("inf")), "quality must be a number from 0 to 5"),
        (scored(quality=True), "quality must be a number from 0 to 5"),
        (scored(quality="3"), "quality must be a number from 0 to 5"),
        (scored(quality=None), "quality must be a number from 0 to 5"),
        (scored(quality=-1), "quality must be a number from 0 to 5"),
        (scored(quality=10**400), "quality must be a number from 0 to 5"),
        (GOOD[0] | {"scores": {"quality": 5, "luck": 5}}, "the text of line 1 has other scores here"),
    ],
)
def test_a_bad_record_is_said_with_its_line(tmp_path: Path, record: Any, fault: str) -> None:
    path = write_annotations(tmp_path / "a.jsonl", with_second(record))
    with pytest.raises(ConfigError, match=rf"^quality\.annotations: .*a\.jsonl:2\b.*{re.escape(fault)}") as caught:
        read_annotations(path, whole=False)
    assert "\n" not in str(caught.value)


def test_too_few_are_refused_and_copies_do_not_help(tmp_path: Path) -> None:
    path = write_annotations(tmp_path / "a.jsonl", GOOD[: LEAST - 1] * 3)
    with pytest.raises(ConfigError, match=f"has {LEAST - 1} different documents, too few; give at least {LEAST}"):
        read_annotations(path, whole=False)
    read_annotations(write_annotations(path, GOOD[:LEAST]), whole=False)


def test_a_file_that_holds_nothing_or_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jsonl is not there"):
        read_annotations(tmp_path / "none.jsonl", whole=False)
    with pytest.raises(ConfigError, match="holds no record"):
        read_annotations(write_annotations(tmp_path / "a.jsonl", [" "]), whole=False)
    (tmp_path / "b.jsonl").write_bytes(json.dumps(GOOD[0]).encode("utf-16"))
    with pytest.raises(ConfigError, match="UTF-16"):
        read_annotations(tmp_path / "b.jsonl", whole=False)
    assert np.isfinite(read_annotations(write_annotations(tmp_path / "a.jsonl", GOOD), whole=False).scores).all()

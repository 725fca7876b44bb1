"""Errors of ours are one line, whatever of the user's data stands in them."""

from pathlib import Path

import pytest

from climb_assets.corpus.raw_files import list_shards
from climb_assets.errors import ClimbError, ConfigError, CorpusError, TransientError


@pytest.mark.parametrize("kind", [ClimbError, ConfigError, TransientError])
def test_an_error_shows_nothing_that_steers_a_terminal(kind: type[ClimbError]) -> None:
    said = str(kind("a name \x1b[2J\nof two lines\u202e; rename it"))
    assert said == r"a name \x1b[2J\nof two lines\u202e; rename it"


def test_an_error_keeps_its_beginning_and_its_advice() -> None:
    said = str(ConfigError(f"the key {'x' * 10_000} is not known; remove it"))
    assert said.startswith("the key x") and said.endswith("x is not known; remove it") and len(said) <= 1000


def test_a_name_with_a_line_break_in_a_raw_folder_is_told_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "two\nlines\x1b.jsonl").write_text("{}")
    with pytest.raises(CorpusError, match=r"two\\nlines\\x1b\.jsonl: rename it"):
        list_shards(tmp_path)

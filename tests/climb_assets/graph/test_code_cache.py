"""The cache of what functions reach: it saves work, and nobody is ever told of other code than lies there."""

import itertools
import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.graph.code_cache import MOST, CodeCache, Entries, SourceFile
from climb_assets.graph.code_identity import CodeReader

FILES = {
    "__init__.py": "",
    "m.py": "from tiny.a import h\nimport numpy\ndef f(): return h()\ndef g(): return numpy\n",
    "a.py": "def h(): return 1\n",
}
TICKS = itertools.count(1)


class Watched(CodeCache):
    """The cache as a process sees it that begins when the source has long been there; it counts what was not known."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, begun_ns=time.time_ns() + 10**10)
        self.found_anew = 0

    def put(self, key: str, files: Iterable[SourceFile], entries: Entries) -> None:
        """Remember, and count."""
        self.found_anew += 1
        super().put(key, files, entries)


def begin(root: Path, left_out: dict[str, str] | None = None) -> tuple[CodeReader, Watched]:
    """Return the reader of a new process, and its view of the cache, which lies beside the package."""
    cache = Watched(root.parent / "cache")
    return CodeReader(root, left_out or {}, cache=cache), cache


def kept(cache: CodeCache) -> list[Path]:
    """Return the files of a cache."""
    return sorted(cache.folder.glob("*")) if cache.folder.exists() else []


def write(path: Path, text: str, modified_ns: int | None = None) -> None:
    """Write a file, later than any other: within one tick of the clock, two edits may share a time stamp."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    modified_ns = next(TICKS) if modified_ns is None else modified_ns
    os.utime(path, ns=(modified_ns, modified_ns))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return the folder of a small package."""
    for name, text in FILES.items():
        write(tmp_path / "tiny" / name, text)
    return tmp_path / "tiny"


def test_a_later_process_finds_what_an_earlier_one_found(tiny: Path) -> None:
    first, cache = begin(tiny)
    found = first.code_of("tiny.m:f"), first.packages_of("tiny.m:g"), first.code_of("tiny.m:f", "tiny.a:h")
    assert cache.found_anew == 3
    later, cache = begin(tiny)
    assert (later.code_of("tiny.m:f"), later.packages_of("tiny.m:g"), later.code_of("tiny.m:f", "tiny.a:h")) == found
    assert cache.found_anew == 0
    assert found[0] == CodeReader(tiny, {}).code_of("tiny.m:f") and found[1] == {"numpy"}


def test_an_edit_of_the_same_size_and_time_is_seen(tiny: Path) -> None:
    modified_ns = (tiny / "a.py").stat().st_mtime_ns
    before = begin(tiny)[0].code_of("tiny.m:f")
    write(tiny / "a.py", "def h(): return 2\n", modified_ns)
    after = begin(tiny)[0].code_of("tiny.m:f")
    assert after != before
    write(tiny / "a.py", FILES["a.py"], modified_ns)
    assert begin(tiny)[0].code_of("tiny.m:f") == before


def test_an_edit_while_a_process_runs_is_seen(tiny: Path) -> None:
    reader, _ = begin(tiny)
    before = reader.code_of("tiny.m:f")
    write(tiny / "a.py", "def h(): return 2\n")
    assert reader.code_of("tiny.m:f") != before
    assert reader.code_of("tiny.m:f") == CodeReader(tiny, {}).code_of("tiny.m:f")


def test_what_was_edited_since_a_process_began_is_not_remembered(tiny: Path) -> None:
    """It may run what lay there before, and would tell of the new source by the old rules."""
    cache = CodeCache(tiny.parent / "cache", begun_ns=time.time_ns())
    CodeReader(tiny, {}, cache=cache).code_of("tiny.m:f")
    assert kept(cache) == []


def test_other_rules_are_another_state(tiny: Path) -> None:
    begin(tiny)[0].code_of("tiny.m:f")
    reader, cache = begin(tiny, {"a": "shows"})
    assert reader.code_of("tiny.m:f").keys() == {"m"} and cache.found_anew == 1


def test_equal_copies_share_what_is_known(tiny: Path) -> None:
    found = begin(tiny)[0].code_of("tiny.m:f")
    copy = shutil.copytree(tiny, tiny.parent / "elsewhere" / "tiny")
    cache = Watched(tiny.parent / "cache")
    assert CodeReader(copy, {}, cache=cache).code_of("tiny.m:f") == found and cache.found_anew == 0


def test_the_states_used_last_are_kept(tiny: Path) -> None:
    for number in range(MOST + 3):
        write(tiny / "a.py", f"def h(): return {number}\n")
        reader, cache = begin(tiny)
        reader.code_of("tiny.m:f")
    assert len(kept(cache)) == MOST
    reader, cache = begin(tiny)
    reader.code_of("tiny.m:f")
    assert cache.found_anew == 0


def test_two_processes_add_to_one_another(tiny: Path) -> None:
    one, other = begin(tiny)[0], begin(tiny)[0]
    one.code_of("tiny.m:f")
    other.code_of("tiny.m:g")
    later, cache = begin(tiny)
    later.code_of("tiny.m:f")
    later.code_of("tiny.m:g")
    assert cache.found_anew == 0


@given(st.data())
@settings(max_examples=40)
def test_a_damaged_file_is_as_good_as_none(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("damaged") / "tiny"
    for name, text in FILES.items():
        write(root / name, text)
    reader, cache = begin(root)
    found = reader.code_of("tiny.m:f")
    (file,) = kept(cache)
    whole = bytearray(file.read_bytes())
    if data.draw(st.booleans(), "cut"):
        del whole[data.draw(st.integers(0, len(whole) - 1)) :]
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(whole)
    assert begin(root)[0].code_of("tiny.m:f") == found
    again, cache = begin(root)  # it was put right
    assert again.code_of("tiny.m:f") == found and cache.found_anew == 0


def test_a_folder_that_cannot_be_written_is_no_fault(tiny: Path) -> None:
    (tiny.parent / "cache").write_text("in the way")
    for _ in range(2):
        assert begin(tiny)[0].code_of("tiny.m:f") == CodeReader(tiny, {}).code_of("tiny.m:f")


EDITS = st.tuples(st.sampled_from(["a.py", "m.py"]), st.integers(0, 1))
QUESTIONS = st.sampled_from([("tiny.m:f",), ("tiny.m:g",), ("tiny.a:h",), ("tiny.m:g", "tiny.a:h")])


@given(st.lists(EDITS | QUESTIONS.map(list) | st.just("begin"), max_size=12))
@settings(max_examples=60)
def test_whatever_is_edited_and_asked_the_answer_is_that_without_a_cache(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int] | list[str] | str]
) -> None:
    root = tmp_path_factory.mktemp("steps") / "tiny"
    for name, text in FILES.items():
        write(root / name, text)
    reader, _ = begin(root)
    for step in steps:
        match step:
            case (str() as name, int() as number):
                write(root / name, FILES[name] + f"def h(): return {number}\n")
            case "begin":
                reader, _ = begin(root)
            case functions:
                fresh = CodeReader(root, {})
                assert reader.code_of(*functions) == fresh.code_of(*functions)
                assert reader.packages_of(*functions) == fresh.packages_of(*functions)

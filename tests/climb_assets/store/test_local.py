"""The artefact store: written once, whole or not at all, checked before it is read."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.errors import CorruptArtifact, MissingArtifact, TransientError
from climb_assets.store import artifacts
from climb_assets.store.artifacts import Draft, Order, data_version_of
from climb_assets.store.files import scratch_folder, write_atomically
from climb_assets.store.local import LocalStore
from tests.dead_writer import die_while_writing
from tests.small_disk import run_on_small_disk

ORDER = Order(
    "domains",
    None,
    {"cluster_model": "a1"},
    {"clusters": {"count": 6}},
    {"clusters.domains": "c0de"},
    {"device": "cpu"},
)
SCALARS = st.one_of(st.integers(), st.text(max_size=8), st.booleans())
NAMES = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4)


def write_two(draft: Draft) -> None:
    """Write the two files that most tests use."""
    (draft.path / "one.txt").write_text("one")
    (draft.path / "sub").mkdir(exist_ok=True)
    (draft.path / "sub" / "two.txt").write_text("two")
    draft.summary = {"rows": 2}
    draft.run = {"seconds": 1.5}


def flip_bit(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def hidden(lake: LocalStore) -> list[str]:
    """Return the names of everything that is not yet or no longer an artefact."""
    return sorted(path.name for path in lake.root.rglob(".*"))


def run_script(script: str, *arguments: str) -> subprocess.Popen[str]:
    """Start another process on the same lake."""
    head = "import os, sys, time\nfrom pathlib import Path\nfrom climb_assets.store.artifacts import Order\n"
    head += "from climb_assets.store.local import LocalStore\n"
    head += f"ORDER = Order('domains', None, {dict(ORDER.inputs)!r}, {dict(ORDER.config)!r}, {dict(ORDER.code)!r})\n"
    command = [sys.executable, "-c", head + textwrap.dedent(script), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_second_process_waits_and_finds_it_done(tmp_path: Path) -> None:
    script = """
        def write(draft):
            with open(sys.argv[2], "a") as log:
                log.write("wrote\\n")
            time.sleep(0.5)
            (draft.path / "one.txt").write_text("one")
        print(LocalStore(Path(sys.argv[1])).put(ORDER, write)[1])
    """
    log = tmp_path / "log"
    both = [run_script(script, str(tmp_path), str(log)) for _ in range(2)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in both)
    assert answers == ["False", "True"]
    assert log.read_text() == "wrote\n"


@pytest.mark.parametrize("moment", ["before any file", "between files", "before the manifest", "before the rename"])
def test_killed_writer_leaves_nothing_visible(tmp_path: Path, moment: str) -> None:
    script = """
        import climb_assets.store.artifacts as sealing
        root, moment = Path(sys.argv[1]), sys.argv[2]

        def stop(here):
            if here == moment:
                print("here", flush=True)
                time.sleep(600)

        def write(draft):
            stop("before any file")
            (draft.path / "one.txt").write_text("half of one")
            stop("between files")
            (draft.path / "two.txt").write_text("two")

        real_write, real_rename = sealing.write_atomically, Path.rename
        def write_atomically(path, data):
            if path.name == "manifest.json":
                stop("before the manifest")
            real_write(path, data)
        def rename(self, target):
            if self.name.endswith(".partial"):
                stop("before the rename")
            return real_rename(self, target)
        sealing.write_atomically, Path.rename = write_atomically, rename
        LocalStore(root).put(ORDER, write)
    """
    process = run_script(script, str(tmp_path), moment)
    assert process.stdout is not None and process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=30)
    lake = LocalStore(tmp_path)
    assert lake.find("domains", None, ORDER.fingerprint) is None
    assert lake.all_of("domains") == []
    made, fresh = lake.put(ORDER, write_two)  # the dead process' lock is free, its files are not taken over
    assert fresh
    assert sorted(made.manifest["files"]) == ["one.txt", "sub/two.txt"]
    assert made.file("one.txt").read_text() == "one"
    assert hidden(lake) == []


def test_flipped_bit_is_refused_and_made_again(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    assert made.file("one.txt").read_text() == "one"  # hashed once; a change must be seen all the same
    time.sleep(0.01)
    flip_bit(made.path / "one.txt")
    with pytest.raises(CorruptArtifact, match=r"one\.txt is not what its manifest promises"):
        made.file("one.txt")
    with pytest.raises(CorruptArtifact):
        made.verify()
    again, fresh = lake.put(ORDER, write_two)
    assert fresh and again.file("one.txt").read_text() == "one"


def test_flipped_bit_under_the_old_time_stamp_is_seen_when_hashed_again(tmp_path: Path) -> None:
    made, _ = LocalStore(tmp_path).put(ORDER, write_two)
    path = made.file("one.txt")
    stat = path.stat()
    flip_bit(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    with pytest.raises(CorruptArtifact):
        made.file("one.txt", again=True)


def test_a_flipped_bit_is_seen_in_a_lake_of_more_files_than_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "MOST_VERIFIED", 1)
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    assert lake.is_sound(made) and lake.is_sound(made)
    time.sleep(0.01)
    flip_bit(made.path / "sub" / "two.txt")
    assert not lake.is_sound(made)


def test_lost_file_is_refused_and_unknown_file_is_named(tmp_path: Path) -> None:
    made, _ = LocalStore(tmp_path).put(ORDER, write_two)
    (made.path / "one.txt").unlink()
    with pytest.raises(CorruptArtifact, match="is gone"):
        made.file("one.txt")
    with pytest.raises(MissingArtifact, match=r"holds no file 'three\.txt'"):
        made.file("three.txt")


@pytest.mark.parametrize(
    "edit",
    [
        lambda manifest: manifest["config"]["clusters"].update(count=7),
        lambda manifest: manifest["inputs"].update(cluster_model="b2"),
        lambda manifest: manifest["code"].update({"clusters.domains": "other"}),
        lambda manifest: manifest["files"]["one.txt"].update(sha256="0" * 64),
        lambda manifest: manifest["files"].pop("one.txt"),
        lambda manifest: manifest.update(data_version="0" * 32),
        lambda manifest: manifest.update(fingerprint="0" * 32),
        lambda manifest: manifest.update(asset="other"),
        lambda manifest: manifest.update(partition="other"),
        lambda manifest: manifest["summary"].update(rows=3),
        lambda manifest: manifest["files"]["one.txt"].update(bytes=4),
        lambda manifest: manifest.update(code_version="0" * 16),
    ],
)
def test_edited_manifest_is_detected(tmp_path: Path, edit) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    manifest = json.loads((made.path / "manifest.json").read_text())
    edit(manifest)
    (made.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CorruptArtifact, match="has another manifest than the one that entry 2 of the ledger"):
        lake.find("domains", None, ORDER.fingerprint)
    found = lake.unguarded().find("domains", None, ORDER.fingerprint)
    assert found is not None
    with pytest.raises(CorruptArtifact):
        found.verify()


WRONG = [0, None, "x", ["x"], {"x": 1}, True]


@pytest.mark.parametrize(
    "text",
    ["3", "[]", "null", '"x"', "{}", "\ud800", "[" * 20_000, '{"a": NaN', b"\xff\xfe", b"", b"\x00" * 100],
    ids=range(11),
)
def test_manifest_of_another_shape_is_one_sentence(tmp_path: Path, text: str | bytes) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    (made.path / "manifest.json").write_bytes(data)
    with pytest.raises(
        CorruptArtifact, match=r"manifest\.json is no.*; delete its folder and run `climb up`"
    ) as caught:
        lake.find("domains", None, ORDER.fingerprint)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "key", ["asset", "partition", "fingerprint", "data_version", "code", "inputs", "files", "summary"]
)
def test_manifest_with_a_key_missing_or_of_another_kind_is_one_sentence(tmp_path: Path, key: str) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    path = made.path / "manifest.json"
    whole = json.loads(path.read_text(encoding="utf-8"))
    files = [{"../x": {"bytes": 1, "sha256": "x"}}, {"/x": {"bytes": 1, "sha256": "x"}}, {"x": {"bytes": 1}}, {"x": 1}]
    for wrong in [*WRONG, *(files if key == "files" else [])]:
        path.write_text(json.dumps(whole | {key: wrong}), encoding="utf-8")
        with contextlib.suppress(CorruptArtifact):  # some kinds are right for some keys
            found = lake.find("domains", None, ORDER.fingerprint)
            assert found is not None
            found.verify()
            assert wrong is None and key == "partition"


@pytest.mark.parametrize("key", ["asset", "partition", "inputs", "files", "summary"])
def test_manifest_without_a_key_is_one_sentence_and_made_again(tmp_path: Path, key: str) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    path = made.path / "manifest.json"
    rest = json.loads(path.read_text(encoding="utf-8"))
    del rest[key]
    path.write_text(json.dumps(rest), encoding="utf-8")
    with pytest.raises(CorruptArtifact, match=f"its '{key}' is missing"):
        lake.find("domains", None, ORDER.fingerprint)
    assert lake.put(ORDER, write_two)[1]


@pytest.mark.parametrize("odd", ['{"seed": "\\ud800"}', '{"seed": NaN}', '{"seed": 1e400}'])
@pytest.mark.parametrize("key", ["config", "summary"])
def test_manifest_that_could_not_be_hashed_is_one_sentence_and_made_again(tmp_path: Path, key: str, odd: str) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    path = made.path / "manifest.json"
    rest = json.loads(path.read_text(encoding="utf-8")) | {key: "here"}
    path.write_text(json.dumps(rest).replace('"here"', odd), encoding="utf-8")
    with pytest.raises(CorruptArtifact, match="is not JSON"):
        lake.find("domains", None, ORDER.fingerprint)
    assert lake.put(ORDER, write_two)[1]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"../../x", b"", b"a\x00b", b"x" * 10_000, "é".encode()])
def test_reference_that_names_nothing_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    lake.swap("domains", None, None, made.fingerprint)
    (tmp_path / "refs" / "domains" / "_").write_bytes(data)
    with pytest.raises(CorruptArtifact, match=r"names no artefact but .*; delete this file") as caught:
        lake.current("domains")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", [None, "{", "3", '{"seconds": 1, "environment": 3}', '{"environment": {"a": 1}}', "\ud800"]
)
def test_what_a_run_cost_may_be_lost(tmp_path: Path, text: str | None) -> None:
    lake = LocalStore(tmp_path)
    counted = replace(ORDER, counted=frozenset({"device"}))
    made, _ = lake.put(counted, write_two)
    path = made.path / "run.json"
    path.unlink() if text is None else path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert made.run.get("seconds") in (None, 1)
    assert made.environment == {"device": "cpu"} and made.answers(counted)
    made.verify()


@pytest.mark.parametrize("target", ["run.json", "/dev/null/x", "n" * 300])
def test_a_link_that_leads_nowhere_in_place_of_what_a_run_cost_says_nothing(tmp_path: Path, target: str) -> None:
    made, _ = LocalStore(tmp_path).put(ORDER, write_two)
    (made.path / "run.json").unlink()
    (made.path / "run.json").symlink_to(target)
    assert made.run == {}


def test_what_a_killed_writer_left_beside_a_reference_goes_with_the_first_swap_of_another(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    lake.swap("domains", None, None, made.fingerprint)
    left = tmp_path / "refs" / "domains" / "._.0123456789ab.tmp"
    left.write_bytes(b"012")
    lake = LocalStore(tmp_path)
    assert lake.swap("domains", None, made.fingerprint, made.fingerprint)
    assert not left.exists() and lake.reference("domains", None) == made.fingerprint


def test_a_scratch_folder_that_a_killed_writer_left_goes_and_the_rest_is_handed_on(tmp_path: Path) -> None:
    lake, entered = LocalStore(tmp_path), []

    def begin(draft: Draft) -> None:
        (draft.path / "one").write_text("1")
        entered.append(scratch_folder(draft.path / "two"))
        scratch = entered[0].__enter__()
        (scratch / "half").write_text("2")
        write_atomically(scratch / "other", b"3")

    die_while_writing(lake, ORDER, begin)
    made, fresh = lake.put(ORDER, lambda draft: None, resumable=True)
    assert fresh and list(made.manifest["files"]) == ["one"] and made.unnamed_files() == []


def test_manifest_that_is_not_json_is_named(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    made, _ = lake.put(ORDER, write_two)
    (made.path / "manifest.json").write_text("{")
    with pytest.raises(CorruptArtifact, match=r"manifest\.json is not JSON"):
        lake.find("domains", None, ORDER.fingerprint)
    assert lake.put(ORDER, write_two)[1]
    assert lake.find("domains", None, ORDER.fingerprint) is not None
    assert hidden(lake) == []


def test_no_room_is_an_error_that_may_pass(tmp_path: Path) -> None:
    def write(draft: Draft) -> None:
        with Path("/dev/full").open("wb") as stream:
            stream.write(b"one")

    lake = LocalStore(tmp_path)
    with pytest.raises(TransientError, match="no room left"):
        lake.put(ORDER, write)
    assert lake.put(ORDER, write_two)[1]
    assert hidden(lake) == []


WRITERS = {  # each writes 8 MB
    "safetensors": "import torch; from safetensors.torch import save_file; save_file({'a': torch.zeros(2**21)}, path)",
    "duckdb": "import duckdb; duckdb.sql('SELECT hash(i) AS a FROM range(1000000) t(i)').write_parquet(str(path))",
    "pyarrow": "import os; from climb_assets.tables import write_rows; import pyarrow as pa; "
    "write_rows(path, [{'a': os.urandom(2**23)}], pa.schema([('a', pa.binary())]))",
}


@pytest.mark.parametrize("library", WRITERS)
def test_no_room_is_so_whichever_library_says_it(tmp_path: Path, library: str) -> None:
    """Libraries in other languages have errors of their own for it."""
    code = f"""
        import sys
        from pathlib import Path
        from climb_assets.errors import TransientError
        from climb_assets.store.artifacts import Order
        from climb_assets.store.local import LocalStore

        def write(draft):
            path = draft.path / "file"
            {WRITERS[library]}

        lake, order = LocalStore(Path(sys.argv[1])), Order("domains", None, {{}}, {{}}, {{}})
        try:
            lake.put(order, write)
        except TransientError as error:
            print("transient:", error)
        artifact, fresh = lake.put(order, lambda draft: (draft.path / "small").write_bytes(b"1"))
        print(fresh, sorted(artifact.manifest["files"]))
    """
    said = run_on_small_disk(tmp_path, textwrap.dedent(code))
    assert said.startswith("transient: there is no room left")
    assert said.endswith("True ['small']\n")


def test_reader_of_a_reference_sees_the_old_or_the_new(tmp_path: Path) -> None:
    script = """
        from climb_assets.store.files import scratch_folder, write_atomically
        texts = [b"a" * 32, b"b" * 32]
        until = time.monotonic() + 1
        while time.monotonic() < until:
            for text in texts:
                write_atomically(Path(sys.argv[1]), text)
    """
    path = tmp_path / "ref"
    write_atomically(path, b"a" * 32)
    writer = run_script(script, str(path))
    seen = set()
    while writer.poll() is None:
        seen.add(path.read_text())
    assert writer.returncode == 0
    assert seen == {"a" * 32, "b" * 32}
    assert [entry.name for entry in tmp_path.iterdir()] == ["ref"]


@given(NAMES, st.dictionaries(st.text(max_size=8), SCALARS, max_size=4), NAMES, st.data())
def test_fingerprint_changes_exactly_with_inputs_settings_and_code(inputs, config, code, data) -> None:
    order = Order("asset", "shard", inputs, config, code)
    shuffled = Order("asset", "shard", *(dict(reversed(part.items())) for part in (inputs, config, code)))
    assert shuffled.fingerprint == order.fingerprint
    field = data.draw(st.sampled_from(["inputs", "config", "code"]))
    before = getattr(order, field)
    after = data.draw(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4))
    changed = replace(order, **{field: after})
    assert (changed.fingerprint == order.fingerprint) == (after == before)
    assert (changed.code_version == order.code_version) == (dict(changed.code) == dict(order.code))


@settings(deadline=None)  # it waits for the disk
@given(
    contents=st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=4), min_size=1),
    others=st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=4), min_size=1),
)
def test_data_version_depends_on_names_and_contents_only(tmp_path_factory, contents, others) -> None:
    lake = LocalStore(tmp_path_factory.mktemp("lake"))

    def made(files: dict[str, bytes], turn: int) -> str:
        def write(draft: Draft) -> None:
            for name, data in files.items():
                (draft.path / name).write_bytes(data)
            draft.run = {"seconds": turn}
            draft.summary = {"turn": turn}

        return lake.put(replace(ORDER, config={"turn": turn}), write)[0].data_version

    assert made(contents, 1) == made(dict(reversed(contents.items())), 2)
    assert (made(others, 3) == made(contents, 4)) == (others == contents)


def test_data_version_ignores_the_order_of_files() -> None:
    files = {"a": {"sha256": "1"}, "b": {"sha256": "2"}}
    assert data_version_of(files) == data_version_of(dict(reversed(files.items())))


def test_a_glance_answers_by_what_was_seen_first(tmp_path: Path) -> None:
    lake = LocalStore(tmp_path)
    assert lake.swap("domains", None, None, "first")
    with lake.glance():
        assert lake.reference("domains", None) == "first"
        assert LocalStore(lake.root).swap("domains", None, "first", "second")
        assert lake.reference("domains", None) == "first"
    assert lake.reference("domains", None) == "second"


def test_what_others_put_among_the_artefacts_is_named_and_drafts_are_not(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    def look_meanwhile(draft: Draft) -> None:
        write_two(draft)
        assert store.strangers() == []

    artifact, _ = store.put(ORDER, look_meanwhile)
    store.swap("domains", None, None, artifact.fingerprint)
    assert store.strangers() == []
    strange = ["artifacts/a.txt", "artifacts/domains/b.txt", "artifacts/domains/_/c/d.txt", "ledger/e", "refs/f"]
    for name in strange:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = [Path(path).relative_to(tmp_path).as_posix() for path in store.strangers()]
    assert found == sorted(name.removesuffix("/d.txt") for name in strange)

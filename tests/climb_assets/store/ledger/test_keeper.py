"""The chain of a ledger: any edit shows, killed writers leave no gap, and many who append make one chain."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.audit.differences.reconciliation import look, read_ledger, reconcile, run_facts_differ
from climb_assets.errors import ArgumentError, CorruptArtifact, CorruptLedger
from climb_assets.store.artifacts import RUN_FACTS, Artifact, Draft, Order, sha256_file
from climb_assets.store.ledger.chain import Head, Ledger, examine, write_line
from climb_assets.store.ledger.keeper import FileKeeper
from climb_assets.store.ledger.object_keeper import ObjectKeeper
from climb_assets.store.ledger.recording import accept_as_it_lies, complete_moves
from climb_assets.store.ledger.records import about, pointing, withdrawn
from climb_assets.store.local import LocalStore
from climb_assets.store.store import Store
from tests.climb_assets.store.conftest import MakeStore
from tests.climb_assets.store.racing import race
from tests.object_server import require_packages

ORDER = Order("domains", None, {"cluster_model": "a1"}, {"count": 6}, {"clusters.domains": "c0de"})


def write_one(draft: Draft) -> None:
    (draft.path / "one.txt").write_text("one")


def chain(length: int) -> list[bytes]:
    """Return the lines of a ledger of moves."""
    head, lines = Head(), []
    for number in range(length):
        line, head = write_line(pointing(("domains", None), f"f{number}", f"f{number - 1}"), head)
        lines.append(line.removesuffix(b"\n"))
    return lines


def edit(lines: list[bytes], draw: Callable) -> list[bytes]:
    """Return other lines: one is edited, left out, written twice, or changes places with another."""
    place = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(["edit", "cut", "repeat", "move", "insert"])):
        case "edit":
            record = json.loads(lines[place]) | {draw(st.sampled_from(["fingerprint", "time", "kind"])): "other"}
            edited = json.dumps(record).encode()
            return [*lines[:place], edited, *lines[place + 1 :]]
        case "cut":
            return [*lines[:place], *lines[place + 1 :]]
        case "repeat":
            return [*lines[: place + 1], *lines[place:]]
        case "insert":
            line, _ = write_line(pointing(("domains", None), "x", None), Head(place, "0" * 64))
            return [*lines[:place], line.removesuffix(b"\n"), *lines[place:]]
    other = draw(st.integers(0, len(lines) - 1).filter(lambda other: other != place))
    moved = list(lines)
    moved[place], moved[other] = moved[other], moved[place]
    return moved


@given(st.integers(2, 12), st.data())
def test_who_has_the_head_finds_any_edit(length: int, data: st.DataObject) -> None:
    lines = chain(length)
    ledger, entries, faults = examine(lines)
    assert (len(entries), faults, ledger.named(("domains", None))) == (length, [], f"f{length - 1}")
    damaged, _, found = examine(edit(lines, data.draw))
    assert found or not damaged.holds(ledger.head)


@given(st.integers(3, 12), st.data())
def test_an_edit_before_the_last_line_shows_without_a_head(length: int, data: st.DataObject) -> None:
    lines = chain(length)
    place = data.draw(st.integers(0, length - 2))
    lines[place] = json.dumps(json.loads(lines[place]) | {"fingerprint": "other"}).encode()
    with pytest.raises(CorruptLedger, match=f"entry {place + 2} of the ledger does not follow"):
        Ledger().extend(lines)
    assert len(examine(lines)[2]) == 1  # told once


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{}", b"\xff", b'{"sequence": 1e9, "before": 3, "kind": []}', b"[" * 9999]
)
def test_what_is_no_entry_is_one_sentence(line: bytes) -> None:
    _, entries, faults = examine([*chain(2), line])
    assert len(entries) == 2 and faults == ["line 3 of the ledger is no entry"]


@pytest.mark.parametrize("text", ["", "7", "x:" + "0" * 64, "7:" + "g" * 64, "7:00"])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="is no head of a ledger"):
        Head.parse(text)
    assert Head.parse(f" {Head(7, 'a' * 64)}\n") == Head(7, "a" * 64)


def test_every_commit_and_move_is_an_entry(store: Store, make_store: MakeStore) -> None:
    made, _ = store.put(ORDER, write_one)
    store.swap("domains", None, None, made.fingerprint)
    store.swap("domains", None, made.fingerprint, None)
    ledger, entries, faults = examine(make_store("there").keeper.lines())
    assert faults == [] and [entry.kind for entry in entries] == ["begun", "made", "pointed", "pointed"]
    record = entries[1].record
    assert (record["inputs"], list(record["files"])) == ({"cluster_model": "a1"}, ["one.txt"])
    assert record["manifest"] == made.digest and record["host"] and record["run"]
    assert ledger.knows(made.key, made.digest) and ledger.named(("domains", None)) is None
    assert make_store("there").ledger().head == ledger.head == store.ledger().head


def test_a_writer_who_dies_before_the_commit_leaves_an_entry_and_nothing_unrecorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry comes first, so an artefact without one is nobody's; who makes it later has an entry of his own."""
    store = LocalStore(tmp_path)

    def die(draft: Path, final: Path) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("climb_assets.store.local._commit", die)
        store.put(ORDER, write_one)
    assert store.find(*key_of(ORDER)) is None and store.ledger().last(key_of(ORDER)) is not None
    made, fresh = store.put(ORDER, write_one)
    assert fresh and store.find(*made.key) == made


def key_of(order: Order) -> tuple[str, str | None, str]:
    return order.asset, order.partition, order.fingerprint


def test_a_move_whose_mover_died_is_completed_and_told(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.swap("domains", None, None, "one")
    store.record([pointing(("domains", None), "two", "one")])  # and then its writer died
    assert store.reference("domains", None) == "one"
    (line,) = complete_moves(store)
    assert "names one, and the last entry of the ledger about it two: its mover died" in line
    assert store.reference("domains", None) == "two" and complete_moves(store) == []


def test_a_reference_that_was_moved_by_hand_is_refused_until_somebody_answers_for_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.swap("domains", None, None, "one")
    (tmp_path / "refs" / "domains" / "_").write_text("two")
    for ask in (lambda: store.reference("domains", None), lambda: complete_moves(store)):
        with pytest.raises(
            CorruptArtifact, match="names two, and the last entry of the ledger about it one; run `climb ver"
        ):
            ask()
    assert accept_as_it_lies(store, ("domains", None), "it was lost", "somebody") == ["pointed: domains two"]
    assert store.reference("domains", None) == "two" and complete_moves(store) == []
    assert examine(store.keeper.lines())[1][-1].record["reason"] == "it was lost"


def test_what_is_put_down_by_hand_is_refused_and_made_anew(store: Store, make_store: MakeStore) -> None:
    other = Order("domains", "x", {}, {}, {})
    store.put(other, write_one)  # so that there is a ledger
    made, _ = store.put(ORDER, write_one)
    store.record([about("removed", made.key)])
    there = make_store("there")
    assert there.find(*made.key) is None  # as where `climb gc --delete` was killed just then
    assert [artifact.partition for artifact in there.all_of("domains")] == ["x"]
    assert there.with_data_version("domains", None, made.data_version) is None
    again, found = there.put(ORDER, write_one)[0], make_store("here").find(*made.key)
    assert found is not None and again.manifest == made.manifest == found.manifest


def test_a_lake_that_is_older_than_its_ledger_is_found_and_not_made(store: Store, make_store: MakeStore) -> None:
    made, _ = store.put(ORDER, write_one)
    store.swap("domains", None, None, made.fingerprint)
    forget_ledger(store)
    assert store.ledger().hashes == [] and store.get("domains") == made  # all is taken as it lies
    store.put(Order("domains", "x", {}, {}, {}), write_one)
    _, entries, _ = examine(make_store("there").keeper.lines())
    assert [entry.kind for entry in entries] == ["begun", "found", "pointed", "made"]
    assert make_store("there").ledger().found_at is not None and store.get("domains") == made


LIMITED = """
import resource, signal, sys
from pathlib import Path
from climb_assets.store.artifacts import Order
from climb_assets.store.local import LocalStore
store = LocalStore(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
store.put(Order("domains", "late", {}, {}, {}), lambda draft: (draft.path / "one.txt").write_text("one"))
"""


def test_a_ledger_that_could_not_be_begun_is_begun_whole_by_the_next_one(tmp_path: Path) -> None:
    """Half of what is found in an older lake would shut out the other half."""
    store = LocalStore(tmp_path)
    made = [store.put(Order("domains", str(number), {}, {}, {}), write_one)[0] for number in range(12)]
    for artifact in made:
        store.swap("domains", artifact.partition, None, artifact.fingerprint)
    forget_ledger(store)
    full = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True)
    assert full.returncode and "File too large" in full.stderr
    store.put(ORDER, write_one)
    assert complete_moves(store) == []
    assert [store.get("domains", artifact.partition) for artifact in made] == made
    _, entries, faults = examine(store.keeper.lines())
    assert faults == [] and [entry.kind for entry in entries].count("found") == 12


def test_a_ledger_that_is_there_is_not_begun_again(store: Store, make_store: MakeStore) -> None:
    store.put(ORDER, write_one)

    def look_for_all() -> list[dict[str, object]]:
        raise AssertionError("every manifest of the store would be read")

    there = make_store("there")
    (head,) = there.keeper.append([pointing(("domains", None), "one", None)], look_for_all)
    assert head == store.ledger().head


def test_moves_that_lost_a_race_leave_the_reference_as_it_is(store: Store) -> None:
    """Who moved it from what it no longer named lost, and died before he said so."""
    place = ("domains", None)
    for before, to in [(None, "a"), ("a", "b"), ("b", "d")]:
        assert store.swap(*place, before, to)
    store.record([pointing(place, name, "a") for name in ("c", "e")])
    assert store.reference(*place) == "d"
    (line,) = complete_moves(store)
    assert "began from what it no longer named, so it stays" in line
    assert store.reference(*place) == "d" and complete_moves(store) == [] and store.ledger().agrees(place, "d")


def test_many_losers_of_a_race_push_nothing_out(store: Store) -> None:
    place = ("domains", None)
    store.swap(*place, None, "a")
    store.swap(*place, "a", "b")
    lost = store.record([pointing(place, f"c{number}", "a") for number in range(12)])
    store.record([withdrawn((*place, f"c{number}"), head.sequence) for number, head in enumerate(lost)])
    assert store.ledger().agrees(place, "b") and store.reference(*place) == "b" and complete_moves(store) == []


def test_a_move_to_what_was_removed_is_withdrawn(store: Store) -> None:
    place, other = ("domains", None), Order("domains", None, {}, {"count": 7}, {})
    made, later = (store.put(order, write_one)[0] for order in (ORDER, other))
    store.swap(*place, None, made.fingerprint)
    store.record([pointing(place, later.fingerprint, made.fingerprint), about("removed", later.key)])
    (line,) = complete_moves(store)
    assert line.endswith("that was removed, so it stays")
    assert store.get("domains") == made and complete_moves(store) == []


def test_run_facts_of_a_writer_who_died_are_those_that_are_recorded(address: str, tmp_path: Path) -> None:
    from climb_assets.store.objects import ObjectStore

    def write(draft: Draft) -> None:
        write_one(draft)
        draft.run["host"] = secrets.token_hex(4)

    class Dying(ObjectStore):
        def record(self, records: Sequence[Mapping[str, object]]) -> list[Head]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dying(address, tmp_path / "one", 10**9).put(ORDER, write)
    ObjectStore(address, tmp_path / "two", 10**9).put(ORDER, write)
    reader = ObjectStore(address, tmp_path / "three", 10**9)
    artifact = reader.find(*key_of(ORDER))
    assert artifact is not None and artifact.run
    assert not run_facts_differ(artifact, reader.ledger(), sha256_file(reader.localise(artifact, RUN_FACTS)))


def test_a_copy_with_half_a_line_grows_again(address: str, tmp_path: Path) -> None:
    from climb_assets.store.objects import ObjectStore

    def keeper(name: str) -> ObjectKeeper:
        bucket = ObjectStore(address, tmp_path / name, 10**9).bucket
        return ObjectKeeper(bucket, tmp_path / "copy.jsonl", tmp_path / "lock")

    first = keeper("one")
    first.append([pointing(("domains", None), "a", None)], lambda: ())
    with (tmp_path / "copy.jsonl").open("ab") as stream:
        stream.write(b'{"asset": "dom')
    first.append([pointing(("domains", None), "b", "a")], lambda: ())
    second = keeper("two")
    assert second.refresh().head == first.refresh().head
    assert (tmp_path / "copy.jsonl").read_bytes().splitlines() == list(second.lines())


@pytest.mark.parametrize("moment", ["before the look", "after the look"])
def test_what_is_made_while_a_store_is_compared_is_no_difference(store: Store, moment: str) -> None:
    made, _ = store.put(ORDER, write_one)
    store.swap("domains", None, None, made.fingerprint)
    first, seen = read_ledger(store), look(store)
    later, _ = store.put(Order("domains", None, {}, {"count": 7}, {}), write_one)
    assert store.swap("domains", None, made.fingerprint, later.fingerprint)
    if moment == "before the look":
        seen = look(store)
    assert list(reconcile(store, seen, read_ledger(store, before=first))) == []
    store.record([pointing(("domains", None), made.fingerprint, later.fingerprint)])  # and its mover died: told later
    now = read_ledger(store)
    (told,) = reconcile(store, look(store), now)
    assert f"names {later.fingerprint}, and the last entry of the ledger about it {made.fingerprint}" in told.sentence


def forget_ledger(store: Store) -> None:
    """Remove the ledger and what this process knows of it, as if there had been none."""
    if hasattr(store, "bucket"):
        store.bucket.delete([one.key for one in store.bucket.below("ledger")])
    else:
        (store.root / "ledger" / "entries.jsonl").unlink()
    keeper = store.keeper
    keeper._ledger, keeper._offset, keeper._bytes, keeper._loaded = Ledger(), 0, 0, False
    if hasattr(keeper, "_copy"):
        keeper._copy.unlink(missing_ok=True)


def test_a_torn_line_is_cut_and_said(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.swap("domains", None, None, "one")
    file = tmp_path / "ledger" / "entries.jsonl"
    with file.open("ab") as stream:
        stream.write(b'{"asset": "dom')
    assert store.ledger().head.sequence == 2
    assert any("ends after 14 bytes: its writer was killed" in fault for fault in examine(store.keeper.lines())[2])
    store.swap("domains", None, "one", "two")
    _, entries, faults = examine(store.keeper.lines())
    assert faults == [] and [entry.kind for entry in entries] == ["begun", "pointed", "healed", "pointed"]
    assert entries[2].record["bytes"] == 14


def test_a_ledger_that_is_cut_while_a_process_runs_is_refused(tmp_path: Path) -> None:
    keeper = FileKeeper(tmp_path / "entries.jsonl", tmp_path / "lock")
    keeper.append([pointing(("domains", None), str(number), None) for number in range(3)], lambda: ())
    lines = keeper.file.read_bytes().splitlines(keepends=True)
    other = FileKeeper(tmp_path / "other.jsonl", tmp_path / "lock")
    other.append([pointing(("tokenizer", None), str(number), None) for number in range(9)], lambda: ())
    for changed in (b"".join(lines[:2]), other.file.read_bytes()):
        keeper.file.unlink()
        keeper.file.write_bytes(changed)
        for _ in range(2):  # nor is it believed the second time
            with pytest.raises(CorruptLedger, match=r"was cut or rewritten while this process ran; .*put back"):
                keeper.refresh()
    keeper.file.unlink()
    for _ in range(2):
        with pytest.raises(CorruptLedger, match="was removed while this process ran"):
            keeper.refresh()
    keeper.file.write_bytes(b"".join(lines))  # put back
    assert keeper.append([pointing(("domains", None), "more", None)], lambda: ())[0].sequence == 5


def test_a_ledger_begins_once(tmp_path: Path) -> None:
    """A second beginning that says that all was there before would excuse what nobody recorded."""
    file, first = tmp_path / "entries.jsonl", {"kind": "begun", "time": "2026-01-01T00:00:00Z", "found": 0}
    lines, head = [], Head()
    for record in (first, pointing(("domains", None), "one", None), first | {"found": 1}):
        line, head = write_line(record, head)
        lines.append(line)
    file.write_bytes(b"".join(lines))
    keeper = FileKeeper(file, tmp_path / "lock")
    with pytest.raises(CorruptLedger, match="entry 3 of the ledger begins another one"):
        keeper.refresh()
    assert examine(keeper.lines())[0].found_at is None


@pytest.mark.parametrize("put", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, put: Callable[[Path], None]) -> None:
    put(tmp_path / "entries.jsonl")
    with pytest.raises(CorruptArtifact, match="is no regular file"):
        FileKeeper(tmp_path / "entries.jsonl", tmp_path / "lock").refresh()


@pytest.mark.parametrize("length", range(0, 200, 40))
def test_whenever_a_writer_is_killed_the_next_one_goes_on(tmp_path: Path, length: int) -> None:
    """A write that was cut after any number of bytes leaves whole lines, and perhaps a torn one."""
    keeper = FileKeeper(tmp_path / "entries.jsonl", tmp_path / "lock")
    keeper.append([pointing(("domains", None), "0", None)], lambda: ())
    before = keeper.file.stat().st_size
    keeper.append([pointing(("domains", None), "1", "0"), pointing(("domains", None), "2", "1")], lambda: ())
    os.truncate(keeper.file, before + length)
    after = FileKeeper(keeper.file, tmp_path / "lock")
    after.append([pointing(("domains", None), "3", None)], lambda: ())
    ledger, _, faults = examine(after.lines())
    assert faults == [] and ledger.named(("domains", None)) == "3"


PREPARE = """
import sys
from pathlib import Path
from climb_assets.store.artifacts import Order
place, folder, number = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
if place == "folder":
    from climb_assets.store.local import LocalStore
    store = LocalStore(folder)
else:
    from climb_assets.store.objects import ObjectStore
    store = ObjectStore(place, folder / number, 10**9, patience=60.0)
def write(draft):
    (draft.path / "one.txt").write_text(number)
"""
APPEND = """
for turn in range(4):
    made, _ = store.put(Order("domains", number, {}, {"turn": turn}, {}), write)
    assert store.swap("domains", number, store.named("domains", number), made.fingerprint)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_many_who_append_at_once_make_one_chain(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = "folder"
    if kind == "s3":
        require_packages()
        place = request.getfixturevalue("address")
    race(PREPARE, APPEND, place, str(tmp_path), processes=8)
    store: Store = LocalStore(tmp_path)
    if kind == "s3":
        from climb_assets.store.objects import ObjectStore

        store = ObjectStore(place, tmp_path / "reader", 10**9)
    ledger, entries, faults = examine(store.keeper.lines())
    assert faults == [] and len(entries) == 1 + 8 * 4 * 2
    current: list[Artifact] = [store.get("domains", str(number)) for number in range(8)]
    assert all(ledger.named(artifact.key[:2]) == artifact.fingerprint for artifact in current)

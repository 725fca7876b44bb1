"""Several processes on one lake at once, with leases, without any, and with leases that are granted twice."""

import contextlib
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from climb_assets.errors import TransientError
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.local import LocalStore

WRITERS = 4


class WithoutLeases(LocalStore):
    """A store on a file system that grants no lock."""

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        yield False


class WithFalseLeases(LocalStore):
    """A store on a mount that grants the same lock to two hosts."""

    @contextlib.contextmanager
    def lease(self, name: str) -> Iterator[bool]:
        yield True


STORES = {store.__name__: store for store in (LocalStore, WithoutLeases)}
PREPARE = """
    import contextlib, sys, time
    from pathlib import Path
    from climb_assets.store.artifacts import Order
    from climb_assets.store.local import LocalStore

    class WithoutLeases(LocalStore):
        @contextlib.contextmanager
        def lease(self, name):
            yield False

    kind, root, mine = sys.argv[1:]
    store = {"LocalStore": LocalStore, "WithoutLeases": WithoutLeases}[kind](Path(root))
    print("ready", flush=True)
    sys.stdin.readline()
"""


def race(script: str, kind: str, root: Path) -> list[str]:
    """Run a script in several processes that begin at once; return what each printed."""
    command = [sys.executable, "-c", textwrap.dedent(PREPARE) + textwrap.dedent(script), kind, str(root)]
    started = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(WRITERS)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * WRITERS
    return answers


@pytest.mark.parametrize("kind", STORES)
def test_of_several_writers_one_wins_and_nobody_sees_a_part(tmp_path: Path, kind: str) -> None:
    script = """
    for turn in range(15):
        order = Order("domains", None, {}, {"turn": turn}, {})
        def write(draft):
            assert list(draft.path.iterdir()) == []
            for name in ("one", "two"):
                (draft.path / name).write_text(mine)
        before = store.find("domains", None, order.fingerprint)
        if before is not None:
            before.verify()
        made, fresh = store.put(order, write)
        made.verify()
        one, two = ((made.path / name).read_text() for name in ("one", "two"))
        assert one == two and (one == mine or not fresh)
        print("won" if fresh else "lost", end=" ")
    """
    turns = list(zip(*(answer.split() for answer in race(script, kind, tmp_path)), strict=True))
    assert len(turns) == 15
    assert all(sorted(turn) == ["lost"] * (WRITERS - 1) + ["won"] for turn in turns)
    store = STORES[kind](tmp_path)
    assert len(store.all_of("domains")) == 15
    assert not list(tmp_path.rglob(".*"))  # the losers' drafts are gone


def test_of_several_swaps_from_one_value_one_is_made(tmp_path: Path) -> None:
    script = """
    for turn in range(25):
        while not store.swap("domains", None, old := store.reference("domains", None), str(int(old or 0) + 1)):
            pass
    """
    race(script, "LocalStore", tmp_path)
    assert LocalStore(tmp_path).reference("domains", None) == str(25 * WRITERS)


def test_a_swap_from_a_value_that_is_no_longer_there_moves_nothing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert not store.swap("domains", "key", "old", "new")
    assert store.swap("domains", "key", None, "one")
    assert not store.swap("domains", "key", None, "two")
    assert not store.swap("domains", "key", "two", None)
    assert store.reference("domains", "key") == "one"
    assert store.swap("domains", "key", "one", None)
    assert store.reference("domains", "key") is None and store.partitions("domains") == []


def test_a_writer_whose_draft_is_taken_over_fails_and_may_try_again(tmp_path: Path) -> None:
    """Two hosts hold the same lease: the second takes the first one's draft for a dead writer's."""
    store, order = WithFalseLeases(tmp_path), Order("embeddings", "shard", {}, {}, {})
    begun, taken_over = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def slow(draft: Draft) -> None:
        (draft.path / "part-0").write_text("first")
        begun.set()
        assert taken_over.wait(30)
        (draft.path / "part-1").write_text("first")

    def first_host() -> None:
        try:
            store.put(order, slow, resumable=True)
        except TransientError as error:
            errors.append(error)

    def second(draft: Draft) -> None:
        assert (draft.path / "part-0").read_text() == "first"
        taken_over.set()
        thread.join(30)
        (draft.path / "part-1").write_text("second")

    thread = threading.Thread(target=first_host)
    thread.start()
    assert begun.wait(30)
    made, fresh = store.put(order, second, resumable=True)
    assert fresh and len(errors) == 1 and "run again" in str(errors[0])
    assert made.file("part-1").read_text() == "second"
    assert store.put(order, slow, resumable=True) == (made, False)


def test_a_working_folder_outlives_its_process_and_is_removed_by_name(tmp_path: Path) -> None:
    order, other = (Order("proxy_models", None, {}, {"seed": seed}, {}) for seed in range(2))
    (LocalStore(tmp_path).working_folder(order) / "state").write_text("half")
    store = LocalStore(tmp_path)
    assert (store.working_folder(order) / "state").read_text() == "half"
    assert store.working_folder(other) != store.working_folder(order)
    store.remove_working_folder(order)
    store.remove_working_folder(order)
    assert list(store.working_folder(order).iterdir()) == []

"""Several processes on one lake at once, with leases, without any, and with leases that are granted twice."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from climb_assets.errors import TransientError
from climb_assets.store.artifacts import Artifact, Draft, Order
from climb_assets.store.local import LocalStore
from tests.climb_assets.store.racing import race

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
"""


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
    turns = list(
        zip(*(answer.split() for answer in race(PREPARE, script, kind, str(tmp_path), processes=WRITERS)), strict=True)
    )
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
    race(PREPARE, script, "LocalStore", str(tmp_path), processes=WRITERS)
    assert LocalStore(tmp_path).reference("domains", None) == str(25 * WRITERS)


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


def test_what_another_writer_has_put_in_a_damaged_ones_place_stays(tmp_path: Path) -> None:
    """Both find the artefact damaged; one has put it right when the other is about to remove it."""
    order = Order("domains", None, {}, {}, {})

    def write(draft: Draft) -> None:
        (draft.path / "one").write_text("one")

    class Late(WithoutLeases):
        looks = 0

        def is_sound(self, artifact: Artifact) -> bool:
            sound = super().is_sound(artifact)
            self.looks += 1
            if self.looks == 2:  # before it commits, and where it could not
                put_right.append(WithoutLeases(tmp_path).put(order, write))
            return sound

    first, _ = LocalStore(tmp_path).put(order, write)
    (first.path / "one").write_text("0ne")
    put_right: list[tuple[Artifact, bool]] = []
    found, fresh = Late(tmp_path).put(order, write)
    ((made, fresh_of_other),) = put_right
    assert fresh_of_other and not fresh, "a whole artefact was removed and made once more"
    assert found.manifest == made.manifest
    made.verify()
    assert [path.name for path in first.path.parent.iterdir()] == [order.fingerprint]

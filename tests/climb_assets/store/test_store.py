"""What every store promises, whatever it lies on."""

import json
import pickle
from dataclasses import replace

import pytest

from climb_assets.errors import CorruptArtifact, MissingArtifact
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.store import Store
from tests.climb_assets.store.conftest import MakeStore

ORDER = Order(
    "domains",
    None,
    {"cluster_model": "a1"},
    {"clusters": {"count": 6}},
    {"clusters.domains": "c0de"},
    {"device": "cpu"},
)


def write_two(draft: Draft) -> None:
    (draft.path / "one.txt").write_text("one")
    (draft.path / "sub").mkdir(exist_ok=True)
    (draft.path / "sub" / "two two.txt").write_text("two")
    (draft.path / "empty").touch()
    draft.summary = {"rows": 2}
    draft.run = {"seconds": 1.5}


def refuse(draft: Draft) -> None:
    raise AssertionError("written twice")


def test_an_artefact_is_found_with_what_was_said_of_it(make_store: MakeStore) -> None:
    made, fresh = make_store("here").put(ORDER, write_two)
    assert fresh and make_store("here").swap("domains", None, None, made.fingerprint)
    found = make_store("there").get("domains")
    assert found.file("sub/two two.txt").read_text() == "two"
    assert found.file("sub/two two.txt") == found.path / "sub" / "two two.txt"
    assert found.file("empty").read_bytes() == b""
    assert (found.summary, found.run["seconds"]) == ({"rows": 2}, 1.5)
    assert found.environment == found.run["environment"] == {"device": "cpu"}
    assert (found.asset, found.partition, found.fingerprint) == ("domains", None, ORDER.fingerprint)
    assert found.is_complete() and found.unnamed_files() == []
    found.verify()
    assert found.store.is_sound(found)


def test_a_file_that_is_called_as_what_a_run_cost_is_kept_below_the_top(make_store: MakeStore) -> None:
    def write(draft: Draft) -> None:
        (draft.path / "sub").mkdir()
        (draft.path / "sub" / "run.json").write_text("of a library")

    made, _ = make_store("here").put(ORDER, write)
    found = make_store("there").find("domains", None, made.fingerprint)
    assert found is not None and found.file("sub/run.json").read_text() == "of a library"
    assert found.unnamed_files() == [] and found.run["host"]


def test_what_is_there_is_not_made_again(make_store: MakeStore) -> None:
    made, _ = make_store("here").put(ORDER, write_two)
    found, fresh = make_store("there").put(ORDER, refuse)
    assert not fresh and found.manifest == made.manifest


def test_a_lost_file_is_refused_and_made_again(store: Store, make_store: MakeStore) -> None:
    made, _ = store.put(ORDER, write_two)
    lose(store, "one.txt")
    found = make_store("there").find("domains", None, ORDER.fingerprint)
    assert found is not None and not found.is_complete() and not found.store.is_sound(found)
    with pytest.raises(CorruptArtifact, match="is gone; run `climb up`"):
        found.file("one.txt", again=True)
    again, fresh = store.put(ORDER, write_two)
    assert fresh and again.manifest == made.manifest and again.is_complete()
    assert again.file("one.txt", again=True).read_text() == "one"
    with pytest.raises(MissingArtifact, match=r"holds no file 'three\.txt'"):
        made.file("three.txt")


def lose(store: Store, name: str) -> None:
    """Remove a file where the store keeps it."""
    found = store.find("domains", None, ORDER.fingerprint)
    assert found is not None
    if hasattr(store, "bucket"):
        store.bucket.delete([one.key for one in store.bucket.below("artifacts") if one.key.endswith(f"/{name}")])
    else:
        (found.path / name).unlink()


def damage(store: Store, name: str, data: bytes) -> None:
    """Write other bytes over a file where the store keeps it."""
    found = store.find("domains", None, ORDER.fingerprint)
    assert found is not None
    if not hasattr(store, "bucket"):
        (found.path / name).write_bytes(data)
        return
    (key,) = (one.key for one in store.bucket.below("artifacts") if one.key.endswith(f"/{name}"))
    before = store.bucket.read(key)
    assert before is not None and store.bucket.replace(key, data, before.version)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"asset": "domains"}', b"\xff"])
def test_a_damaged_manifest_is_named_and_made_again(store: Store, data: bytes) -> None:
    store.put(ORDER, write_two)
    damage(store, "manifest.json", data)
    with pytest.raises(CorruptArtifact, match=r"manifest\.json is no"):
        store.find("domains", None, ORDER.fingerprint)
    made, fresh = store.put(ORDER, write_two)
    assert fresh and made.file("one.txt").read_text() == "one"
    assert store.find("domains", None, ORDER.fingerprint) == made


def test_an_edited_manifest_is_made_again(store: Store) -> None:
    made, _ = store.put(ORDER, write_two)
    damage(store, "manifest.json", json.dumps(dict(made.manifest) | {"summary": {"rows": 3}}).encode())
    with pytest.raises(CorruptArtifact, match="has another manifest than"):
        store.find("domains", None, ORDER.fingerprint)
    found = store.unguarded().find("domains", None, ORDER.fingerprint)
    assert found is not None
    with pytest.raises(CorruptArtifact, match="was edited"):
        found.verify_manifest()
    assert not store.is_sound(found) and store.put(ORDER, write_two)[1]


def test_bytes_that_differ_are_refused(store: Store, make_store: MakeStore) -> None:
    made, _ = store.put(ORDER, write_two)
    damage(store, "one.txt", b"0ne")
    with pytest.raises(CorruptArtifact, match=r"one\.txt is not what its manifest promises; delete .*`climb up`"):
        made.file("one.txt", again=True)
    found = make_store("there").find("domains", None, ORDER.fingerprint)
    assert found is not None
    with pytest.raises(CorruptArtifact):
        found.file("one.txt")


def test_a_reference_names_the_current_artefact_until_it_is_forgotten(store: Store) -> None:
    orders = [replace(ORDER, partition="shard", config={"turn": turn}) for turn in range(2)]
    first, second = (store.put(order, write_two)[0] for order in orders)
    for artifact in (first, second, first):
        assert store.swap("domains", "shard", store.reference("domains", "shard"), artifact.fingerprint)
        assert store.get("domains", "shard").fingerprint == artifact.fingerprint
    assert store.swap("other", None, None, "one")
    assert store.partitions("domains") == ["shard"] and store.referred() == [("domains", "shard"), ("other", None)]
    assert store.partitions("other") == []
    store.forget("domains", "shard")
    store.forget("domains", "shard")
    assert store.partitions("domains") == [] and store.current("domains", "shard") is None
    assert store.referred() == [("other", None)]
    with pytest.raises(MissingArtifact, match=r"domains\[shard\] has not been made"):
        store.get("domains", "shard")
    assert store.fingerprints("domains", "shard") == sorted([first.fingerprint, second.fingerprint])
    assert store.fingerprints("domains", None) == []
    assert {artifact.fingerprint for artifact in store.all_of("domains")} == {first.fingerprint, second.fingerprint}
    assert store.with_data_version("domains", "shard", first.data_version) is not None
    assert store.with_data_version("domains", "shard", "0" * 32) is None


def test_a_swap_from_a_value_that_is_no_longer_there_moves_nothing(store: Store) -> None:
    assert not store.swap("domains", "key", "old", "new")
    assert store.swap("domains", "key", None, None)
    assert store.swap("domains", "key", None, "one")
    assert not store.swap("domains", "key", None, "two")
    assert not store.swap("domains", "key", "two", None)
    assert store.reference("domains", "key") == "one"
    assert store.swap("domains", "key", "one", None)
    assert store.reference("domains", "key") is None and store.partitions("domains") == []
    assert store.swap("domains", "key", None, "two")
    assert store.reference("domains", "key") == "two"


def test_a_reference_that_names_nothing_is_one_sentence(store: Store) -> None:
    assert store.swap("domains", None, None, "../../x")
    with pytest.raises(CorruptArtifact, match=r"names no artefact but .*; delete this file"):
        store.current("domains")


def test_a_resumable_draft_is_handed_on_and_others_start_empty(store: Store) -> None:
    def die(draft: Draft) -> None:
        (draft.path / "part-0").write_text("dear")
        raise RuntimeError("dead")

    seen: list[list[str]] = []

    def write(draft: Draft) -> None:
        seen.append(sorted(path.name for path in draft.path.iterdir()))
        write_two(draft)

    for resumable in (True, False):
        order = replace(ORDER, config={"resumable": resumable})
        with pytest.raises(RuntimeError):
            store.put(order, die, resumable=resumable)
        assert store.find("domains", None, order.fingerprint) is None
        store.put(order, write, resumable=resumable)
    assert seen == [["part-0"], []]


def test_a_working_folder_outlives_its_process_and_is_removed_by_name(make_store: MakeStore) -> None:
    order, other = (Order("proxy_models", None, {}, {"seed": seed}, {}) for seed in range(2))
    (make_store("here").working_folder(order) / "state").write_text("half")
    store = make_store("here")
    assert (store.working_folder(order) / "state").read_text() == "half"
    assert store.working_folder(other) != store.working_folder(order)
    store.remove_working_folder(order)
    store.remove_working_folder(order)
    assert list(store.working_folder(order).iterdir()) == []


def test_a_unit_of_work_carries_it_to_another_process(store: Store) -> None:
    made, _ = store.put(ORDER, write_two)
    found = pickle.loads(pickle.dumps(store)).find("domains", None, ORDER.fingerprint)  # noqa: S301
    assert found == made and found.file("one.txt").read_text() == "one"


def test_rights_are_granted_and_may_be_held_in_each_other(store: Store) -> None:
    with store.in_use() as used, store.in_use() as too, store.lease("one") as one, store.lease("two") as two:
        assert (used, too, one, two) == (True, True, True, True)
    with store.lease("one") as again:
        assert again


def test_by_a_glance_the_answers_are_those_of_before_or_of_now(make_store: MakeStore) -> None:
    """Where asking costs nothing a glance does nothing, so what comes meanwhile may be seen."""
    store, other = make_store("here"), make_store("there")
    first = store.put(replace(ORDER, config={"turn": 1}), write_two)[0]
    assert store.swap("domains", None, None, first.fingerprint)
    with store.glance(), store.glance():
        assert store.get("domains") == first and first.is_complete() and store.all_of("domains") == [first]
        assert store.find("domains", None, "0" * 32) is None and store.reference("other", None) is None
        second = other.put(replace(ORDER, config={"turn": 2}), write_two)[0]
        assert other.swap("domains", None, first.fingerprint, second.fingerprint)
        assert store.get("domains").fingerprint in (first.fingerprint, second.fingerprint)
        assert store.get("domains").file("one.txt").read_text() == "one"
    assert store.get("domains").manifest == second.manifest
    assert len(store.all_of("domains")) == 2 and store.referred() == [("domains", None)]
    with store.glance():
        assert store.get("domains").manifest == second.manifest and store.fingerprints("domains", None) == sorted(
            [first.fingerprint, second.fingerprint]
        )

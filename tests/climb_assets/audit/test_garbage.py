"""Garbage is what no reference reaches, whatever the lake looks like, whoever dies meanwhile or writes beside it."""

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.audit.garbage import ASSETS, Garbage, collect_garbage, find_garbage
from climb_assets.audit.lineage import MODELS_TABLE, name_of, walk
from climb_assets.config_file import load_config
from climb_assets.errors import CorruptArtifact, TransientError
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Artifact, Draft, Order
from climb_assets.store.ledger.records import about, pointing
from climb_assets.tables import write_table
from climb_assets.training.proxy_orders import MODELS, SCORES

FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Node:
    """An artefact of a random lake: what it is of, and which earlier ones it was made from or rests on, by number."""

    asset: str
    partition: str | None = None
    inputs: tuple[int, ...] = ()
    models: tuple[int, ...] = ()
    current: bool = False

    @property
    def place(self) -> tuple[str, str | None]:
        return self.asset, self.partition


KEPT = ("domains", "training_tokens")


@st.composite
def lakes(draw: st.DrawFn) -> list[Node]:
    """Return artefacts in the order in which they were made; of one partition there may be many versions."""
    nodes: list[Node] = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["artefact", "artefact", "artefact", "model", "score"]))
        models = [index for index in range(number) if nodes[index].asset == MODELS]
        made = [index for index in range(number) if nodes[index].asset not in (MODELS, SCORES)]
        if kind == "model" or (kind == "score" and not models):
            nodes.append(Node(MODELS))
        elif kind == "score":
            nodes.append(Node(SCORES, "sciq", models=(draw(st.sampled_from(models)),)))
        else:
            chosen = draw(st.sets(st.sampled_from(made))) if made else set()
            inputs = {nodes[index].place: index for index in sorted(chosen)}  # a manifest names one version of each
            rests_on = draw(st.sets(st.sampled_from(models))) if models else set()
            asset = draw(st.sampled_from(["raw_shards", "tokenized_shards", *KEPT, "mixed_corpus"]))
            key = draw(st.sampled_from([None, "one", "two"]))
            nodes.append(Node(asset, key, tuple(inputs.values()), tuple(sorted(rests_on)), draw(st.booleans())))
    return nodes


def needed(nodes: list[Node]) -> set[int]:
    """Return the numbers of what references reach: along inputs, to models, and from models to their scores.

    What is kept needs of its inputs those that are kept themselves; the search's snapshot reads token files on top.
    """
    waiting = list({node.place: number for number, node in enumerate(nodes) if node.current}.values())
    found: set[int] = set()
    while waiting:
        number = waiting.pop()
        found.add(number)
        inputs = nodes[number].inputs
        if nodes[number].asset in KEPT:
            inputs = tuple(index for index in inputs if nodes[index].asset in KEPT)
        waiting += [*inputs, *nodes[number].models]
    snapshots = [nodes[number] for number in found if nodes[number].asset == "training_tokens"]
    found |= {index for node in snapshots for index in node.inputs if nodes[index].asset == "tokenized_shards"}
    return found | {number for number, node in enumerate(nodes) if node.asset == SCORES and found & {*node.models}}


def lake_in(folder: Path) -> Materializer:
    (folder / "climb.yaml").write_text("profile: smoke\nlake: lake\n")
    return Materializer(load_config(folder / "climb.yaml"))


def make(climb: Materializer, nodes: list[Node]) -> list[Artifact]:
    made: list[Artifact] = []
    for number, node in enumerate(nodes):
        inputs = {name_of(made[index]): made[index].data_version for index in node.inputs}
        if node.asset == SCORES:
            inputs["proxy_model"] = made[node.models[0]].data_version

        def write(draft: Draft, node: Node = node, number: int = number) -> None:
            (draft.path / "data").write_text(str(number))
            if node.models and node.asset != SCORES:
                rows = [made[index] for index in node.models]
                table = {key: [getattr(row, key) for row in rows] for key in ("fingerprint", "data_version")}
                write_table(draft.path / MODELS_TABLE, pa.table(table))

        made.append(climb.store.put(Order(node.asset, node.partition, inputs, {"turn": number}, {}), write)[0])
        if node.current:
            refer(climb, made[-1])
    return made


def refer(climb: Materializer, artifact: Artifact) -> None:
    place = (artifact.asset, artifact.partition)
    assert climb.store.swap(*place, climb.store.reference(*place), artifact.fingerprint)


def everything(climb: Materializer) -> set[Path]:
    """Return the path of every artefact, after a look at its bytes."""
    found = [artifact for asset in ASSETS for artifact in climb.store.all_of(asset)]
    for artifact in found:
        artifact.verify()
    return {artifact.path for artifact in found}


def artefacts(found: Garbage) -> dict[str | None, tuple[int, int]]:
    """Return of each asset how many artefacts are garbage, and their bytes."""
    return {row.asset: (row.count, row.bytes) for row in found.freed if row.kind == "artefact" and row.count}


@given(nodes=lakes(), models=st.sampled_from(["used", "all"]))
@settings(max_examples=25)
def test_what_references_reach_stays_whole_and_all_else_goes(nodes: list[Node], models: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        climb = lake_in(Path(folder))
        made = make(climb, nodes)
        keep = needed(nodes)
        if models == "all":
            keep |= {number for number, node in enumerate(nodes) if node.asset in (MODELS, SCORES)}
        references = {place: climb.store.reference(*place) for place in climb.store.referred()}
        sizes: dict[str | None, tuple[int, int]] = {}
        for number in {*range(len(nodes))} - keep:
            count, size = sizes.get(nodes[number].asset, (0, 0))
            size += sum(path.stat().st_size for path in made[number].path.rglob("*"))
            sizes[nodes[number].asset] = (count + 1, size)
        assert artefacts(find_garbage(climb, models)) == sizes
        assert everything(climb) == {artifact.path for artifact in made}

        removed = collect_garbage(climb, models)
        assert artefacts(removed) == sizes and removed.left == {}
        assert everything(climb) == {made[number].path for number in keep}
        assert {place: climb.store.reference(*place) for place in climb.store.referred()} == references
        again = collect_garbage(climb, models)
        assert not any(row.count for row in again.freed)
        assert again.before == again.after == removed.after


SMALL = [
    Node("domains"),
    Node(MODELS),
    Node("mixed_corpus", "one", (0,), (1,)),
    Node("domains", current=True),
    Node(MODELS),
    Node("mixed_corpus", "one", (3,), (4,), current=True),
]


def test_of_two_versions_that_hold_the_same_the_current_one_is_enough(tmp_path: Path) -> None:
    climb = lake_in(tmp_path)

    def write(draft: Draft) -> None:
        (draft.path / "data").write_text("the same")

    first, second = (climb.store.put(Order("domains", None, {}, {}, {"code": text}), write)[0] for text in "12")
    above = climb.store.put(Order("mixed_corpus", "one", {"domains": first.data_version}, {}, {}), write)[0]
    for artifact in (second, above):
        refer(climb, artifact)
    collect_garbage(climb)
    assert everything(climb) == {second.path, above.path}


def in_child(work: Callable[[], object]) -> int | None:
    """Run in a process of its own; return how it ended, as `subprocess` does."""
    process = FORK.Process(target=work)
    process.start()
    process.join(60)
    return process.exitcode


def die_at(step: int, work: Callable[[], object]) -> None:
    """Work, and be killed before the given one of all changes to the names of a folder."""
    seen = 0

    def watch(event: str, _: object) -> None:
        nonlocal seen
        if event in ("os.rename", "os.remove", "os.rmdir"):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    work()


def test_a_kill_at_any_step_leaves_a_whole_lake_and_the_next_one_goes_on(tmp_path: Path) -> None:
    (before := tmp_path / "before").mkdir()
    make(lake_in(before), SMALL)
    step, ended = 0, None
    while ended != 0:
        step += 1
        shutil.copytree(before, folder := tmp_path / f"killed_at_{step}")
        climb = lake_in(folder)
        current = [climb.store.get(*place) for place in climb.store.referred()]
        ended = in_child(partial(die_at, step, partial(collect_garbage, climb, "used")))
        assert ended in (0, -signal.SIGKILL)
        reached = {artifact.path for artifact in walk(climb.store, current)}
        assert len(reached) == 2 and reached < everything(climb)
        collect_garbage(climb, "used")
        assert len(everything(climb)) == len(needed(SMALL)) == 3
        left = [path.name for path in (climb.config.lake / "artifacts").rglob("*") if path.name.startswith(".")]
        assert left == [] and not any(row.count for row in find_garbage(climb, "used").freed)
    assert step > 3 * 5  # a rename, the files and the folder, of each of the three


def make_when_told(told: Any, climb: Materializer) -> None:
    """Begin to make an artefact when told to, write one half of it, say so, and the other half when told to."""

    def write(_: Materializer, partition: str, draft: Draft) -> None:
        (draft.path / "one").write_text(partition)
        told.send("writing")
        assert told.recv() == "end"
        (draft.path / "two").write_text(partition)

    assert told.recv() == "begin"
    climb.make_by(write, "raw_shards", "one.jsonl")


@pytest.fixture
def climb(tmp_path: Path) -> Materializer:
    """Return a lake with one raw shard, of which nothing is made."""
    climb = lake_in(tmp_path)
    climb.config.corpus.raw.mkdir(parents=True)
    (climb.config.corpus.raw / "one.jsonl").write_text('{"text": "one"}\n')
    return climb


@pytest.fixture
def writer(climb: Materializer) -> Iterator[Any]:
    """Start a process that makes its artefact when told to; it holds no lock of ours, as the fork of a holder would."""
    here, there = FORK.Pipe()
    process = FORK.Process(target=make_when_told, args=(there, climb))
    process.start()
    try:
        yield here
        process.join(60)
        assert process.exitcode == 0
        climb.store.get("raw_shards", "one.jsonl").verify()
    finally:
        process.kill()


def test_what_is_being_made_is_not_removed_and_nothing_else_either(climb: Materializer, writer: Any) -> None:
    made = make(climb, SMALL)
    writer.send("begin")
    assert writer.poll(60) and writer.recv() == "writing"
    with pytest.raises(TransientError, match="is in use"):
        collect_garbage(climb)
    assert everything(climb) == {artifact.path for artifact in made}
    looked = find_garbage(climb, "used")
    assert artefacts(looked).keys() == {"domains", MODELS, "mixed_corpus"}
    assert set(looked.left.values()) == {"is being written"}
    writer.send("end")
    while climb.store.reference("raw_shards", "one.jsonl") is None or refuses(climb):
        time.sleep(0.05)
    assert len(everything(climb)) == 4


def refuses(climb: Materializer) -> bool:
    """Collect garbage, if that is not refused."""
    try:
        collect_garbage(climb, "used")
    except TransientError:
        return True
    return False


def test_who_wants_to_make_something_waits_until_garbage_is_gone(climb: Materializer, writer: Any) -> None:
    with climb.store.garbage.undisturbed():
        writer.send("begin")
        assert not writer.poll(0.5)
    assert writer.poll(60) and writer.recv() == "writing"
    writer.send("end")


def test_a_reference_that_names_no_artefact_is_left_alone_and_named(tmp_path: Path) -> None:
    climb = lake_in(tmp_path)
    made = make(climb, SMALL)
    for name, text in (("numbers", "7"), ("texts", "7 of 9?")):
        (climb.config.lake / "refs" / name).mkdir()
        (climb.config.lake / "refs" / name / "group").write_text(text)
    removed = collect_garbage(climb, "used")
    assert {Path(path).name for path in removed.left} == {"numbers", "texts"}
    assert everything(climb) == {made[number].path for number in needed(SMALL)}
    assert (climb.config.lake / "refs" / "numbers" / "group").read_text() == "7"


def test_what_an_asset_of_another_version_rests_on_is_kept(tmp_path: Path) -> None:
    climb = lake_in(tmp_path)
    made = make(climb, [*SMALL, Node("a_later_asset", None, (0,), current=True)])
    removed = collect_garbage(climb, "used")
    assert {Path(path).relative_to(climb.config.lake).parts for path in removed.left} == {
        ("artifacts", "a_later_asset"),
        ("refs", "a_later_asset"),
    }
    assert everything(climb) == {made[number].path for number in needed(SMALL) | {0}}
    made[-1].verify()
    (climb.config.lake / "refs" / "a_later_asset" / "_").write_text("7 of 9?")
    with pytest.raises(CorruptArtifact):
        collect_garbage(climb, "used")


def test_what_a_move_that_was_broken_off_is_to_name_is_no_garbage(tmp_path: Path) -> None:
    """Whoever told of results and was killed before the reference moved has told them."""
    climb = lake_in(tmp_path)
    before, after = make(climb, [Node("domains", current=True), Node("domains")])
    climb.store.record([pointing(("domains", None), after.fingerprint, before.fingerprint)])
    collect_garbage(climb, "used")
    assert climb.store.get("domains") == after
    assert climb.store.find(*before.key) is None


def test_a_removal_that_was_broken_off_stops_nobody_and_is_ended_by_the_next_one(tmp_path: Path) -> None:
    climb = lake_in(tmp_path)
    kept, model = make(climb, [Node("domains", current=True), Node(MODELS)])
    climb.store.record([about("removed", model.key)])  # and then it was killed
    assert climb.store.all_of(MODELS) == [] and find_garbage(climb).before > find_garbage(climb).after
    collect_garbage(climb)
    assert not model.path.exists() and climb.store.get("domains") == kept

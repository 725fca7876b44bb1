"""What faults cost: hundreds of them, injected into `climb up` at random moments, and what is lost by each.

A round begins with an empty lake. While `climb up` works, faults are injected until there are as many as asked for;
whenever it ends with an error or is killed, it is begun again, until it ends well. Then a last, undisturbed `climb up`
has to say that nothing is stale and `climb verify` that all is sound, and every artefact must be, to the byte, the one
of a run that nothing disturbed. What was committed is watched meanwhile: an artefact that was seen and is gone is lost;
two commits of one artefact are a double commit.

``prepare`` writes the encoder and makes the run that nothing disturbs. ``run`` adds a line to a file for each finished
round, so that it can be run in parts, and ``report`` compares and makes a table.

    PYTHONPATH=. python benchmarks/faults.py --results FILE --folder FOLDER prepare
    PYTHONPATH=. python benchmarks/faults.py --results FILE --folder FOLDER run --combination ray,bucket --faults 60
    PYTHONPATH=. python benchmarks/faults.py --results FILE --folder FOLDER report
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from fault_kinds import Injector, kinds_of
from fault_scene import DONE, Scene, open_scene, read_all

from climb_assets.embeddings.shared_parts import PARTS
from climb_assets.errors import ClimbError
from tests.conftest import write_encoder
from tests.integration.processes import ROOT, launch

TICK = 0.5  # seconds between looks
TRIES = 20  # looks in which a kind of fault waits for its moment
MOST_BEGUN = 60  # times that `climb up` is begun in a round, before it is said not to come to an end
ENCODER, REFERENCE = "model", "undisturbed.json"
BACKENDS, STORES = ("local", "ray"), ("disk", "bucket")
Round = dict[str, Any]


def main() -> None:
    """Run or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("faults.jsonl"), help="file with a line for each round")
    parser.add_argument(
        "--folder", type=Path, required=True, help="where lakes are made, on a disk with some GB of room"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="write the encoder and make what nothing disturbs")
    run = commands.add_parser("run", help="inject faults")
    run.add_argument("--combination", type=_combination, required=True, help="backend,store: local,disk ... ray,bucket")
    run.add_argument("--faults", type=int, default=50, help="faults in all; those of the last round may be more")
    run.add_argument("--in-round", type=int, default=30, help="faults in a round, after which it ends undisturbed")
    run.add_argument("--pause", type=float, default=4.0, help="mean seconds between two faults")
    run.add_argument("--disturb", type=float, default=600.0, help="seconds of a round after which it ends undisturbed")
    run.add_argument("--minutes", type=float, default=60.0, help="no round is begun after these")
    run.add_argument("--seed", type=int, default=1)
    commands.add_parser("report", help="print the table")
    arguments = parser.parse_args()
    if arguments.command == "report":
        reference = json.loads((arguments.folder / REFERENCE).read_text(encoding="utf-8"))
        print(make_table([compare(one, reference) for one in read_rounds(arguments.results)]))
        return
    os.environ |= {"HF_HUB_OFFLINE": "1", "DAGSTER_DISABLE_TELEMETRY": "1"}
    prepare(arguments.folder) if arguments.command == "prepare" else run_rounds(arguments)


def _combination(text: str) -> tuple[str, str]:
    backend, _, store = text.partition(",")
    if backend not in BACKENDS or store not in STORES:
        raise argparse.ArgumentTypeError(f"{text}: is none of {BACKENDS} and one of {STORES} with a comma between")
    return backend, store


def run_rounds(arguments: argparse.Namespace) -> None:
    """Run rounds of one combination until enough faults hit something, or the time is up."""
    backend, store = arguments.combination
    end, faults = time.monotonic() + 60 * arguments.minutes, 0
    done = read_rounds(arguments.results)
    while faults < arguments.faults and time.monotonic() < end:
        number = sum((one["backend"], one["store"], one["seed"]) == (backend, store, arguments.seed) for one in done)
        random = np.random.default_rng([arguments.seed, BACKENDS.index(backend), STORES.index(store), number])
        earlier = Counter(fault["kind"] for one in done for fault in one["faults"])
        folder = arguments.folder / f"{backend}-{store}-{arguments.seed}-{number}"
        shutil.rmtree(folder, ignore_errors=True)
        with open_scene(folder, arguments.folder / ENCODER, backend, store) as scene:
            injector = Injector(scene, random)
            found: Round = {"failed": "", "there": {}}
            began = time.monotonic()
            try:
                disturb(injector, kinds_of(backend, store), earlier, arguments)
                end_undisturbed(scene)
                found["there"] = read_all(scene.store)
            except (RuntimeError, ClimbError) as error:
                found["failed"] = str(error)
            if scene.server is not None:
                scene.count_puts()
            found["commits"] = {"/".join(key): len(marks) for key, marks in scene.commits.items()}
            found |= {"faults": injector.count(), "endings": Counter(scene.endings), "left": scene.left}
            found["seconds"] = round(time.monotonic() - began)
        found |= {"backend": backend, "store": store, "seed": arguments.seed, **describe_machine()}
        with arguments.results.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(found) + "\n")
        done.append(found)
        faults += len(found["faults"])
        print(f"{backend},{store}, round {number}: {summarise(found)}", flush=True)
        if not found["failed"] and not found["left"]:
            shutil.rmtree(folder)


def prepare(folder: Path) -> None:
    """Write an encoder, and what an undisturbed `climb up` on one machine makes with it."""
    if not (folder / ENCODER).exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_encoder(folder)
    with open_scene(folder / "undisturbed", folder / ENCODER, "local", "disk") as scene:
        end_undisturbed(scene)
        (folder / REFERENCE).write_text(json.dumps(read_all(scene.store)), encoding="utf-8")


def disturb(injector: Injector, kinds: list[str], earlier: Counter[str], arguments: argparse.Namespace) -> None:
    """Inject faults into `climb up` until there are enough or the time is up, and begin it again until it ends well.

    Raises
    ------
    RuntimeError
        It does not come to an end.
    """
    scene, random, pause = injector.scene, injector.random, arguments.pause
    end = time.monotonic() + arguments.disturb
    scene.begin_first()
    due, wanted, tries = time.monotonic() + random.exponential(pause), "", 0
    while True:
        time.sleep(TICK)
        scene.look()
        injector.wake()
        assert scene.first is not None
        if scene.first.process.poll() is not None:
            if scene.note_ending(scene.first) == 0:
                break
            if len(scene.endings) > MOST_BEGUN:
                raise RuntimeError(f"it does not come to an end: {scene.endings}")
            scene.begin_first()
        now = time.monotonic()
        if now < due or now > end or len(injector.count()) >= arguments.in_round:
            continue
        if not wanted:
            wanted, tries = choose(kinds, earlier, injector, random), 0
        tries += 1
        hit = injector.attempt(wanted)
        if hit:
            print(f"{time.strftime('%H:%M:%S')} {wanted}", flush=True)
        if hit or tries >= TRIES:
            wanted, due = "", time.monotonic() + random.exponential(pause)
    end_second(injector)


def choose(kinds: list[str], earlier: Counter[str], injector: Injector, random: np.random.Generator) -> str:
    """Return a kind of fault at random: the rarer it was so far, the likelier."""
    seen = earlier + Counter(fault["kind"].removeprefix("store: ") for fault in injector.count())
    weights = np.array([1 / (1 + seen[kind] + seen[f"store: {kind}"]) for kind in kinds])
    return kinds[random.choice(len(kinds), p=weights / weights.sum())]


def end_second(injector: Injector) -> None:
    """Let the second `climb up` come to its end, if there is one; those who are stopped are woken on the way."""
    second = injector.scene.second
    while injector.stopped or (second is not None and second.process.poll() is None):
        time.sleep(TICK)
        injector.scene.look()
        injector.wake()
    if second is not None:
        injector.scene.note_ending(second)


def end_undisturbed(scene: Scene) -> None:
    """Run `climb up` without faults until nothing is stale, and then `climb verify`.

    Raises
    ------
    RuntimeError
        There is something stale after two, or something is not what its manifest promises.
    """
    if scene.server is not None:
        scene.server.heal()
    for _ in range(2):
        scene.begin_first()
        assert scene.first is not None
        code = scene.note_ending(scene.first)
        if code == 0 and DONE in scene.first.log.read_text(encoding="utf-8").splitlines()[-40:]:
            break
    else:
        raise RuntimeError(f"something is stale in the end: {scene.endings}")
    scene.look()
    command = [sys.executable, "-m", "dagster_project.cli", "--config", scene.projects[0] / "climb.yaml", "verify"]
    verified = launch(command, scene.projects[0] / "verify.log")
    if verified.finish(600) != 0:
        raise RuntimeError(f"climb verify: {verified.log.read_text(encoding='utf-8')}")


def compare(one: Round, reference: dict[str, str]) -> Round:
    """Return a round with the artefacts that it has lost, committed twice, or has without their being undisturbed.

    Which shards are embedded by parts depends on how many are left to embed, so those are held against nothing.
    """
    there = one["there"]
    reference = {name: checksum for name, checksum in reference.items() if not name.startswith(f"{PARTS}/")}
    return one | {
        "lost": [name for name in reference if there.get(name) != reference[name]]
        + sorted(one["commits"].keys() - there.keys()),
        "doubles": [name for name, count in one["commits"].items() if count > 1],
        "others": sorted(name for name in there.keys() - reference.keys() if not name.startswith(f"{PARTS}/")),
    }


def describe_machine() -> Round:
    """Return where, when and on what state of the code a round was run."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {"cores": os.cpu_count(), "load": round(os.getloadavg()[1], 1), "python": platform.python_version()} | {
        "commit": commit.stdout.strip()
    }


def read_rounds(results: Path) -> list[Round]:
    """Return the rounds that were finished so far."""
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []


def summarise(one: Round) -> str:
    """Return a round in a line."""
    lost = max((fault["lost"] for fault in one["faults"]), default=0.0)
    begun = sum(one["endings"].values())
    return (
        f"{len(one['faults'])} faults in {one['seconds']} s, {begun} climb up, {len(one['there'])} artefacts, "
        f"{one['left']} processes left, at most {lost:.1f} s of training lost. {one['failed']}"
    )


def make_table(rounds: list[Round]) -> str:
    """Return the table: faults that hit something and, in brackets, the most seconds of training that one has cost."""
    places = [(backend, store) for backend in BACKENDS for store in STORES]
    found: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in rounds:
        for fault in one["faults"]:
            found[fault["kind"]][one["backend"], one["store"]].append(fault["lost"])
            found["**all faults**"][one["backend"], one["store"]].append(fault["lost"])
    lines = [["fault", *(f"{backend}, {store}" for backend, store in places), "all"]]
    lines += [["---"] * len(lines[0])]
    for kind in sorted(found, key=lambda kind: (kind.startswith("*"), kind.startswith("store"), kind)):
        cells = [found[kind][place] for place in places]
        lines.append([kind, *map(_cell, cells), _cell([lost for cell in cells for lost in cell])])
    for name, words in {
        "lost": "artefacts lost",
        "doubles": "double commits",
        "others": "artefacts that the undisturbed run has not",
        "there": "artefacts and references compared",
    }.items():
        of = [[one for one in rounds if (one["backend"], one["store"]) == place] for place in places]
        counts = [sum(len(one[name]) for one in some) for some in of]
        lines.append([words, *map(str, counts), str(sum(counts))])
    begun = [sum(sum(one["endings"].values()) for one in some) for some in of]
    lines.append(["rounds (`climb up`)", *(f"{len(some)} ({n})" for some, n in zip(of, begun, strict=True))])
    lines[-1].append(f"{len(rounds)} ({sum(begun)})")
    failed = [sum(bool(one["failed"]) for one in some) for some in of]
    lines.append(["rounds that did not end well", *map(str, failed), str(sum(failed))])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(lost: list[float]) -> str:
    most = max(lost, default=0.0)
    return (f"{len(lost)} ({most:.1f} s)" if most else str(len(lost))) if lost else "-"


if __name__ == "__main__":
    main()

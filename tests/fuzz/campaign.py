"""Many cases of some targets, each target in a process that may die.

What belongs here: giving cases to a process, and counting. What a case is belongs to `tests.fuzz.case`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from climb_assets.executor.executor import UnitError
from climb_assets.executor.worker import Worker, WorkerDied
from tests.fuzz.case import Case, Outcome

# Of 1,000 cases how many are of each target; a query takes a tenth of a second, a model a process of its own.
SHARES = {
    "readers": 400,
    "config": 200,
    "tasks": 100,
    "swarm_tables": 120,
    "names": 100,
    "manifests": 55,
    "queries": 20,
    "models": 5,
}
PATIENCE = 10.0  # seconds that a case may take; one that takes longer hangs


@dataclass
class Tally:
    """What became of the cases of one target.

    Parameters
    ----------
    findings
        By the number of the case.
    peak
        Highest memory of a process, in KiB.
    """

    target: str
    cases: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)
    dead: int = 0
    seconds: float = 0.0
    peak: int = 0


def run_target(
    target: str, numbers: range, seed: int, folder: Path, found: Callable[[str], None] = lambda line: None
) -> Tally:
    """Run the cases of some numbers, one after the other, and return what became of them."""
    tally, started = Tally(target), time.monotonic()
    for number, outcome in _outcomes(target, numbers, seed, folder, tally):
        tally.cases += 1
        tally.counts += outcome.counts
        tally.peak = max(tally.peak, outcome.peak)
        if outcome.finding:
            tally.findings[number] = outcome.finding
            found(f"{target} {number}: {outcome.finding}")
    tally.seconds = time.monotonic() - started
    return tally


def _outcomes(target: str, numbers: range, seed: int, folder: Path, tally: Tally) -> Iterator[tuple[int, Outcome]]:
    worker = Worker(1)
    try:
        for number in numbers:
            if not worker.is_alive():
                worker = Worker(1)
            worker.hand_over(Case(target, seed, number, folder / target))
            try:
                if not worker.line.poll(PATIENCE if number > numbers.start else 6 * PATIENCE):  # it imports first
                    worker.end()
                    raise WorkerDied
                yield number, worker.answer()
            except WorkerDied:
                tally.dead += 1
                yield number, Outcome(finding="the process died, or did not answer in time")
            except UnitError as error:
                yield number, Outcome(finding=str(error))
    finally:
        worker.end()

"""Many cases of one target, in a process that may die.

What belongs here: handing cases to a process, and counting. What a case is belongs to `tests.fuzz.case`.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from climb_assets.executor.executor import UnitError
from climb_assets.executor.trial import PATIENCE as TRIAL
from climb_assets.executor.worker import LocalWorker, WorkerDied
from tests.fuzz.case import Case, Outcome

# Of 1,000 cases how many are of each target; a query takes a tenth of a second, a model a process of its own.
SHARES = {
    "readers": 400,
    "config": 200,
    "tasks": 100,
    "swarm_tables": 120,
    "names": 100,
    "manifests": 57,
    "queries": 20,
    "models": 3,
}
PATIENCE = 10.0  # seconds that a case may take
STARTING = 60.0  # seconds more for the first case of a process, which imports
LONGER = {"models": TRIAL}  # seconds more: the product itself waits for a child


@dataclass
class Tally:
    """What became of the cases of one target.

    Parameters
    ----------
    findings
        By the number of the case.
    dead
        Processes that ended, or that had to be ended.
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

    def add(self, number: int, outcome: Outcome) -> None:
        """Count one case."""
        self.cases += 1
        self.counts += outcome.counts
        self.peak = max(self.peak, outcome.peak)
        if outcome.finding:
            self.findings[number] = outcome.finding


def run_target(
    target: str, numbers: range, seed: int, folder: Path, tell: Callable[[str], None] = lambda line: None
) -> Tally:
    """Run the cases of some numbers, one after the other, and return what became of them; `tell` hears each finding."""
    tally, started = Tally(target), time.monotonic()
    for number, outcome in _outcomes([Case(target, seed, number, folder / target) for number in numbers], tally):
        tally.add(number, outcome)
        if outcome.finding:
            tell(f"{target} {number}: {outcome.finding}")
    tally.seconds = time.monotonic() - started
    return tally


def _outcomes(cases: list[Case], tally: Tally) -> Iterator[tuple[int, Outcome]]:
    worker, patience = LocalWorker(1), STARTING
    try:
        for case in cases:
            worker.hand_over(case)
            yield case.number, _answer(worker, patience + PATIENCE + LONGER.get(case.target, 0))
            patience = 0.0
            if not worker.is_alive():
                tally.dead += 1
                worker, patience = LocalWorker(1), STARTING
    finally:
        worker.end()


def _answer(worker: LocalWorker, patience: float) -> Outcome:
    """Return what became of the case that a process works on; one that does not answer is ended."""
    if not worker.line.poll(patience):
        worker.end()
        return Outcome(finding=f"no answer after {patience:g} seconds")
    try:
        outcome: Outcome = worker.answer()
        return outcome
    except WorkerDied:
        return Outcome(finding="the process died")
    except UnitError as error:
        return Outcome(finding=str(error))

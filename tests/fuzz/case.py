"""One case: what is run, and what became of it.

What belongs here: the border between what is fine and what is a finding. A case is fine if the product answers with a
value, or with one of its own errors in one sentence; what a target asserts besides (no record is lost) must hold too.
"""

import importlib
import shutil
import traceback
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from climb_assets.errors import ClimbError
from climb_assets.randomness import generator

LONGEST_SENTENCE = 1000  # characters, as the command line shows
MOST_GROWTH = 2**18  # KiB that one case may add to the highest memory of its process


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Parameters
    ----------
    counts
        ``accepted`` or ``refused``, and of a target that reads records where these went.
    finding
        A traceback, or what else must not happen; empty if there is none.
    peak
        Highest memory of the process so far, in KiB.
    """

    counts: Counter[str] = field(default_factory=Counter)
    finding: str = ""
    peak: int = 0


@dataclass(frozen=True)
class Case:
    """The case of this number of one target; the same seed and number make the same case."""

    target: str
    seed: int
    number: int
    folder: Path

    @property
    def name(self) -> str:
        """What people read of it."""
        return f"{self.target} {self.number}"

    def run(self) -> Outcome:
        """Run it in an empty folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        before = _peak()
        try:
            counts, finding = self._counts(), ""
        except Exception:
            counts, finding = Counter[str](), traceback.format_exc()
        if not finding and _peak() - before > MOST_GROWTH:
            finding = f"took {(_peak() - before) // 1024} MiB more than any case before"
        return Outcome(counts, finding, _peak())

    def _counts(self) -> Counter[str]:
        run_case = importlib.import_module(f"tests.fuzz.{self.target}").run_case
        try:
            return Counter(run_case(generator(self.seed, self.target, self.number), self.folder))
        except ClimbError as error:
            require_sentence(error)
            return Counter(refused=1)


def require_sentence(error: ClimbError) -> None:
    """Check that an error of ours is one line that any terminal can show, and that it is no defect's."""
    said = str(error)
    require_one_line(said)
    assert 0 < len(said) <= LONGEST_SENTENCE, f"{len(said)} characters: {said[:200]}"
    assert "please report" not in said, said


def require_one_line(shown: str) -> None:
    """Check that a text is one line, and that nothing in it steers a terminal or hides text."""
    unfit = [letter for letter in shown if unicodedata.category(letter)[0] == "C" or letter in "\u2028\u2029"]
    assert not unfit, f"{unfit} in {shown!r}"


def _peak() -> int:
    """Return the highest memory of this process in KiB; what `getrusage` says begins at that of the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

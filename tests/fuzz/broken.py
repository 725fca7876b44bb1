"""A target that does what no product may: it raises, it dies, it takes memory, it says what cannot be shown."""

import os
from collections import Counter
from pathlib import Path

from numpy.random import Generator

from climb_assets.errors import ComputeError
from tests.fuzz.case import MOST_GROWTH, require_one_line


def run_case(random: Generator, folder: Path) -> Counter[str]:
    """Do one of them."""
    match int(random.integers(5)):
        case 0:
            raise ValueError("a defect")
        case 1:
            os._exit(1)
        case 2:
            raise ComputeError("the accounts do not add up; please report this")
        case 3:
            require_one_line("a name\x1b[2J")
    return Counter(accepted=len(b"x" * (MOST_GROWTH * 2048)))

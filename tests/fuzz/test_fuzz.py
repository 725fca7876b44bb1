"""A short run of every target, the same at each time; `python -m tests.fuzz` is the long one."""

from pathlib import Path

import pytest

from tests.fuzz.campaign import SHARES, run_target

CASES = {"queries": 6, "models": 2}  # a few of what takes long


@pytest.mark.parametrize("target", SHARES)
def test_whatever_strangers_bring_is_a_value_or_a_sentence(tmp_path: Path, target: str) -> None:
    cases = CASES.get(target, 60)
    tally = run_target(target, range(cases), 0, tmp_path)
    assert not tally.findings
    assert tally.counts["accepted"] + tally.counts["refused"] == cases
    assert tally.counts["accepted"] or target == "models"


def test_each_kind_of_misdeed_is_found(tmp_path: Path) -> None:
    tally = run_target("broken", range(12), 0, tmp_path)
    assert tally.cases == 12 and tally.dead
    for told in ("ValueError: a defect", "the process died", "please report", "\\x1b", "MiB more"):
        assert any(told in finding for finding in tally.findings.values()), told

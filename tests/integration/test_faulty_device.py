"""A device that refuses: one sentence and exit 2, nothing lost, and the same command goes on once it is mended."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.processes import ROOT


@pytest.mark.slow
def test_what_a_device_refuses_is_one_sentence_and_heals(tmp_path: Path) -> None:
    started = [sys.executable, "-m", "tests.integration.faulty_device", tmp_path, "3", "make", "sample"]
    ended = subprocess.run(list(map(str, started)), cwd=ROOT, capture_output=True, text=True, timeout=500)
    cases = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {case["operation"] for case in cases} == {"fsync", "rename", "mkdir", "write"}, ended.stderr
    for case in cases:
        assert case["reached"] and case["told"] and case["healed"], case

"""`climb` in a process of its own that runs one command after another, where a process is what is tested and not its
start: without root's rights over other modes, or behind a mount.

Run as ``python -m tests.integration.commands [ordinary]``, the latter to give up those rights first. Each line of its
standard input is a JSON list of arguments; it answers each with a line: `Answer` as a JSON list.
"""

import json
import sys
import traceback
from typing import NamedTuple

from click.testing import CliRunner

from dagster_project.cli import main
from tests.climb_assets.corpus.ordinary_user import drop_capabilities


class Answer(NamedTuple):
    """What came of a command."""

    code: int
    stdout: str
    stderr: str


def run(arguments: list[str]) -> Answer:
    """Run a command."""
    result = CliRunner().invoke(main, arguments)
    unforeseen = result.exception if not isinstance(result.exception, SystemExit) else None
    trace = "" if unforeseen is None else "".join(traceback.format_exception(unforeseen))
    return Answer(result.exit_code, result.stdout, result.stderr + trace)


if __name__ == "__main__":
    if sys.argv[1:] == ["ordinary"]:
        drop_capabilities()
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)

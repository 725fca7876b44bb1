"""Processes that begin at once, for tests of races."""

import subprocess
import sys
import textwrap

READY = """
print("ready", flush=True)
sys.stdin.readline()
"""


def race(prepare: str, script: str, *arguments: str, processes: int) -> list[str]:
    """Run a script in several processes, which begin it at once; return what each printed.

    Parameters
    ----------
    prepare
        What each does before; it imports `sys`.
    arguments
        Those of each process, which gets its number as one more.
    """
    command = [sys.executable, "-c", textwrap.dedent(prepare) + READY + textwrap.dedent(script), *arguments]
    started = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(processes)
    ]
    for process in started:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0] * processes
    return answers

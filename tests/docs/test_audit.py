"""The auditor's walk of docs/audit.md runs, command after command, on a finished lake."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
COMMANDS = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_walk_leads_from_the_data_set_to_all_that_it_promises(finished_project: Path) -> None:
    blocks = COMMANDS.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 6
    environment = os.environ | {
        "CLIMB_CONFIG": str(finished_project / "climb.yaml"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(PAGE.parents[1]),
    }
    script = "set -euo pipefail\n" + "".join(blocks) + 'echo "end $DOCUMENT"\n'
    done = subprocess.run(
        ["bash", "-c", script], cwd=finished_project, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, last = done.stdout.splitlines()
    document = last.removeprefix("end ")
    found = json.loads((finished_project / "trace.json").read_text())
    assert found["document"]["id"] == document and found["root"] in done.stderr
    shown = done.stdout.split(f"document   {document}")[1]
    names = ("raw_file", "answer", "proxies", "makings")
    assert all(found[name] for name in names) and found["raw_file"]["sha256"] in shown
    assert all(making["code_version"] in shown for making in found["makings"])
    sources = [making["source"] for making in found["makings"]]
    assert all(source["version"] and source.get("commit", "")[:12] in shown for source in sources)
    head = re.search(r"^\d+:[0-9a-f]{64}$", done.stdout, re.MULTILINE)
    assert head and f"when it was handed out: {head[0]} " in (finished_project / "bundle" / "README.md").read_text()
    assert f"{document} is in the data set with root {found['root']}" in shown
    assert f"{'0' * 32} is NOT in the data set with root {found['root']}" in shown

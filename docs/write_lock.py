"""Writes the pinned packages of this platform with their hashes, for ``pip install --require-hashes``.

    python docs/write_lock.py REPORT LOCK

REPORT is what ``pip install --dry-run --report REPORT -r constraints.txt`` writes; it names files and hashes. No
address of an index is taken over, so the lock holds for any mirror. `make lock` does both.
"""

import json
import sys
from pathlib import Path


def render(report: Path) -> str:
    """Return one line a package, sorted by name.

    Raises
    ------
    SystemExit
        pip knows no hash of a package's file.
    """
    lines = []
    for entry in json.loads(report.read_text(encoding="utf-8"))["install"]:
        name, version = entry["metadata"]["name"], entry["metadata"]["version"]
        hashes = entry["download_info"].get("archive_info", {}).get("hashes", {})
        if "sha256" not in hashes:
            sys.exit(f"pip knows no SHA-256 of {name} {version}; lock on a machine with another index")
        lines.append(f"{name.lower()}=={version} --hash=sha256:{hashes['sha256']}")
    return "\n".join(sorted(lines)) + "\n"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(render(Path(sys.argv[1])), encoding="utf-8")

"""Another host, as far as processes can tell: a PID namespace of its own, from which no other process is seen."""

import shutil
import subprocess

import pytest

ON_OTHER_HOST = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]  # a command
ABLE = shutil.which("unshare") and not subprocess.run([*ON_OTHER_HOST, "true"], capture_output=True).returncode
needs_other_host = pytest.mark.skipif(
    not ABLE, reason="this user gets no PID namespace: no `unshare`, or it is forbidden"
)

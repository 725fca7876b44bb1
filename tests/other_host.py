"""Another host, as far as processes can tell: a PID namespace of its own, from which no other process is seen."""

import subprocess
import sys

import pytest

ON_OTHER_HOST = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]  # a command
ABLE = sys.platform == "linux" and not subprocess.run([*ON_OTHER_HOST, "true"], capture_output=True).returncode
needs_other_host = pytest.mark.skipif(not ABLE, reason="the kernel gives no PID namespace to this user")

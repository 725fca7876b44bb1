"""Pictures of a finished project in Dagster's web UI, taken with headless Chromium over its DevTools protocol.

Example: `python docs/take_screenshot.py --port 3000 --out docs/screenshot.png` writes the asset graph, and beside it
(`_asset` in the name) the page of the answer. Without a server on the port, one is started.
"""

import argparse
import base64
import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("background-networking", "component-update", "gpu", "quic", "sync")
FLAGS = ["--headless", "--no-sandbox", "--no-first-run", "--hide-scrollbars", "--remote-debugging-port=0"]
FLAGS += [f"--disable-{service}" for service in QUIET]
GRAPH, PAGE = (2200, 1200), (1500, 1000)  # pixels
SIDEBAR = 300  # pixels, where the graph is fitted beside it and it is hidden then
SETTLE = 3  # seconds in which a page that is done does not change
SECONDS = 120  # a cold server needs most of a minute on two busy cores
# What a person would set in the page: a graph from left to right, of small nodes, in a window without navigation.
SETTINGS: dict[str, Any] = {"asset-graph-direction": "horizontal", "asset-node-facets": ["partitions", "status"]}
SETTINGS["dagster-nav-collapsed"] = True
HIDE_SIDEBAR = "document.querySelector('[aria-label=panel_show_right]').closest('button').click()"
NOTHING = "0"


def wait_for(ready: Callable[[], Any], what: str) -> Any:
    """Return the first true answer; exit with one sentence if there is none in time."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if answer := ready():
                return answer
        time.sleep(0.5)
    sys.exit(f"{what} did not come within {SECONDS} s; look at it with `climb ui`")


def groups_of(port: int) -> list[str]:
    """Return the names of the asset groups, once the server has loaded the assets."""
    query = json.dumps({"query": "{assetNodes{groupName}}"}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return sorted({node["groupName"] for node in json.load(answer)["data"]["assetNodes"]})


@contextlib.contextmanager
def serving(port: int) -> Iterator[list[str]]:
    """Yield the asset groups of the server on this port; start one for as long if there is none."""
    with socket.socket() as probe:
        served = probe.connect_ex(("127.0.0.1", port)) == 0
    process = None
    if not served:
        command = [sys.executable, "-m", "dagster_project.cli", "ui", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield wait_for(lambda: groups_of(port), "the web server")
    finally:
        if process is not None:
            process.terminate()
            process.wait(60)


class Page:
    """One page of a browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection, self._numbers = connection, itertools.count(1)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol and return its result."""
        number = next(self._numbers)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(SECONDS))
            if message.get("id") == number:
                return dict(message["result"])

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self.call("Runtime.evaluate", expression=script)["result"].get("value")

    def _resize(self, width: int, height: int) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, address: str, size: tuple[int, int], ready: str, then: str, out: Path) -> None:
        """Open an address, run `then` once the page shows the text `ready`, and write a PNG when it is still."""
        self._resize(size[0] + SIDEBAR, size[1])
        self.call("Page.navigate", url=address)
        wait_for(lambda: self.run(f"document.body.innerText.includes({ready!r})"), address)
        time.sleep(SETTLE)
        self.run(then)
        self._resize(*size)
        seen = ""
        while seen != (seen := self.call("Page.captureScreenshot")["data"]):
            time.sleep(SETTLE)
        out.write_bytes(base64.b64decode(seen))
        print(f"{out} ({out.stat().st_size // 1000} kB)")


@contextlib.contextmanager
def browsing() -> Iterator[Page]:
    """Yield a page of a headless browser that is closed afterwards."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"no browser; install one of {', '.join(BROWSERS)} to take pictures")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [*FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen([browser, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = wait_for(
                lambda: (Path(profile) / "DevToolsActivePort").read_text(encoding="utf-8"), "Chromium"
            ).split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
                target = next(target for target in json.load(answer) if target["type"] == "page")
            with connect(target["webSocketDebuggerUrl"], max_size=None) as connection:
                page = Page(connection)
                page.call("Page.enable")
                for key, value in SETTINGS.items():
                    script = f"localStorage.setItem({key!r}, {json.dumps(json.dumps(value))})"
                    page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
                yield page
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    """Take both pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--out", type=Path, default=Path("docs/screenshot.png"))
    options = parser.parse_args()
    with serving(options.port) as groups, browsing() as page:
        root = f"http://127.0.0.1:{options.port}"
        graph = f"{root}/asset-groups?expanded=" + ",".join(f"global@global:{group}" for group in groups)
        page.picture(graph, GRAPH, "audit_bundle", HIDE_SIDEBAR, options.out)
        asset = f"{root}/assets/optimal_mixture?view=partitions&partition=general"
        page.picture(asset, PAGE, "In words", NOTHING, options.out.with_stem(f"{options.out.stem}_asset"))


if __name__ == "__main__":
    main()

"""The report in a real browser: axe finds nothing serious, it fits a phone, and it can be explored without a mouse."""

import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import axe_core_python
import pytest

from climb_assets.audit.report.writer import trace_report, write_report
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer

SCRIPT = Path(__file__).parents[4] / "docs" / "take_screenshot.py"
AXE = Path(axe_core_python.__file__).parent / "axe.min.js"
SECONDS = 60  # of a browser beside other work
FOUND = (
    "JSON.stringify(found.violations.map(one => [one.impact, one.id, one.nodes.map(node => node.html).slice(0, 3)]))"
)


def load_script() -> ModuleType:
    """Return docs/take_screenshot.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("take_screenshot", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def page(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Yield a browser's page that shows the report of a finished project."""
    browser = load_script()
    if not any(map(shutil.which, browser.BROWSERS)):
        pytest.skip("there is no Chromium")
    climb = Materializer(load_config(finished_once / "climb.yaml"))
    file = tmp_path_factory.mktemp("report") / "report.html"
    write_report("general", trace_report(climb.store, "general"), file)
    with browser.browsing() as opened:
        opened.call("Page.setBypassCSP", enabled=True)  # axe is a script that the page's own policy would not run
        opened.call("Page.navigate", url=file.as_uri())
        until(lambda: opened.run("document.readyState") == "complete")
        yield opened


def until(ready: Callable[[], bool]) -> None:
    """Wait until something is so, and fail where it does not come to be."""
    end = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.1)


def show(page: Any, width: int, scheme: str) -> None:
    """Show the page in a width and a scheme of colours."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "light"), (1280, "dark")])
def test_axe_finds_nothing(page: Any, width: int, scheme: str) -> None:
    show(page, width, scheme)
    page.run(
        f"document.querySelectorAll('details').forEach(one => one.open = true); {AXE.read_text(encoding='utf-8')}; 0"
    )
    page.run("window.found = null; axe.run().then(answer => { window.found = answer }); 0")
    until(lambda: bool(page.run("window.found !== null")))
    assert page.run(FOUND) == "[]"


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_nothing_is_wider_than_the_screen(page: Any, width: int) -> None:
    show(page, width, "light")
    assert page.run("document.documentElement.scrollWidth") == width


def test_a_domain_is_picked_out_of_the_map_by_its_button(page: Any) -> None:
    show(page, 1280, "light")
    faded = "document.querySelectorAll('.map path.off').length"
    assert page.run(faded) == 0
    page.run("document.querySelector('.names button').click()")
    assert page.run(faded) == page.run("document.querySelectorAll('.map path').length") - 1
    assert page.run("document.querySelector('.names button').getAttribute('aria-pressed')") == "true"
    page.run("document.querySelector('.names button').click()")
    assert page.run(faded) == 0


def test_the_map_comes_closer_and_a_document_tells_how_it_begins(page: Any) -> None:
    show(page, 1280, "light")
    page.run("document.querySelector('.map').scrollIntoView({behavior: 'instant'})")
    page.run("document.querySelector('[data-zoom]').click()")
    assert page.run("document.querySelector('.map svg').viewBox.baseVal.width") < 720
    page.run("document.querySelector('[data-zoom=\"0\"]').click()")
    at = "(() => { const box = document.querySelector('.map svg').getBoundingClientRect();"
    at += " const [x, y] = JSON.parse(document.getElementById('points').textContent).places[0];"
    at += " return [box.x + x * box.width / 720, box.y + y * box.height / 540].join(' ') })()"
    x, y = map(float, page.run(at).split())
    page.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    begins = "JSON.parse(document.getElementById('points').textContent).places[0][4].slice(0, 30)"
    until(lambda: bool(page.run("document.querySelector('.map circle.s-ink') !== null")))
    assert page.run(begins) in page.run("document.querySelector('.told').textContent")

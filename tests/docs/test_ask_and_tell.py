"""The notebook of docs runs from the first cell to the last, in the order in which it is read."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer

NOTEBOOK = Path(__file__).parents[2] / "docs" / "ask_and_tell.ipynb"


@pytest.mark.slow
def test_the_notebook_runs(finished_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = finished_project / "climb.yaml"
    fewer = {"proxy": {"trainer": "ask"}, "search": {"iterations": [4], "pool": 200}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | fewer))
    before = Materializer(load_config(path)).get("optimal_mixture", "general").data_version
    monkeypatch.chdir(finished_project)
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1]))
    names: dict[str, Any] = {}
    for number, cell in enumerate(json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    assert names["code"] == 0
    climb = Materializer(load_config(path))
    assert climb.get("optimal_mixture", "general").data_version != before
    assert climb.get("optimal_mixture", "general").json("selection.json")["evidence"]["seeds"] == 2

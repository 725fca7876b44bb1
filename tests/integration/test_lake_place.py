"""Where a lake lies changes nothing of what is made in it."""

from pathlib import Path

import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.catalog import BASE, as_rows, query_lake
from climb_assets.graph.materializer import Materializer
from climb_assets.store.local import LocalStore
from tests.conftest import finish_project
from tests.integration.processes import contents

ODD = Path("source=second", "domain=7", "split=report_eval", "_id=3 [a-z]*{x}'\"é 日 %#~")


@pytest.mark.slow
def test_a_lake_below_folders_of_odd_names_holds_the_same(
    finished_once: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / ODD.parent / "_id=3 a").mkdir(parents=True)  # what a pattern would find
    project = finish_project(tmp_path / ODD, encoder_folder)
    there, here = (LocalStore(folder / "data_lake") for folder in (finished_once, project))
    assert contents(here) == contents(there)
    for view in BASE:
        query = f"FROM {view} ORDER BY ALL"
        assert as_rows(query_lake(here, query)) == as_rows(query_lake(there, query)) or view == "proxy_models"
    assert Materializer(load_config(project / "climb.yaml")).store.root == here.root

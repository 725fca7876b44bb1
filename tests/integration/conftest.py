"""The project run in this process, as `climb up` runs it; a finished one with exports, and somebody who changes it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from climb_assets.graph.materializer import Materializer
from dagster_project.instance import open_instance
from dagster_project.update import Update, bring_up_to_date
from tests.conftest import copy_project
from tests.integration.insider import Insider
from tests.integration.tampered_lake import export_twice

Up = Callable[..., Update]


@pytest.fixture
def up(materializer: Materializer) -> Iterator[Up]:
    """Return `climb up` for the project: ``up()``, or ``up(materializer=other, to="domains")``."""
    with open_instance(materializer.config.lake) as instance:

        def run(materializer: Materializer = materializer, to: str | None = None) -> Update:
            return bring_up_to_date(instance, materializer, to, lambda line: None)

        yield run


@pytest.fixture(scope="session")
def exported_once(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished project with an export, a bundle and a second tokenizer. Read it, never change it."""
    project = copy_project(finished_once, tmp_path_factory.mktemp("exported") / "project")
    export_twice(project)
    return project


@pytest.fixture
def exported_project(exported_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the exported project: artefacts by hard links, all else by itself."""
    copy = tmp_path / "project"
    shutil.copytree(exported_once, copy, ignore=shutil.ignore_patterns("artifacts"))
    shutil.copytree(
        exported_once / "data_lake" / "artifacts",
        copy / "data_lake" / "artifacts",
        copy_function=os.link,
        symlinks=True,
    )
    return copy


@pytest.fixture
def insider(exported_project: Path) -> Insider:
    """Return somebody who changes the copy."""
    return Insider(exported_project / "data_lake")

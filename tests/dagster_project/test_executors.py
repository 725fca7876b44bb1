"""The executor is the one that the configuration names."""

from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError
from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.executors import find_executor

own_executor = dg.multiprocess_executor.configured({"max_concurrent": 3}, name="own_executor")


@pytest.mark.parametrize(
    "name, executor",
    [
        ("in_process", dg.in_process_executor),
        ("multiprocess", dg.multiprocess_executor),
        (f"{__name__}:own_executor", own_executor),
    ],
)
def test_jobs_use_it(tmp_path: Path, name: str, executor: dg.ExecutorDefinition) -> None:
    (tmp_path / "climb.yaml").write_text(f"profile: smoke\ndagster: {{executor: '{name}'}}\n")
    definitions = build_definitions(Materializer(load_config(tmp_path / "climb.yaml")))
    assert definitions.resolve_job_def("search").executor_def is executor
    assert definitions.resolve_implicit_global_asset_job_def().executor_def is executor


@pytest.mark.parametrize("name", ["celery", "no_such_package:executor", "dagster:asset", "dagster:no_such_name", ""])
def test_others_are_an_error_that_says_what_to_write(name: str) -> None:
    with pytest.raises(ConfigError, match=r"dagster\.executor.*in_process, multiprocess or module:name"):
        find_executor(name)

"""Measuring: what is prepared bears the code that prepared it, and a metric is what its tasks are."""

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from climb_assets.config_file import load_config
from climb_assets.config_tasks import Task, TextTask
from climb_assets.graph.materializer import Materializer
from climb_assets.search.search_state import deciding_tasks
from climb_assets.store.local import LocalStore
from climb_assets.training.measurement import TASKS, describe_metric

ROOT = Path(__file__).parents[3]
PREPARE = """
    import sys
    from pathlib import Path

    from climb_assets.config_file import load_config
    from climb_assets.config_tasks import TextTask
    from climb_assets.graph.materializer import Materializer
    from climb_assets.training.measurement import measure

    source = Path(sys.argv[1])
    source.write_text(source.read_text().replace("[chosen]:", "[chosen][:1]:"))  # while this process is at work
    materializer = Materializer(load_config(Path(sys.argv[2])))
    task = TextTask(kind="text", sources=("first",), documents=3)
    measure(materializer, [], materializer.config.proxy, {"late": task}, "search", "nothing")
"""


def test_a_task_that_old_code_prepared_is_not_taken_for_that_of_the_new(finished_project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "source"
    shutil.copytree(ROOT / "climb_assets", copy / "climb_assets")
    source = copy / "climb_assets" / "training" / "tasks.py"
    for _ in range(2):  # the second process has imported what the first one wrote
        command = [sys.executable, "-c", textwrap.dedent(PREPARE), source, finished_project / "climb.yaml"]
        subprocess.run(command, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, check=True, timeout=120)
    store = LocalStore(finished_project / "data_lake")
    items = {task.summary["items"] for task in store.all_of(TASKS) if task.partition == "late"}
    assert items == {3, 1}


def metric_of(folder: Path, tasks: Mapping[str, Task] | None = None, **proxy: object) -> dict[str, dict[str, str]]:
    """Return the metric of a finished project, or of other tasks, with other settings of the proxies."""
    materializer = Materializer(load_config(folder / "climb.yaml"))
    config = materializer.config
    training = config.proxy.model_copy(update=proxy)
    return describe_metric(materializer, training, tasks or deciding_tasks(config), "search")


def test_a_metric_is_that_of_its_items_and_of_how_they_are_read(finished_project: Path) -> None:
    metric = metric_of(finished_project)
    assert set(metric) == {"first_text", "second_text"}
    assert metric["first_text"]["items"] != metric["second_text"]["items"]
    assert (
        metric_of(finished_project, tokens=2048, hidden=24, learning_rate=1e-4) == metric
    )  # another model, as measured

    longer = metric_of(finished_project, sequence=64)
    assert {name for name in metric["first_text"] if longer["first_text"][name] != metric["first_text"][name]} == {
        "sequence"
    }
    fewer = TextTask(kind="text", sources=("first",), documents=3)
    same = TextTask(kind="text", sources=("first",), documents=8)
    others = metric_of(finished_project, {"fewer": fewer, "same": same})
    assert others["same"] == metric["first_text"] and others["fewer"]["items"] != metric["first_text"]["items"]

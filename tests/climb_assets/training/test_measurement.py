"""Measuring: what is prepared bears the code that prepared it."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

from climb_assets.store.local import LocalStore
from climb_assets.training.measurement import TASKS

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

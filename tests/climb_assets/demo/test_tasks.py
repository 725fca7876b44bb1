"""Benchmark items have the wording that lm-evaluation-harness gives them."""

import json
from pathlib import Path

from climb_assets.demo.tasks import SEARCH_TASKS, TASKS, write_tasks


def test_items_are_worded_as_the_harness_does(benchmark_wheel: Path, tmp_path: Path) -> None:
    assert write_tasks(benchmark_wheel, tmp_path / "out") == dict.fromkeys(TASKS, 1)
    items = {name: json.loads((tmp_path / "out" / f"{name}.jsonl").read_text()) for name in TASKS}
    assert items["piqa"] == {"context": "Question: Cool tea\nAnswer:", "choices": [" Wait.", " Boil."], "gold": 0}
    assert items["arc_easy"] == {"context": "Question: What is hot?\nAnswer:", "choices": [" moon", " sun"], "gold": 1}
    assert items["hellaswag"]["context"] == "Tea: A man boils water. He"
    assert items["hellaswag"]["choices"] == [" pours it.", "  sleeps."]
    assert items["winogrande"]["contexts"] == ["It broke as it", "It broke as tea"]
    assert items["winogrande"]["choices"] == [" fell.", " fell."]
    assert items["siqa"] == {"context": "Q: Al left. Why?\nA:", "choices": [" a", " b", " c"], "gold": 2}
    assert items["boolq"]["context"] == "Tea is wet.\nQuestion: is tea wet?\nAnswer:"
    assert items["boolq"]["choices"][items["boolq"]["gold"]] == " yes"
    assert items["sciq"]["choices"][items["sciq"]["gold"]] == " w"
    assert set(SEARCH_TASKS) <= set(TASKS)


def test_a_task_file_of_the_user_is_kept(benchmark_wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "piqa.jsonl").write_text("mine")
    write_tasks(benchmark_wheel, tmp_path)
    assert (tmp_path / "piqa.jsonl").read_text() == "mine"

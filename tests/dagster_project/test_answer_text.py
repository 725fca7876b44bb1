"""What `climb up` says at its end: five lines an objective, which begin with the answer."""

import re
from pathlib import Path

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from dagster_project.answer_text import describe_answers


def test_each_answer_is_told_in_five_lines(finished_once: Path) -> None:
    materializer = Materializer(load_config(finished_once / "climb.yaml"))
    told = describe_answers(materializer).split("\n\n")
    assert [one.partition(":")[0] for one in told] == ["general", "science"]
    for objective, one in zip(("general", "science"), told, strict=True):
        answer, certainty, against, cost, following = one.splitlines()
        shares = [int(share) for share in re.findall(r"(\d+)% [^(]*(?:\(corpus|of \d+ more)", answer)]
        assert answer.startswith(f"{objective}: train on ") and abs(sum(shares) - 100) <= len(shares)
        assert "bits per byte" in certainty and "fresh seeds" in certainty
        for baseline in ("uniform", "proportional", "unimax"):
            assert baseline in against
        assert re.search(r"of work in all, \d+ models", cost)
        assert f"`climb report {objective} --open`" in following and f"climb export {objective}" in following


def test_without_an_answer_there_is_nothing_to_tell(project: Path) -> None:
    (project / "climb.yaml").write_text("profile: smoke\nlake: another\n")
    assert describe_answers(Materializer(load_config(project / "climb.yaml"))) == ""

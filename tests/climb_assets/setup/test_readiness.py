"""What `climb check` finds missing, and what mends it."""

from pathlib import Path

import pytest
import yaml

from climb_assets.config import Config
from climb_assets.config_file import load_config
from climb_assets.setup.first_settings import open_as_it_is
from climb_assets.setup.raw_sample import RawSample
from climb_assets.setup.readiness import Finding, look_at_project
from climb_assets.setup.stage_costs import StageCost, between, bytes_needed, count_models, sample_and_time, total_of


@pytest.fixture
def sampled(config: Config) -> RawSample:
    """Return a sample of the project's raw files."""
    return sample_and_time(open_as_it_is(config), config)[0]


def look(config: Config, sample: RawSample) -> dict[str, Finding]:
    return {one.what: one for one in look_at_project(config, sample)}


def change(project: Path, **settings: object) -> Config:
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))
    return load_config(path)


def test_a_project_that_is_ready_has_nothing_missing(config: Config, sampled: RawSample) -> None:
    found = look(config, sampled)
    assert {what: one.state for what, one in found.items() if one.state != "good"} == {"corpus": "doubtful"}
    assert found["corpus"].says == "3 files in 3 shards, 240 documents to use; an answer needs more"


def test_what_is_missing_is_named_with_what_mends_it(project: Path, sampled: RawSample) -> None:
    config = change(
        project, encoder={"model": "no/such/folder"}, quality={"scorer": "fasttext", "models": {"quality": "q.bin"}}
    )
    found = look_at_project(config, sampled)
    missing = [one for one in found if one.state == "missing"]
    assert {one.what for one in missing} >= {"files"}
    assert any(one.cure == "climb fetch-encoder" for one in missing)
    assert any("q.bin" in one.says for one in missing)


def test_a_task_without_held_out_text_is_missing(project: Path, sampled: RawSample) -> None:
    tasks = {"own": {"kind": "text", "sources": ["frist"], "documents": 8}}
    found = look(change(project, tasks=tasks, objectives={"general": {"own": 1}}), sampled)
    assert found["tasks"].state == "missing" and "choose 'first'" in found["tasks"].says


def test_much_that_cannot_be_used_is_pointed_out(project: Path, config: Config) -> None:
    with (project / "data_lake" / "raw" / "first.jsonl").open("a") as stream:
        stream.write("{broken\n" * 80)
    sample, _ = sample_and_time(open_as_it_is(config), config)
    (format_found,) = [one for one in look_at_project(config, sample) if one.what == ".jsonl"]
    assert format_found.state == "doubtful" and "80 unusable (bad json" in format_found.says and format_found.cure


def test_models_that_check_the_proxies_need_room_too(project: Path, sampled: RawSample) -> None:
    without, checked = (bytes_needed(change(project, fidelity={"mixtures": mixtures}), sampled) for mixtures in (0, 10))
    assert checked > without


def test_models_are_those_that_the_estimates_count(config: Config) -> None:
    counts = {stage: sum(one.count for one in models) for stage, models in count_models(config).items()}
    assert (
        counts["proxies of the search"] == sum(config.search.iterations) + config.search.anchors * config.search.repeats
    )
    assert counts["target models"] == (4 + 1) * len(config.target.seeds)  # the second objective's answer alone


def test_times_are_told_between_their_bounds() -> None:
    assert [between(3, 3.2), between(10, 14), between(100, 900)] == ["about 3 s", "10 to 14 s", "100 s to 15 minutes"]
    costs = [StageCost("a", (1.0, 2.0), ""), StageCost("b", None, ""), StageCost("c", (3.0, 5.0), "")]
    assert total_of(costs) == (4.0, 7.0) and costs[1].in_words() == "not measured"

"""What is wrong with a file that climb.yaml names is said by `climb plan`, before anything is made: one sentence, 2."""

import json
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.config_file import PROFILES, load_config
from climb_assets.errors import ConfigError
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from dagster_project.cli import main
from dagster_project.instance import open_instance
from dagster_project.run_plan import asset_job
from dagster_project.update import bring_up_to_date
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user
from tests.conftest import write_project
from tests.model_folders import write_model_folder

GOOD = {"context": "A question?", "choices": [" yes", " no"], "gold": 0}
LINES = [json.dumps(GOOD | {"context": f"Question {number}?"}) + "\n" for number in range(4)]
WIDTHS = {"sequence": 32, "batch": 4, "tokens": 1024, "learning_rate": 3.0e-3}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with nothing made, whose one task that decides is multiple choice."""
    project = write_project(tmp_path / "project", write_model_folder(tmp_path / "encoder"))
    (project / "quiz.jsonl").write_text("".join(LINES))
    change(project, tasks={"quiz": {"kind": "choice", "path": "quiz.jsonl"}}, objectives={"general": {"quiz": 1}})
    return project


def change(project: Path, **sections: Any) -> None:
    """Change sections of climb.yaml."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections), encoding="utf-8")


def climb(project: Path, *arguments: str) -> Result:
    """Run a command on a project."""
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])


def refused(project: Path, message: str, command: str = "plan") -> None:
    """Check that a command says this in one line, and that it made nothing."""
    result = climb(project, command)
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    assert re.search(message, line), line
    assert result.stdout == ""
    assert not (project / "data_lake" / "artifacts").exists()


def second_line(record: object) -> Callable[[Path], None]:
    """Return what puts a record on the second line of a file."""
    text = record if isinstance(record, str) else json.dumps(record)
    return lambda path: path.write_text("".join([LINES[0], text + "\n", *LINES[1:]]), encoding="utf-8")


def test_a_project_whose_files_are_right_is_planned(project: Path) -> None:
    result = climb(project, "plan")
    assert result.exit_code == 0, result.output
    assert "stale for certain" in result.stdout


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (GOOD | {"gold": 7}, "gold must be the position of a choice, from 0 to 1"),
        (GOOD | {"gold": True}, "gold"),
        (GOOD | {"gold": -1}, "gold"),
        (GOOD | {"gold": 0.0}, "gold"),
        (GOOD | {"choices": [" \ud83d", " no"]}, "half of a surrogate pair"),
        (GOOD | {"contexts": ["\udfff", "b"]}, "half of a surrogate pair"),
        (GOOD | {"choices": []}, "two or more texts"),
        (GOOD | {"choices": [" yes", " \t"]}, "two or more texts"),
        ('{"context": ' + "[" * 100_000, "nested too deeply"),
        ('{"context": ' + '{"a": ' * 100_000, "nested too deeply"),
        ('{"context": "a", "choices": [" a", " b"], "gold": 1, "gold": 0}', "the key 'gold' stands there twice"),
        ('{"context": "a", "choices": [" a", " b"], "gold": ' + "1" * 5000 + "}", "is not JSON"),
        ("{'context': 1}", "is not JSON"),
    ],
)
def test_a_bad_record_is_said_with_key_file_and_line(project: Path, record: object, fault: str) -> None:
    second_line(record)(project / "quiz.jsonl")
    refused(project, rf"^climb: tasks\.quiz\.path: .*/quiz\.jsonl:2\b.*{fault}.*; a record is ")


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (lambda path: path.write_text("".join(LINES), encoding="utf-16"), "is UTF-16.*save it as UTF-8"),
        (lambda path: path.write_bytes("".join(LINES).encode("utf-16-le")), "is UTF-16.*save it as UTF-8"),
        (lambda path: path.write_text("".join(LINES), encoding="utf-32"), "UTF-32; save it as UTF-8"),
        (lambda path: path.write_bytes("".join(LINES).encode() + b'{"context": "\xe9"}'), r":5 is not UTF-8"),
        (lambda path: path.write_text("\n \n"), "holds no record"),
        (lambda path: path.write_text(LINES[0] * 9), "has 1 items, too few .*report_eval"),
        (lambda path: (path.unlink(), path.mkdir()), "is a folder; name a file"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "is no regular file; name a file"),
        (lambda path: path.unlink(), "is not there; name another in climb.yaml, or run `climb fetch-tasks`"),
        (lambda path: (path.unlink(), path.symlink_to(path.name)), "cannot be|can be|cannot"),
    ],
    ids=["utf-16", "utf-16-le", "utf-32", "latin-1", "blank", "one item", "folder", "fifo", "gone", "link to itself"],
)
def test_a_file_that_holds_no_task_is_said(project: Path, write: Callable[[Path], object], fault: str) -> None:
    write(project / "quiz.jsonl")
    refused(project, f"quiz.*{fault}")


def test_a_byte_order_mark_counts_for_nothing(project: Path) -> None:
    (project / "quiz.jsonl").write_text("".join(LINES), encoding="utf-8-sig")
    assert climb(project, "plan").exit_code == 0


@pytest.mark.parametrize("command", ["up", "plan"])
def test_a_task_that_only_reports_is_checked_too(project: Path, command: str) -> None:
    tasks = yaml.safe_load((project / "climb.yaml").read_text())["tasks"]
    late = {"kind": "choice", "path": "late.jsonl", "split": "report_eval"}
    change(project, tasks=tasks | {"late": late})
    second_line(GOOD | {"gold": 7})(project / "late.jsonl")
    result = climb(project, command)
    assert result.exit_code == 2 and re.search(r"tasks\.late\.path: .*late\.jsonl:2: gold", result.stderr)
    assert not (project / "data_lake" / "artifacts").exists()


def test_status_says_it_and_shows_what_there_is(project: Path) -> None:
    second_line(GOOD | {"gold": 7})(project / "quiz.jsonl")
    result = climb(project, "status", "--json")
    assert result.exit_code == 0
    assert re.search(r"tasks\.quiz\.path: .*quiz\.jsonl:2: gold", json.loads(result.stdout)["stale"])


def test_what_a_user_may_not_read_is_said(project: Path) -> None:
    def act() -> None:
        for name in ("quiz.jsonl", "../encoder/model.safetensors", "../encoder/config.json"):
            path = (project / name).resolve()
            path.chmod(0)
            refused(
                project, rf"^climb: (tasks\.quiz\.path|encoder\.model): {path} cannot be read \(Permission denied\)"
            )
            path.chmod(0o644)

    as_ordinary_user(act)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "is not there"), ("not json", "is no JSON"), ("[]", "is no tokenizer"), ('{"model": {}}', "no vocabulary")],
)
def test_a_tokenizer_that_is_none_is_said(project: Path, content: str | None, fault: str) -> None:
    change(project, tokenizer={"path": "tokenizer.json"})
    if content is not None:
        (project / "tokenizer.json").write_text(content)
    refused(project, rf"^climb: tokenizer\.path: .*tokenizer\.json .*{fault}")


@pytest.mark.parametrize("section", ["proxy", "target", "fidelity"])
def test_a_model_to_go_on_from_is_looked_at(project: Path, section: str) -> None:
    start = write_model_folder(project / "base")
    training = WIDTHS | {"start": str(start)}
    match section:
        case "proxy":
            change(project, proxy=training)
            key = r"proxy\.start"
        case "target":
            change(project, target={"training": training, "seeds": [0, 1]})
            key = r"target\.training\.start"
        case _:
            change(project, fidelity={"mixtures": 2, "settings": {"large": training}})
            key = r"fidelity\.settings\.large\.start"
    change(project, tokenizer={"path": "base/tokenizer.json"})
    assert climb(project, "plan").exit_code == 0
    write_model_folder(project / "other", vocabulary=("<|endoftext|>", "b", "a"))
    change(project, tokenizer={"path": "other/tokenizer.json"})
    refused(project, f"^climb: {key}: .* another tokenizer; set tokenizer.path to {start}/tokenizer.json")
    change(project, tokenizer={})
    (start / "config.json").write_text('{"max_position_embeddings": 8}')
    refused(project, f"^climb: {key}: .* has 8 positions; shorten ")
    (start / "config.json").unlink()
    refused(project, f"^climb: {key}: .*config.json is not there; give the folder of a Hugging Face causal LM")


def test_weights_that_are_not_whole_are_said(project: Path) -> None:
    weights = project.parent / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    refused(project, r"^climb: encoder\.model: .*model\.safetensors is no whole safetensors file")
    weights.unlink()
    refused(project, r"^climb: encoder\.model: .*model\.safetensors is not there; run `climb fetch-encoder`")
    index = weights.with_name("model.safetensors.index.json")
    index.write_text(json.dumps({"weight_map": {"weight": "model-00001-of-00001.safetensors"}}))
    refused(project, r"model-00001-of-00001\.safetensors is not there")


def test_evidence_that_is_no_table_of_runs_is_said(project: Path) -> None:
    change(project, search={"evidence": "swarm"})
    refused(project, "swarm.* is not")
    (project / "swarm").mkdir()
    (project / "swarm" / "ratios.csv").write_text("run_id,a,b\n1,0.5,0.5\n")
    refused(project, r"^climb: search\.evidence: .*swarm is not a swarm table; put ratios.csv and metrics.csv there")


def test_a_quality_model_is_known_by_its_header(project: Path) -> None:
    pytest.importorskip("fasttext", reason="fastText is not installed: pip install 'climb[fasttext]'")
    change(project, quality={"scorer": "fasttext", "models": {"quality": "quality.bin"}})
    refused(project, r"^climb: quality\.models\.quality: .* is not there; give a fastText .bin file")
    for content in (b"", b"\0" * 64, struct.pack("<ii", 793712314, 99)):
        (project / "quality.bin").write_bytes(content)
        refused(project, r"^climb: quality\.models\.quality: .* is no fastText model; give a fastText .bin file")
    (project / "quality.bin").write_bytes(struct.pack("<ii", 793712314, 12))
    assert climb(project, "plan").exit_code == 0


def test_pruning_by_what_is_not_scored_is_said(project: Path) -> None:
    change(project, clusters={"prune": {"beauty": 1}})
    refused(project, r"clusters\.prune names 'beauty', which is not scored; known: quality, ")


def test_a_harness_task_is_looked_for(project: Path) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: pip install 'climb[eval]'")
    task = {"kind": "harness", "task": "local", "include": "tasks"}
    change(project, tasks={"quiz": task})
    refused(project, r"^climb: tasks\.quiz\.include: .*/tasks is not there")
    (project / "tasks").mkdir()
    (project / "tasks" / "any.yaml").write_text("task: local_other\n")
    refused(project, r"^climb: tasks\.quiz\.task: .*/tasks has no task 'local'; `lm_eval ls tasks`")
    (project / "tasks" / "any.yaml").write_text("group: both\ntask: [local, local_other]\n")
    assert climb(project, "plan").exit_code == 0
    (project / "tasks" / "any.yaml").write_text("include: _template\ntask: local_other\n")
    (project / "tasks" / "_template").write_text("tag: local\n")
    assert climb(project, "plan").exit_code == 0


def test_the_first_step_of_a_run_says_what_the_last_one_could_not_use(project: Path) -> None:
    change(project, target={"training": WIDTHS | {"start": "base"}, "seeds": [0, 1]}, fidelity={"mixtures": 2})
    write_model_folder(project / "base").joinpath("config.json").unlink()
    materializer = Materializer(load_config(project / "climb.yaml"))
    chosen = {dg.AssetKey(asset) for asset in ("domains", "training_tokens", "proxy_fidelity")}
    with open_instance(project / "data_lake") as instance:
        job = asset_job(materializer).get_subset(asset_selection=chosen)
        outcome = job.execute_in_process(instance=instance, raise_on_error=False)
    (failed,) = (event for event in outcome.all_events if event.is_step_failure)
    assert failed.step_key == "domains"
    assert failed.step_failure_data.user_failure_data.description.startswith("target.training.start: ")


def test_a_refresh_reads_no_corpus_for_a_task_that_is_none(project: Path) -> None:
    second_line(GOOD | {"gold": 7})(project / "quiz.jsonl")
    materializer = Materializer(load_config(project / "climb.yaml"))
    with (
        open_instance(project / "data_lake") as instance,
        pytest.raises(ConfigError, match=r"^tasks\.quiz\.path: .*quiz\.jsonl:2: gold"),
    ):
        bring_up_to_date(instance, materializer, "corpus_manifest", lambda line: None)
    assert not (project / "data_lake" / "artifacts").exists()


def test_a_part_of_the_graph_needs_only_its_own_files(project: Path) -> None:
    second_line(GOOD | {"gold": 7})(project / "quiz.jsonl")
    materializer = Materializer(load_config(project / "climb.yaml"))
    assert make_plan(materializer, "tokenized_shards").stale


def test_a_text_task_is_held_against_the_corpus_that_there_is(finished_project: Path) -> None:
    tasks = yaml.safe_load((PROFILES / "smoke.yaml").read_text())["tasks"]
    renew(Materializer(load_config(finished_project / "climb.yaml")).store, "search")
    change(finished_project, tasks=tasks | {"ghosts": {"kind": "text", "sources": ["nobody"], "split": "report_eval"}})
    result = climb(finished_project, "plan")
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert re.search(r"^climb: tasks\.ghosts\.sources: report_eval holds no text of source 'nobody'; choose ", line)
    assert climb(finished_project, "plan", "--to", "corpus_manifest").exit_code == 0
    record = json.dumps({"text": "new " * 30, "source": "nobody"})
    (finished_project / "data_lake" / "raw" / "new.jsonl").write_text(record)
    assert climb(finished_project, "plan").exit_code == 0  # what will be held out of it is not known yet

"""The command line: what is printed, and the exit codes 0 (done), 1 (a check failed), 2 (something to put right)."""

import json
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.config_file import load_config
from climb_assets.executor.local import end_idle_workers
from climb_assets.graph.materializer import Materializer
from climb_assets.search.evidence import METRIC
from climb_assets.search.history import History
from climb_assets.search.search_state import deciding_tasks, read_space
from climb_assets.search.swarm_table import as_history, read_swarm
from climb_assets.training.measurement import describe_metric
from dagster_project.cli import main
from tests.conftest import WORDS, copy_project, write_project, write_source
from tests.integration.modes import open_to_others, usual_umask

Climb = Callable[..., Result]
COMMANDS = sorted(main.commands)


def climb(project: Path, *arguments: str) -> Result:
    """Run a command on a project."""
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])


def refused(result: Result, message: str) -> None:
    """Check that a command ended with one sentence that says this, and 2."""
    assert result.exit_code == 2, result.output
    sentences = [line for line in result.stderr.splitlines() if line.startswith("climb: ")]
    assert len(sentences) == 1 and result.stderr.splitlines()[-1] == sentences[0]
    assert re.search(message, sentences[0])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.fixture
def fresh_project(tmp_path: Path, encoder_folder: Path) -> Path:
    """Return a project in which nothing is made yet."""
    return write_project(tmp_path, encoder_folder)


def change_setting(project: Path, **sections: object) -> None:
    """Change sections of climb.yaml."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


def test_the_commands_are_those_of_the_design() -> None:
    assert {"up", "plan", "status", "sql", "ui", "audit", "verify", "export"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_shows_an_example(command: str | None) -> None:
    result = CliRunner().invoke(main, [command, "--help"] if command else ["-h"])
    assert result.exit_code == 0
    assert re.search(rf"Example: climb {re.escape(command or '')}", result.output)


class TestFinished:
    """On a project where everything is made."""

    @pytest.fixture(scope="class")
    def project(self, finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return a project for all of them: these commands only read."""
        return copy_project(finished_once, tmp_path_factory.mktemp("read") / "project")

    def test_plan_says_that_nothing_is_stale(self, project: Path) -> None:
        result = climb(project, "plan")
        assert result.exit_code == 0
        first, *told = result.stdout.splitlines()
        assert first == "Nothing is stale."
        kept = [line for line in told if line.startswith("kept: ")]
        assert [line.split()[1] for line in kept] == ["taxonomy", "search"] and kept == told[:2]
        assert [line.partition("?")[0] for line in told[2:]] == [
            "Another iteration for general",
            "Another iteration for science",
        ]
        printed = json.loads(climb(project, "plan", "--json").stdout)
        assert {key: printed[key] for key in ("stale", "environment")} == {"stale": [], "environment": []}
        assert [(group["group"], group["generation"], group["came"]) for group in printed["kept"]] == [
            ("taxonomy", 1, []),
            ("search", 1, []),
        ]

    def test_plan_for_another_profile_shows_causes(self, project: Path) -> None:
        result = climb(project, "plan", "--json", "--profile", "demo", "--to", "corpus_shards")
        assert result.exit_code == 0
        kinds = {cause["kind"] for item in json.loads(result.stdout)["stale"] for cause in item["causes"]}
        assert kinds == {"config"}

    def test_status(self, project: Path) -> None:
        state = json.loads(climb(project, "status", "--json").stdout)
        assert set(state) == {
            *("stale", "states", "corpus", "domains", "pruned", "evidence", "iterations", "predictors", "noise"),
            *("fidelity", "mixtures", "kept", "scorer", "asked", "left_out"),
        }
        assert [row["iteration"] for row in state["iterations"]] == ["iteration-01", "iteration-02", "iteration-03"]
        assert set(state["mixtures"]) == {"general", "science"}
        text = climb(project, "status").stdout
        assert "3 shards" in text and "Mixture for general" in text

    def test_sql(self, project: Path) -> None:
        query = "SELECT shard, count(*) AS n FROM documents GROUP BY ALL ORDER BY shard"
        rows = json.loads(climb(project, "sql", "--json", query).stdout)
        assert [row["shard"] for row in rows] == ["first.jsonl", "second.jsonl", "third.jsonl"]
        assert "first.jsonl" in climb(project, "sql", query).stdout
        refused(climb(project, "sql", "DROP VIEW documents"), "one SELECT")
        refused(climb(project, "sql", "SELECT * FROM '/etc/passwd'"), "does not exist")

    def test_verify(self, project: Path) -> None:
        result = climb(project, "verify")
        assert result.exit_code == 0, result.output
        assert "all as recorded" in result.stdout
        assert json.loads(climb(project, "verify", "--json").stdout)["differences"] == []

    def test_export(self, project: Path, tmp_path: Path) -> None:
        result = climb(project, "export", "general", "--to", str(tmp_path / "out"))
        assert result.exit_code == 0, result.output
        assert list((tmp_path / "out").rglob("*.parquet")) and (tmp_path / "out" / "SHA256SUMS").is_file()
        again = climb(project, "export", "general", "--to", str(tmp_path / "out"))
        assert again.exit_code == 0 and "It was there already, whole." in again.stdout

    def test_export_into_the_raw_folder_is_refused(self, project: Path) -> None:
        folder = project / "data_lake" / "raw" / "mixed"
        result = climb(project, "export", "general", "--to", str(folder))
        assert result.exit_code == 2 and "would be read as a shard; name another folder" in result.stderr
        assert not folder.exists()

    def test_a_swarm_takes_the_place_of_nothing_that_the_lake_is_made_from(self, project: Path) -> None:
        raw, evidence = project / "data_lake" / "raw" / "swarm", project / "evidence"
        result = climb(project, "export-swarm", str(raw))
        assert result.exit_code == 2 and "would be read as a shard" in result.stderr and not raw.exists()
        settings = (project / "climb.yaml").read_text()
        change_setting(project, search={"evidence": str(evidence)})
        result = climb(project, "export-swarm", str(evidence))
        (project / "climb.yaml").write_text(settings)
        assert result.exit_code == 2 and "is search.evidence" in result.stderr and not evidence.exists()

    def test_exported_swarm_is_read_back_as_the_same_history(self, project: Path, tmp_path: Path) -> None:
        result = climb(project, "export-swarm", str(tmp_path / "deep" / "swarm"))
        assert (result.exit_code, result.stdout) == (0, f"8 mixtures in {tmp_path / 'deep' / 'swarm'}\n")
        materializer = Materializer(load_config(project / "climb.yaml"))
        state = materializer.get("predictor_state", "iteration-03")
        wanted, names = History.load(state.file("history.parquet")), read_space(materializer).names
        found = as_history(read_swarm(tmp_path / "deep" / "swarm"), names, tuple(wanted.losses))
        assert found.keys == wanted.keys
        np.testing.assert_array_equal(found.weights, wanted.weights)
        for task, losses in wanted.losses.items():
            np.testing.assert_array_equal(found.losses[task], losses)
        metric = json.loads((tmp_path / "deep" / "swarm" / METRIC).read_text())
        config = materializer.config
        assert metric == describe_metric(materializer, config.proxy, deciding_tasks(config), "search")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["up", "--to", "nowhere"], "'nowhere' is no asset; choose one of tokenizer, raw_shards"),
            (["plan", "--to", "nowhere"], "is no asset"),
            (["export", "nobody"], "'nobody' is no objective; choose one of general, science"),
            (["export", "nobody", "--to", "elsewhere"], "'nobody' is no objective"),
            (["audit", "nobody"], "'nobody' is no objective"),
            (["audit", "nobody", "--out", "elsewhere"], "'nobody' is no objective"),
            (["report", "nobody"], "'nobody' is no objective"),
            (["export", "general", "--format", "csv"], "'huggingface', 'nanochat', 'megatron'"),
            (["export", "general", "--tokens"], "--tokens belongs to --format megatron"),
            (["demo-corpus", "--documents", "1"], "x>=100"),
            (["fly"], "No such command 'fly'"),
        ],
    )
    def test_wrong_arguments_name_the_choices(self, project: Path, arguments: list[str], message: str) -> None:
        result = climb(project, *arguments)
        assert result.exit_code == 2 and message in result.stderr
        assert "Traceback" not in result.output

    def test_unknown_profile_is_refused(self, project: Path) -> None:
        refused(climb(project, "plan", "--profile", "huge"), "choose one of demo, evening, paper, smoke")


def test_a_stale_swarm_has_no_metric(finished_project: Path, tmp_path: Path) -> None:
    swarm = tmp_path / "swarm"
    assert climb(finished_project, "export-swarm", str(swarm)).exit_code == 0 and (swarm / METRIC).exists()
    change_setting(finished_project, search={"seed": 7})
    result = climb(finished_project, "export-swarm", str(swarm), "--stale")
    assert result.exit_code == 0 and "metric.json is left out" in result.stderr
    assert sorted(path.name for path in swarm.iterdir()) == ["metrics.csv", "ratios.csv"]


def test_verify_finds_a_flipped_bit_and_exits_with_one(finished_project: Path) -> None:
    path = next((finished_project / "data_lake" / "artifacts" / "domain_supply").rglob("supply.parquet"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    result = climb(finished_project, "verify", "--json")
    assert result.exit_code == 1
    assert any("supply.parquet" in difference for difference in json.loads(result.stdout)["differences"])
    refused(climb(finished_project, "status"), r"supply\.parquet is not what its manifest promises")


def test_plan_names_what_is_being_written(fresh_project: Path) -> None:
    path = fresh_project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"corpus": {"settle": {"marker": "_SUCCESS"}}}))
    (fresh_project / "data_lake" / "raw" / "books").mkdir()
    result = climb(fresh_project, "plan", "--json", "--to", "raw_shards")
    assert {item["partition"] for item in json.loads(result.stdout)["stale"]} == {f"{name}.jsonl" for name in WORDS}
    assert result.stderr == "climb: 1 shard is being written and left for the next round: books (has no _SUCCESS)\n"


def test_up_twice_says_that_nothing_is_stale(finished_project: Path) -> None:
    result = climb(finished_project, "up")
    assert result.exit_code == 0, result.output
    assert "Nothing is stale." in result.stdout and "science: train on" in result.stdout


COMMANDS_OF_A_FINISHED_PROJECT = [
    ["up"],
    ["plan"],
    ["status"],
    ["sql", "SELECT * FROM domains"],
    ["audit", "general"],
    ["verify"],
    ["export", "general"],
]


@pytest.mark.slow
def test_the_users_instance_is_used_and_its_file_survives_every_command(finished_project: Path) -> None:
    home = finished_project / "data_lake" / "dagster_home"
    edited = f"storage: {{sqlite: {{base_dir: {finished_project / 'history'}}}}}\ntelemetry: {{enabled: false}}\n"
    (home / "dagster.yaml").write_text(edited)
    for command in COMMANDS_OF_A_FINISHED_PROJECT:
        result = climb(finished_project, *command)
        assert result.exit_code == 0, result.output
        assert (home / "dagster.yaml").read_text() == edited, command
    assert (finished_project / "history").is_dir()  # where this file, and not the template, has it


def test_a_home_of_the_user_is_used_instead_of_the_lakes(
    finished_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(finished_project / "data_lake" / "dagster_home")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(theirs))
    result = climb(finished_project, "up")
    assert result.exit_code == 0, result.output
    (notice,) = [line for line in result.stderr.splitlines() if line.startswith("climb: ")]
    assert str(theirs) in notice
    assert not (finished_project / "data_lake" / "dagster_home").exists()
    assert any(theirs.iterdir()) and not (theirs / "dagster.yaml").exists()
    monkeypatch.setenv("DAGSTER_HOME", str(theirs / "nowhere"))
    refused(climb(finished_project, "up"), "DAGSTER_HOME=.*nowhere is no absolute path of a folder")


@pytest.mark.slow
def test_nothing_that_a_search_leaves_is_open_to_others_where_it_is_private(fresh_project: Path) -> None:
    change_setting(fresh_project, runtime={"private": True, "workers": 1}, search={"iterations": [2]})
    change_setting(fresh_project, fidelity={"mixtures": 0}, objectives={"general": {"first_text": 1}})
    lake = fresh_project / "data_lake"
    with usual_umask():
        end_idle_workers()  # those of other tests have another umask
        done = climb(fresh_project, "up")
        end_idle_workers()
        assert done.exit_code == 0, done.output
        assert f"chmod go= {lake}" in done.stderr  # which a person made before
        for command in ("export", "audit"):
            assert climb(fresh_project, command, "general").exit_code == 0
    assert {"artifacts", "refs", "dagster_home", "export"} <= {path.name for path in lake.iterdir()}
    assert list(lake.rglob("model.safetensors")) and open_to_others(lake, without=frozenset({"raw"})) == []
    assert open_to_others(lake / "raw")  # of the person who laid them there
    lake.chmod(0o700)
    with usual_umask():
        assert "chmod" not in climb(fresh_project, "plan").stderr


def test_what_the_server_cannot_use_is_said_before_anything_is_started(
    fresh_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        result = climb(fresh_project, "ui", "--port", str(other.getsockname()[1]))
    refused(result, "something listens on port .* already")
    monkeypatch.setenv("CLIMB_FAILURE_WEBHOOK", "https://[chat.example/hook")
    refused(climb(fresh_project, "ui"), "CLIMB_FAILURE_WEBHOOK is no http or https address")
    assert not (fresh_project / "data_lake" / "dagster_home").exists()


def test_a_command_closes_no_stream_of_the_process_that_calls_it(fresh_project: Path) -> None:
    before = sys.stderr
    pytest.importorskip("absl.logging")  # a run of Dagster has each handler of logging closed
    assert climb(fresh_project, "up", "--to", "tokenizer").exit_code == 0
    assert sys.stderr is before and not before.closed


def test_a_closed_standard_error_stops_nothing(fresh_project: Path) -> None:
    command = f"{sys.executable} -m dagster_project.cli --config {fresh_project}/climb.yaml plan 2>&-"
    done = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0 and "raw_shards" in done.stdout


def test_audit_writes_the_bundle(finished_project: Path) -> None:
    result = climb(finished_project, "audit", "general")
    assert result.exit_code == 0, result.output
    folder = Path(result.stdout.splitlines()[-1])
    assert folder == finished_project / "data_lake" / "export" / "audit-general" and any(folder.iterdir())


@pytest.mark.parametrize("command", ["up", "plan", "status", "verify"])
def test_wrong_configuration_is_one_sentence(project: Path, command: str) -> None:
    change_setting(project, clusterz={})
    refused(climb(project, command), "unknown key 'clusterz'")
    (project / "climb.yaml").unlink()
    refused(climb(project, command), r"cannot read .*climb\.yaml")


@pytest.mark.parametrize("command", ["up", "plan"])
def test_no_raw_corpus_is_one_sentence(finished_project: Path, command: str) -> None:
    raw = finished_project / "data_lake" / "raw"
    shutil.rmtree(raw)
    refused(climb(finished_project, command), "cannot list .*raw")
    raw.mkdir()
    refused(climb(finished_project, command), "holds no shard")


def test_fewer_documents_than_clusters_is_one_sentence(finished_project: Path) -> None:
    change_setting(finished_project, clusters={"count": 100_000})
    refused(climb(finished_project, "up"), "cluster")


def test_task_without_text_is_one_sentence(finished_project: Path) -> None:
    tasks = {"ghosts": {"kind": "text", "sources": ["nobody"]}}
    change_setting(finished_project, tasks=tasks, objectives={"general": {"ghosts": 1}})
    refused(climb(finished_project, "up"), "ghosts")


def test_corpus_without_a_usable_document_is_one_sentence(finished_project: Path) -> None:
    raw = finished_project / "data_lake" / "raw"
    for path in raw.iterdir():
        path.unlink()
    (raw / "short.txt").write_text("short")
    refused(climb(finished_project, "up"), "document")


def test_corpus_of_one_source_is_one_sentence(finished_project: Path) -> None:
    raw = finished_project / "data_lake" / "raw"
    for path in raw.iterdir():
        path.unlink()
    write_source(raw / "first.jsonl", "first", documents=3)
    refused(climb(finished_project, "up"), r"ceilings of all domains .*; raise mixture\.max_epochs")  # domains are kept
    shutil.rmtree(finished_project / "data_lake" / "refs")
    refused(climb(finished_project, "up"), r"cluster|document")


@pytest.mark.parametrize("command", [["export", "general"], ["sql", "SELECT * FROM domains"]])
def test_what_is_not_made_yet_is_one_sentence(fresh_project: Path, command: list[str]) -> None:
    refused(climb(fresh_project, *command), "has not been made; run `climb up --to")


def test_swarm_before_the_first_iteration_is_one_sentence(fresh_project: Path, tmp_path: Path) -> None:
    refused(climb(fresh_project, "export-swarm", str(tmp_path / "swarm")), "no iteration is finished.*run `climb up`")
    assert not (tmp_path / "swarm").exists()


def test_status_before_the_first_run_says_what_to_do(fresh_project: Path) -> None:
    result = climb(fresh_project, "status")
    assert result.exit_code == 0 and "run `climb up`" in result.stdout
    assert json.loads(climb(fresh_project, "status", "--json").stdout)["corpus"] is None


def test_work_beyond_the_bounds_is_not_begun_unasked(fresh_project: Path) -> None:
    large = {"size": "1B", "tokens": 1_000_000_000, "learning_rate": 1e-4, "snapshots": [0.25, 0.5, 0.75]}
    change_setting(fresh_project, proxy=large, mixture={"tokens": 2_000_000_000})
    result = climb(fresh_project, "up")
    refused(result, r"nothing was begun: this takes .* GB of models; give --yes")
    assert "time unknown" in result.output
    assert not (fresh_project / "data_lake" / "artifacts").exists()

"""A text task whose source the corpus lacks is told as soon as the corpus has been read, and never before."""

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.config_file import PROFILES, load_config
from climb_assets.errors import ConfigError
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import read_table
from climb_assets.training.task_sources import count_sources
from dagster_project.cli import main
from dagster_project.instance import open_instance, synchronise_shards
from dagster_project.run_plan import asset_job
from dagster_project.update import bring_up_to_date
from tests.conftest import WORDS, write_project

GHOSTS = {
    "ghosts": {"kind": "text", "sources": ["frist", "second"], "split": "report_eval"},
    "letters": {"kind": "text", "sources": ["Third"]},
}
BOTH = r"^tasks\.ghosts\.sources: .*'frist'; choose 'first', .*; tasks\.letters\.sources: .*'Third'; choose 'third'"


def add_tasks(project: Path, tasks: dict[str, Any]) -> None:
    """Add tasks to those of the profile."""
    path = project / "climb.yaml"
    known = yaml.safe_load((PROFILES / "smoke.yaml").read_text())["tasks"]
    settings = yaml.safe_load(path.read_text()) | {"tasks": known | tasks}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")


def climb(project: Path, *arguments: str) -> Result:
    """Run a command on a project."""
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])


def write_shard(project: Path, name: str, source: str | None) -> Path:
    """Write a raw shard of texts that are like no other."""
    random, words = np.random.default_rng(len(name)), [word for words in WORDS.values() for word in words]
    texts = (f"{name} {number} " + " ".join(random.choice(words, 40)) for number in range(80))
    records = ({"text": text} if source is None else {"text": text, "source": source} for text in texts)
    path = project / "data_lake" / "raw" / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def renew_search(project: Path) -> None:
    """Ask for a search that begins with the corpus as it is, which tasks are then held against."""
    renew(Materializer(load_config(project / "climb.yaml")).store, "search")


def test_a_first_update_ends_before_clusters_are_made_and_names_all(tmp_path: Path, encoder_folder: Path) -> None:
    """So do `climb plan` and `climb up` after it, with the same sentence; what was made is kept."""
    project = write_project(tmp_path, encoder_folder)
    add_tasks(project, GHOSTS)
    materializer = Materializer(load_config(project / "climb.yaml"))
    with open_instance(project / "data_lake") as instance, pytest.raises(ConfigError, match=BOTH) as caught:
        bring_up_to_date(instance, materializer, None, lambda line: None)
    made = {folder.name for folder in (project / "data_lake" / "refs").iterdir()}
    assert "corpus_manifest" in made and "cluster_model" not in made
    for command in ("plan", "up"):
        result = climb(project, command)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1] == f"climb: {caught.value}"
    assert json.loads(climb(project, "status", "--json").stdout)["stale"] == str(caught.value)
    assert climb(project, "plan", "--to", "domains").exit_code == 0  # it needs no task


def test_the_corpus_counts_the_sources_that_are_held_out_as_training_does(finished_project: Path) -> None:
    store = Materializer(load_config(finished_project / "climb.yaml")).store
    evaluation = count_sources(read_table(store.get("training_tokens").file("evaluation.parquet")))
    corpus = read_table(store.get("corpus_manifest").file("sources.parquet")).to_pylist()
    held_out = [row for row in corpus if row["split"] in ("search_eval", "report_eval")]
    order = sorted(evaluation.to_pylist(), key=lambda row: (row["source"], row["split"]))
    assert held_out == order


def test_nothing_is_said_while_a_shard_is_stale_or_not_there(finished_project: Path) -> None:
    add_tasks(finished_project, GHOSTS)
    renew_search(finished_project)
    assert climb(finished_project, "plan").exit_code == 2
    shard = write_shard(finished_project, "new.jsonl", "new")
    assert climb(finished_project, "plan").exit_code == 0
    shard.unlink()
    assert climb(finished_project, "plan").exit_code == 2
    third = finished_project / "data_lake" / "raw" / "third.jsonl"
    content = third.read_text()
    third.write_text(content + json.dumps({"text": "more " * 30, "source": "third"}))
    assert climb(finished_project, "plan").exit_code == 0
    third.write_text(content)
    (finished_project / "data_lake" / "refs" / "corpus_shards" / "second.jsonl").unlink()
    assert climb(finished_project, "plan").exit_code == 0


def test_a_source_that_came_since_the_search_was_begun_is_told_as_that(finished_project: Path) -> None:
    """The held-out text of a kept search is that of then; asked to begin one anew, today's counts."""
    write_shard(finished_project, "new.jsonl", "new")
    assert climb(finished_project, "up", "--to", "corpus_manifest").exit_code == 0
    add_tasks(finished_project, {"new": {"kind": "text", "sources": ["new"], "documents": 2}})
    result = climb(finished_project, "plan")
    assert result.exit_code == 2
    told = result.stderr.splitlines()[-1]
    assert "source 'new'" in told
    assert told.endswith(
        "the search was begun before 1 shard changed; `climb renew search` begins one from today's corpus"
    )
    renew_search(finished_project)
    assert climb(finished_project, "plan").exit_code == 0


def test_a_shard_names_a_source_until_it_is_removed(finished_project: Path) -> None:
    """The name of a source counts in any Unicode form, that of a shard where records name none."""
    renew_search(finished_project)
    accents = unicodedata.normalize("NFD", "\u00e9t\u00e9")
    write_shard(finished_project, "nameless.jsonl", None)
    write_shard(finished_project, "accents.jsonl", unicodedata.normalize("NFC", accents))
    add_tasks(finished_project, {"named": {"kind": "text", "sources": ["nameless.jsonl", accents], "documents": 2}})
    materializer = Materializer(load_config(finished_project / "climb.yaml"))
    with open_instance(finished_project / "data_lake") as instance:
        bring_up_to_date(instance, materializer, "corpus_manifest", lambda line: None)
        assert climb(finished_project, "plan").exit_code == 0
        for shard in ("nameless.jsonl", "accents.jsonl"):
            (finished_project / "data_lake" / "raw" / shard).unlink()
        with pytest.raises(
            ConfigError, match=r"^tasks\.named\.sources: .*'nameless\.jsonl'.*; tasks\.named\.sources: "
        ):
            bring_up_to_date(instance, materializer, None, lambda line: None)


def run(project: Path, assets: set[str], partition: str | None = None) -> dg.ExecuteInProcessResult:
    """Run some assets as the UI does: without a plan."""
    materializer = Materializer(load_config(project / "climb.yaml"))
    with open_instance(project / "data_lake") as instance:
        synchronise_shards(instance, materializer)
        job = asset_job(materializer).get_subset(asset_selection={dg.AssetKey(asset) for asset in assets})
        return job.execute_in_process(instance=instance, partition_key=partition, raise_on_error=False)


@pytest.mark.parametrize(
    ("assets", "partition", "first"),
    [
        ({"domains", "training_tokens"}, None, "domains"),
        ({"mixture_candidates", "proxy_results", "predictor_state"}, "iteration-01", "search_iteration"),
    ],
)
def test_a_run_of_the_ui_ends_before_it_computes(
    finished_project: Path, assets: set[str], partition: str | None, first: str
) -> None:
    add_tasks(finished_project, GHOSTS)
    renew_search(finished_project)
    outcome = run(finished_project, assets, partition)
    (failed,) = (event for event in outcome.all_events if event.is_step_failure)
    assert failed.step_key == first
    assert re.search(BOTH, failed.step_failure_data.user_failure_data.description)


def test_a_run_of_the_ui_is_let_go_while_a_shard_is_stale(finished_project: Path) -> None:
    add_tasks(finished_project, GHOSTS)
    with (finished_project / "data_lake" / "raw" / "third.jsonl").open("a") as stream:
        stream.write(json.dumps({"text": "more " * 30, "source": "frist"}) + "\n")
    assert run(finished_project, {"training_tokens"}).success

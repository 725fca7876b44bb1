"""An edit of the source makes exactly what it decides stale, and no model that other code trained is taken for it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table

ROOT = Path(__file__).parents[2]
MODELS = {"proxy_results", "baseline_mixtures", "proxy_fidelity", "confirmation_results", "target_comparison"}
TRAINED = MODELS | {"carried_evidence"}  # which rests on models of this code, once there are earlier generations
LEARNT = {"mixture_candidates", "predictor_state", "optimal_mixture", "mixed_corpus", "audit_bundle"}  # from those
CLUSTERED = {
    *("cluster_assignments", "cluster_statistics", "domains", "domain_supply", "taxonomy_drift", "training_tokens")
}
FITTED = {"mixture_candidates", "predictor_state", "baseline_mixtures"}


@dataclass(frozen=True)
class Edit:
    """One change of the source.

    Parameters
    ----------
    file
        Below `climb_assets`.
    old, new
        What stands there once, and what takes its place.
    decided
        The assets whose results it decides.
    behind
        The assets that are made from those, and no others.
    """

    file: str
    old: str
    new: str
    decided: set[str]
    behind: set[str]

    @property
    def module(self) -> str:
        """The module as the causes in a plan name it."""
        return self.file.removesuffix(".py").replace("/", ".")


BATCHES = Edit("training/sequence_plan.py", "np.asarray(weights, ", "np.asarray(weights[::-1], ", TRAINED, LEARNT)
DIVERGED = Edit("training/train.py", "TrainingResult(curve, True,", "TrainingResult(curve, False,", TRAINED, LEARNT)
STEPS = Edit("config_training.py", "return -(-self.tokens //", "return -(-self.tokens // 2 //", TRAINED, LEARNT)
FIT = Edit(
    "search/iteration.py",
    "history.weights[kept], history.losses",
    "history.weights[kept, ::-1], history.losses",
    FITTED,
    (MODELS | LEARNT) - FITTED,
)
BODY = Edit(
    "clusters/assets.py",
    "settings.count * settings.sample_per_cluster",
    "settings.sample_per_cluster",
    {"cluster_model"},
    CLUSTERED | TRAINED | LEARNT,
)


class Project:
    """The finished project, and a copy of the source that may be edited."""

    def __init__(self, project: Path, source: Path) -> None:
        self._project, self._source = project, source

    def apply(self, edit: Edit) -> None:
        """Edit the copied source."""
        path = self._source / "climb_assets" / edit.file
        text = path.read_text()
        assert text.count(edit.old) == 1
        path.write_text(text.replace(edit.old, edit.new))

    def climb(self, *arguments: str) -> str:
        """Run `climb` by the copied source, and return what it prints."""
        environment = os.environ | {"PYTHONPATH": str(self._source), "CLIMB_CONFIG": str(self._project / "climb.yaml")}
        command = [sys.executable, "-m", "dagster_project.cli", *arguments]
        done = subprocess.run(command, cwd=self._source, env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def plan(self) -> list[dict[str, Any]]:
        """Return what is stale."""
        stale: list[dict[str, Any]] = json.loads(self.climb("plan", "--json"))["stale"]
        return stale

    def models(self) -> dict[tuple[str, int], str]:
        """Return the fingerprint of the model of each mixture and repeat that the search used."""
        store = LocalStore(self._project / "data_lake")
        tables = [store.get("proxy_results", key).file("models.parquet") for key in store.partitions("proxy_results")]
        rows = [row for table in tables for row in read_table(table).to_pylist()]
        return {(row["key"], row["repeat"]): row["fingerprint"] for row in rows}


@pytest.fixture
def project(finished_project: Path, tmp_path: Path) -> Project:
    """Return the finished project with a copy of the source."""
    for package in ("climb_assets", "dagster_project"):
        shutil.copytree(ROOT / package, tmp_path / "source" / package)
    return Project(finished_project, tmp_path / "source")


def assert_stale(stale: list[dict[str, Any]], edit: Edit) -> None:
    """Assert that an edit makes stale what it decides, for certain and by its module, and what lies behind."""
    certain = [item for item in stale if item["certain"]]
    assert {item["asset"] for item in certain} == edit.decided
    assert {(cause["kind"], cause["input"]) for item in certain for cause in item["causes"]} >= {("code", edit.module)}
    assert {cause["input"] for item in stale for cause in item["causes"] if cause["kind"] == "code"} == {edit.module}
    assert {cause["kind"] for item in stale for cause in item["causes"]} == {"code", "data"}
    assert {item["asset"] for item in stale} == edit.decided | edit.behind


@pytest.mark.parametrize("edit", [BATCHES, DIVERGED, BODY], ids=["batches", "diverged", "body of an asset"])
def test_an_edit_makes_stale_what_it_decides(project: Project, edit: Edit) -> None:
    project.apply(edit)
    assert_stale(project.plan(), edit)


def test_an_edit_of_training_reuses_no_model(project: Project) -> None:
    before = project.models()
    project.apply(STEPS)
    stale = project.plan()
    assert_stale(stale, STEPS)
    first = [item for item in stale if (item["asset"], item["partition"]) == ("mixture_candidates", "iteration-01")]
    assert not any(item["certain"] for item in first)  # only evidence could change them, and there is none
    project.climb("up", "--to", "proxy_results")
    after = project.models()
    assert before.keys() & after.keys()  # the first candidates are the same
    assert not set(before.values()) & set(after.values())


def test_an_edit_of_the_fit_reuses_every_model(project: Project) -> None:
    before = project.models()
    project.apply(FIT)
    stale = project.plan()
    assert_stale(stale, FIT)
    first = [item for item in stale if (item["asset"], item["partition"]) == ("proxy_results", "iteration-01")]
    assert not any(item["certain"] for item in first)  # a predictor draws the first candidates where there is evidence
    project.climb("up", "--to", "proxy_results")
    after = project.models()
    assert before.keys() & after.keys()
    assert {key: after[key] for key in before.keys() & after.keys()}.items() <= before.items()

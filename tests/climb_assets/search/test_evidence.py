"""Evidence that a user brings, over the search's domains or over others."""

import json

import numpy as np
import pytest

from climb_assets.errors import ComputeError
from climb_assets.search.evidence import bring_evidence, read_metric, require_metric

RATIOS = "run_id,books,web\nr0,0.5,0.5\nr1,1,0\nr2,0,1\n"
METRICS = "run_id,arc\nr0,3.0\nr1,3.1\nr2,3.2\n"


def bring(folder, domains_csv=None, domains=("law", "poems", "spam")):
    (folder / "ratios.csv").write_text(RATIOS)
    (folder / "metrics.csv").write_text(METRICS)
    if domains_csv is not None:
        (folder / "domains.csv").write_text(domains_csv)
    return bring_evidence(folder, domains, ["arc"])


def test_a_map_says_where_the_domains_of_the_runs_lie(tmp_path):
    rows = bring(tmp_path, "domain,poems,law\nweb,0.25,0.5\nbooks,1,0\n")
    np.testing.assert_allclose(rows.weights[1], [0, 1, 0])
    np.testing.assert_allclose(rows.weights[2], [2 / 3, 1 / 3, 0])  # a quarter of web is text that the search lacks
    np.testing.assert_allclose(rows.doubt, [0.125, 0, 0.25])
    np.testing.assert_array_equal(rows.losses["arc"], [3.0, 3.1, 3.2])
    assert set(rows.sources) == {"search.evidence"} and (rows.iteration == 0).all()


def test_without_a_map_the_domains_are_the_same(tmp_path):
    np.testing.assert_array_equal(bring(tmp_path, domains=("web", "books")).weights, [[0.5, 0.5], [0, 1], [1, 0]])
    with pytest.raises(ComputeError, match=r"differ in domain books; .* or a domains\.csv"):
        bring(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("domain,poems\nweb,1\n", "lacks books"),
        ("domain,poems\nweb,1\nbooks,1\nbooks,1\n", "or has it twice"),
        ("domain,prose\nweb,1\nbooks,1\n", "names prose, which is no domain"),
        ("domain,poems\nweb,1\nbooks,1\nradio,1\n", "names radio, which is no domain"),
        ("domain,poems,law\nweb,0.8,0.8\nbooks,1,0\n", "no shares of 1"),
        ("domain,poems\nweb,-1\nbooks,1\n", "no shares of 1"),
        ("domain,poems\nweb,much\nbooks,1\n", "no table of shares"),
        ("name,poems\nweb,1\nbooks,1\n", "no table of shares"),
        ("domain,poems\nweb,0\nbooks,0\n", "leaves no run"),
    ],
)
def test_a_wrong_map_is_told(tmp_path, text, told):
    with pytest.raises(ComputeError, match=told):
        bring(tmp_path, text)


def test_runs_that_another_metric_has_measured_are_refused(tmp_path):
    path, of_a_task = tmp_path / "metric.json", {"items": "1", "code": "2"}
    metric = {"arc": of_a_task, "piqa": of_a_task}
    require_metric(path, metric)  # a table of somebody's own has no such file
    path.write_text(json.dumps(metric | {"another": {"items": "3"}}))
    require_metric(path, metric)
    for theirs, told in (
        ({"arc": of_a_task, "piqa": {"items": "3", "code": "2"}}, "items"),
        ({"arc": of_a_task}, "code, items"),
    ):
        path.write_text(json.dumps(theirs))
        with pytest.raises(ComputeError, match=rf"piqa was measured by another metric .*differs in: {told}\)"):
            require_metric(path, metric)


@pytest.mark.parametrize("text", ["{", '["arc"]', '{"arc": "1"}', "\x80"])
def test_a_broken_record_of_the_metric_is_told(tmp_path, text):
    (tmp_path / "metric.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ComputeError, match=r"no record of `climb export-swarm`"):
        read_metric(tmp_path / "metric.json")


def test_a_folder_is_no_record_of_the_metric(tmp_path):
    (tmp_path / "metric.json").mkdir()
    with pytest.raises(ComputeError, match=r"no record of `climb export-swarm`"):
        read_metric(tmp_path / "metric.json")

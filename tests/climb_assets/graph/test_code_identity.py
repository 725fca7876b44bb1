"""Code identity of our own package: a module counts or is left out for a reason; what decides a result is seen."""

import ast
import functools
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from climb_assets.errors import ConfigError
from climb_assets.graph.code_identity import LEFT_OUT, CodeReader, code_of, packages_of

ROOT = Path(__file__).parents[3]
CLIMB = ROOT / "climb_assets"


def asset_functions() -> list[str]:
    """Return the functions of every stage's assets."""
    return [
        f"climb_assets.{path.parent.name}.assets:{node.name}"
        for path in sorted(CLIMB.glob("*/assets.py"))
        if path.parent.name != "graph"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def modules() -> list[str]:
    """Return our modules that define something, without the package's name; its own says when a process began."""
    names = []
    for path in sorted({*CLIMB.rglob("*.py")} - {CLIMB / "__init__.py"}):
        parts = path.relative_to(CLIMB).with_suffix("").parts
        if len(ast.parse(path.read_text()).body) > 1:
            names.append(".".join(parts))
    return names


def is_left_out(module: str) -> bool:
    """Return whether a module as a whole is in the list."""
    return any(entry == module or (entry.endswith(".*") and f"{module}.".startswith(entry[:-1])) for entry in LEFT_OUT)


def test_every_module_is_reached_by_an_asset_or_left_out_for_a_reason() -> None:
    reached = code_of(*asset_functions())
    counted = reached.keys() | {name for name in modules() if is_left_out(name) or name.startswith("config_")}
    assert [name for name in modules() if name not in counted] == []  # sections count by value, if they derive nothing
    assert [name for name in reached if is_left_out(name)] == []


def test_no_module_that_counts_does_anything_when_it_is_imported() -> None:
    """Such a statement is part of every asset that imports the module, so an edit of it makes too much stale."""
    package = CodeReader(CLIMB, LEFT_OUT).package()
    counted = {f"climb_assets.{name}" for name in code_of(*asset_functions())}
    assert [name for name in counted for definition in package.modules[name].definitions if definition.always] == []


def test_what_words_the_details_of_the_quarantine_counts() -> None:
    assert "printable" in code_of("climb_assets.corpus.assets:corpus_shards")


@pytest.mark.parametrize("stage", ["corpus", "embeddings", "clusters"])
def test_what_makes_domains_rests_on_no_code_of_the_search(stage) -> None:
    functions = [function for function in asset_functions() if f".{stage}.assets:" in function]
    assert functions
    assert not {name.partition(".")[0] for name in code_of(*functions)} & {"search", "training", "mixture", "audit"}


@pytest.mark.parametrize("entry", LEFT_OUT)
def test_what_is_left_out_is_there_and_in_use(entry) -> None:
    module, _, name = entry.partition(":")
    folder = CLIMB / module.removesuffix(".*").replace(".", "/")
    assert folder.is_dir() if entry.endswith(".*") else folder.with_suffix(".py").is_file()
    if name:
        assert re.search(rf"^(def|class) {name}\b", folder.with_suffix(".py").read_text(), re.MULTILINE)
    assert len(LEFT_OUT[entry].split()) > 0
    dotted = f"climb_assets.{module.removesuffix('.*')}"
    users = [
        path
        for home in ("climb_assets", "dagster_project", "benchmarks")
        for path in (ROOT / home).rglob("*.py")
        if folder not in path.parents
        and path != folder.with_suffix(".py")
        and (any(wanted.startswith(dotted) for wanted in _imports(path)) or f'"{dotted}:' in path.read_text())  # a spec
        and (not name or name in path.read_text())
    ]
    assert users, "nothing uses it; take it off the list, or away"


@functools.cache
def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        f"{node.module}.{alias.name}" for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of our package that may be edited."""
    folder = tmp_path_factory.mktemp("copy") / "climb_assets"
    shutil.copytree(CLIMB, folder, ignore=shutil.ignore_patterns("__pycache__", "*.yaml"))
    return folder


@pytest.fixture(scope="module")
def reader(copy: Path) -> CodeReader:
    """Return the reader of the copy."""
    return CodeReader(copy, LEFT_OUT)


ASKED = """
import sys
import climb_assets

def wait():
    print("ready", flush=True)
    sys.stdin.readline()

when, function = sys.argv[1], "climb_assets.clusters.quality:RuleScorer"
wait()
from climb_assets.graph.code_identity import code_at_start
before = code_at_start(function) if when == "after the look" else None
wait()
after = code_at_start(function)
print(before in (None, after))
"""


@pytest.mark.parametrize(
    ("when", "answer"),
    [
        ("before the process", "True"),
        ("before the look", "the source code of clusters.quality was changed after this process began; start again"),
        ("after the look", "True"),
        ("elsewhere", "True"),
    ],
)
def test_code_that_was_changed_before_it_was_asked_for_is_refused(tmp_path: Path, when: str, answer: str) -> None:
    """A process runs what it has imported, so the old code would bear the hash of the new one."""
    copy = tmp_path / "climb_assets"
    shutil.copytree(CLIMB, copy, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(file: str = "clusters/quality.py") -> None:
        path = copy / file
        path.write_text(path.read_text().replace("class RuleScorer", "LATER = 1\n\n\nclass RuleScorer"))

    if when == "before the process":
        edit()
    command = [sys.executable, "-c", ASKED, when]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.02)  # more than a tick of the clock by which files are dated
    if when in ("before the look", "elsewhere"):
        edit("clusters/quality.py" if when == "before the look" else "clusters/kmeans.py")
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"
    if when == "after the look":
        edit()
    said, _ = process.communicate("\n", timeout=60)
    assert answer in said.splitlines()[-1]


OURS = {
    "weights turned round where batches are made": (
        ("training/sequence_plan.py", "np.asarray(weights, dtype", "np.asarray(weights[::-1], dtype"),
        ("training.proxy_unit:ProxyUnit", "training.measurement:measure", "training.reweighting:reweigh"),
        ("corpus.tokens:tokenize_shard", "search.trees:fit_published_trees"),
    ),
    "nothing ever diverges": (
        ("training/swarm.py", 'bool(self.model.summary["diverged"])', "False"),
        ("training.measurement:measure",),
        ("training.proxy_unit:ProxyUnit",),
    ),
    "half the steps": (
        (
            "config_training.py",
            "-(-self.tokens // (self.batch * self.sequence))",
            "self.tokens // (self.batch * self.sequence) // 2",
        ),
        ("training.proxy_unit:ProxyUnit", "training.sequence_plan:plan_sequences"),
        ("tables:read_table", "corpus.ingest:ingest_shard"),
    ),
    "a default that a configuration says": (
        ("config_training.py", "clip: float = Field(1.0", "clip: float = Field(2.0"),
        (),
        ("training.proxy_unit:ProxyUnit", "training.train:train"),
    ),
    "a default of settings that code makes": (
        ("config_search.py", "early_stopping: int = Field(20", "early_stopping: int = Field(30"),
        ("search.baselines:regmix",),
        ("search.trees:fit_published_trees",),
    ),
    "other random streams": (
        ("randomness.py", '"\\x1f".join', '"".join'),
        ("clusters.kmeans:fit_centroids", "training.proxy_unit:ProxyUnit"),
        ("tables:read_table",),
    ),
    "other row groups": (
        ("tables.py", "ROW_GROUP = 65_536", "ROW_GROUP = 65_537"),
        ("corpus.ingest:ingest_shard",),
        ("search.trees:fit_published_trees",),
    ),
    "what a checkpoint keeps": (
        ("training/checkpoint.py", '"exp_avg_sq", "step")', '"step")'),
        ("training.train:train",),
        ("training.evaluation:evaluate",),
    ),
}


@pytest.mark.parametrize(("edit", "changed", "same"), OURS.values(), ids=OURS)
def test_an_edit_that_decides_a_result_is_seen(copy, reader, edit, changed, same) -> None:
    file, old, new = edit
    functions = [f"climb_assets.{function}" for function in (*changed, *same)]
    before = [reader.code_of(function) for function in functions]
    text = (copy / file).read_text()
    assert text.count(old) == 1
    (copy / file).write_text(text.replace(old, new))
    try:
        after = [reader.code_of(function) for function in functions]
    finally:
        (copy / file).write_text(text)
    found = [function for function, one, other in zip((*changed, *same), before, after, strict=True) if one != other]
    assert found == list(changed)


def test_assets_know_the_packages_that_they_use() -> None:
    assert {"torch", "transformers", "numpy"} <= packages_of("climb_assets.training.proxy_unit:ProxyUnit")
    assert packages_of("climb_assets.clusters.kmeans:fit_centroids") >= {"faiss", "numpy"}
    assert "torch" not in packages_of("climb_assets.corpus.ingest:ingest_shard")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("climb_assets.nowhere:f", r"climb_assets\.nowhere has no source file"),
        ("climb_assets.tables:nowhere", r"climb_assets\.tables defines no nowhere"),
        ("climb_assets.graph.catalog:view_names", r"climb_assets\.graph\.catalog is left out"),
    ],
)
def test_a_function_that_is_not_there_is_named(function, message) -> None:
    with pytest.raises(ConfigError, match=message):
        code_of(function)

"""The configuration: strict, and what is wrong is named with its key."""

import contextlib
import importlib.util
import re
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from climb_assets.config import Config
from climb_assets.config_file import PROFILES, load_config
from climb_assets.errors import ConfigError
from climb_assets.sizes import SIZES

ROOT = Path(__file__).parents[2]
TEXT = {"kind": "text", "sources": ["first"]}
TRAINING = {"hidden": 16, "layers": 1, "heads": 2, "intermediate": 32, "tokens": 1024, "learning_rate": 1e-3}


def load(folder: Path, settings: Any) -> Config:
    """Load a climb.yaml with these settings over the profile smoke."""
    path = folder / "climb.yaml"
    path.write_text(settings if isinstance(settings, str) else yaml.safe_dump({"profile": "smoke"} | settings))
    return load_config(path)


def section_paths(section: type[BaseModel], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the path of every section of the tree."""
    found = [prefix]
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += section_paths(field.annotation, (*prefix, name))
    return found


def nested(path: tuple[str, ...], value: dict[str, Any]) -> dict[str, Any]:
    """Return a value under a path of keys."""
    for key in reversed(path):
        value = {key: value}
    return value


@pytest.mark.parametrize("path", section_paths(Config), ids=".".join)
def test_unknown_key_is_named_at_every_level(tmp_path: Path, path: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"unknown key '{'.'.join((*path, 'typo'))}'")):
        load(tmp_path, nested(path, {"typo": 1}))


def test_unknown_key_of_a_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'tasks\.a\.typo'"):
        load(tmp_path, {"tasks": {"a": TEXT | {"typo": 1}}, "objectives": {"general": {"a": 1}}})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"objectives": {"general": {"first_text": -1}}}, r"objectives\.general\.first_text.*greater than 0"),
        ({"objectives": {"general": {"first_text": 0}}}, r"objectives\.general\.first_text.*greater than 0"),
        ({"objectives": {"general": {}}}, r"objectives\.general is empty; give it tasks"),
        ({"objectives": {}}, "objectives"),
        ({"objectives": {"general": {"third_text": 1}}}, "third_text.*only for the report; set its split"),
        ({"objectives": {"general": {"nowhere": 1}}}, r"task 'nowhere', which is not among tasks: \['first_text'"),
        ({"objectives": {"../up": {"first_text": 1}}}, "objectives"),
        ({"tasks": {"a": {"kind": "text", "sources": []}}}, r"tasks\.a\.sources"),
        ({"tasks": {"a": {"kind": "guess"}}}, r"tasks\.a.*kind"),
        ({"profile": "huge"}, "profile 'huge' is not known; choose one of demo, evening, paper, smoke"),
        ({"tokenizer": {"path": "t.json", "name": "gpt2"}}, r"tokenizer\.path or tokenizer\.name, not both"),
        ({"encoder": {"precision": "int8"}}, r"int8 is one of encoder\.backend openvino, not of torch; name that"),
        (
            {"encoder": {"precision": "float16", "backend": "auto"}},
            r"float16 is one of encoder\.backend torch or static, not of auto; .*set encoder\.precision: auto",
        ),
        ({"clusters": {"merge_distance": 1.5}}, r"exactly one of clusters\.merge_distance, clusters\.domains and"),
        (
            {"clusters": {"balance": {"domains": 4, "largest_share": 0.5}}},  # the profile has a number of domains
            r"exactly one of clusters\.merge_distance, clusters\.domains and clusters\.balance; set the others to null",
        ),
        (
            {"clusters": {"domains": None, "balance": {"domains": 6, "largest_share": 0.16}}},
            r"balance: 6 domains of at most 0\.16 .*; raise clusters\.balance\.largest_share to 0\.167 or more",
        ),
        (
            {"clusters": {"domains": None, "balance": {"domains": 6, "largest_share": 0.5, "smallest_share": 0.2}}},
            r"balance: 6 domains of at least 0\.2 .*; lower clusters\.balance\.smallest_share to 0\.166 or less",
        ),
        (
            {"clusters": {"domains": None, "balance": {"domains": 6}}},
            r"clusters\.balance\.largest_share: Field required",
        ),
        (
            {"clusters": {"cells": {"dimension": "quality", "thresholds": [3, 2]}}},
            r"cells: clusters\.cells\.thresholds rise by 0\.01 at least; give each once",
        ),
        (
            {"clusters": {"cells": {"dimension": "quality", "thresholds": [2, 2.001]}}},
            r"cells: clusters\.cells\.thresholds rise by 0\.01 at least; give each once",
        ),
        ({"clusters": {"cells": {"dimension": "quality", "thresholds": []}}}, r"clusters\.cells\.thresholds.*1 item"),
        ({"clusters": {"cells": {"dimension": "quality", "thresholds": [5.5]}}}, r"cells\.thresholds.*equal to 5"),
        ({"clusters": {"cells": {"thresholds": [2]}}}, r"clusters\.cells\.dimension: Field required"),
        (
            {
                "clusters": {
                    "domains": None,
                    "balance": {"domains": 4, "largest_share": 0.5},
                    "cells": {"dimension": "quality", "thresholds": [3]},
                }
            },
            r"clusters\.balance bounds whole domains and does not go with clusters\.cells, .*; set one of the two",
        ),
        ({"clusters": {"count": 1}}, r"clusters\.count.*2"),
        ({"quality": {"scorer": "fasttext"}}, r"quality\.models names the \.bin files"),
        ({"quality": {"scorer": "fasttext", "models": {"Tokens": "a.bin"}}}, r"models\.Tokens has the name of another"),
        ({"proxy": {"trainer": "tell"}}, r"proxy\.trainer: Input should be 'ask'"),
        ({"proxy": {"trainer": {"command": []}}}, r"proxy\.trainer\.command: .*at least 1 item"),
        ({"proxy": {"trainer": {"command": "python"}}}, r"proxy\.trainer\.command: .*valid tuple"),
        ({"proxy": {"trainer": "ask", "snapshots": [0.5]}}, r"snapshots are of climb's own loop .*; set them to \[\]"),
        (
            {"proxy": {"trainer": "ask"}, "baselines": {"mixtures": ["uniform", "proportional", "doremi"]}},
            r"baselines\.mixtures names doremi, which needs climb's own loop; drop it or proxy\.trainer",
        ),
        ({"search": {"iterations": []}}, r"search\.iterations lists 1 to 30"),
        ({"search": {"iterations": [4, 0]}}, r"search\.iterations lists 1 to 30"),
        ({"search": {"strength": [2, 1]}}, r"search\.strength is \(least, largest\)"),
        ({"search": {"predictor": {"kind": "oracle"}}}, r"search\.predictor\.kind"),
        ({"search": {"predictor": {"members": []}}}, r"search\.predictor\.members"),
        ({"search": {"predictor": {"trees": 900}}}, r"unknown key 'search\.predictor\.trees'"),
        ({"search": {"acquisition": {"local_moves": 1}}}, r"search\.acquisition\.local_moves"),
        ({"search": {"limits": {"ceilings": {"0": 0}}}}, r"search\.limits\.ceilings\.0.*greater than 0"),
        ({"search": {"limits": {"repetition_scale": 15}}}, "counts twice what proxies with proxy.simulate_epochs"),
        ({"search": {"choice": {"seeds": 1}}}, r"search\.choice\.seeds.*2"),
        (
            {"search": {"choice": {"no_regression": {"third_text": 0}}}},
            "names task 'third_text', which does not decide",
        ),
        ({"search": {"choice": {"no_regression": {"nowhere": 0}}}}, "names task 'nowhere', which does not decide"),
        ({"baselines": {"mixtures": ["uniform", "unimax"]}}, r"always has uniform and proportional; add them"),
        ({"baselines": {"mixtures": ["uniform", "proportional", "uniform"]}}, "names one twice; drop it"),
        ({"baselines": {"mixtures": ["uniform", "proportional", "luck"]}}, r"baselines\.mixtures"),
        ({"proxy": {"heads": 3}}, "hidden must be heads times an even number"),
        ({"proxy": {"warmup": 0.9, "decay": 0.9}}, r"warmup \+ decay is at most 1"),
        ({"proxy": {"tokens": "many"}}, r"proxy\.tokens"),
        ({"target": {"seeds": [0]}}, r"target\.seeds"),
        ({"search": {"repeats": -1}}, r"search\.repeats.*0"),
        ({"fidelity": {"settings": {"proxy": TRAINING}}}, r"'proxy' is the search's own setting; give .* another name"),
        ({"fidelity": {"settings": {"small": {"hidden": 16}}}}, r"fidelity\.settings\.small\.tokens"),
        ({"runtime": {"device": "abacus"}}, r"runtime\.device"),
        ("- a\n- b\n", "must hold keys and values, not a list"),
        ("a: [1", "is not YAML"),
        ("profile: !!python/object/apply:os.getcwd []", r"line 1: the tag .* is not read; drop it"),
        ({"search": None}, "search holds keys of its own, not nothing; indent them below it"),
        ({"search": 3}, "search holds keys of its own, not 3; write them indented below it"),
        ("profile: smoke\niterations: [4]\n", r"unknown key 'iterations'; it is known as .*search\.iterations"),
        ({"mixture": {"max_epochs": "inf"}}, r"mixture\.max_epochs: Input should be a finite number"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, settings: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["key", "iteration", "weights", "diverged"])
def test_reserved_task_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot be named '{name}'"):
        load(tmp_path, {"tasks": {name: TEXT}, "objectives": {"general": {name: 1}}})


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*absent\.yaml.*--config"):
        load_config(tmp_path / "absent.yaml")


def test_bytes_that_are_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "climb.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"is not UTF-8 \(byte 0\); save it"):
        load_config(tmp_path / "climb.yaml")


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "encoder").mkdir(parents=True)
    settings = {
        "lake": "lake",
        "corpus": {"raw": "../raw"},
        "encoder": {"model": "models/encoder"},
        "search": {"evidence": "swarm"},
        "tasks": {"a": {"kind": "choice", "path": "a.jsonl"}},
        "objectives": {"general": {"a": 1}},
    }
    monkeypatch.chdir("/")
    config = load(tmp_path, settings)
    assert config.lake == tmp_path / "lake"
    assert config.corpus.raw == tmp_path.parent / "raw"
    assert config.encoder.model == str(tmp_path / "models" / "encoder")
    assert config.search.evidence == tmp_path / "swarm"
    assert config.tasks["a"].path == tmp_path / "a.jsonl"


@pytest.mark.parametrize(
    ("raw", "lake", "fine"),
    [
        ("data_lake/raw", "data_lake", True),
        ("data_lake/raw/english", "data_lake", True),
        ("texts", "data_lake", True),
        (".", "data_lake", False),
        ("texts", "texts/lake", False),
        ("data_lake", "data_lake", False),
        ("data_lake/artifacts", "data_lake", False),
        ("data_lake/raw/../export", "data_lake", False),
        ("link/raw", "data_lake", False),
    ],
)
def test_the_raw_folder_and_the_lake_do_not_hold_each_other(tmp_path: Path, raw: str, lake: str, fine: bool) -> None:
    (tmp_path / "data_lake" / "refs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data_lake" / "refs")
    settings = {"lake": lake, "corpus": {"raw": raw, "link_roots": ["hub"]}}
    if fine:
        assert load(tmp_path, settings).corpus.link_roots == (tmp_path / "hub",)
    else:
        with pytest.raises(ConfigError, match=r"climb\.yaml: corpus\.raw .*lake"):
            load(tmp_path, settings)


@pytest.mark.parametrize("root", [".", "data_lake", "data_lake/artifacts", "link"])
def test_links_do_not_lead_into_what_the_lake_holds(tmp_path: Path, root: str) -> None:
    (tmp_path / "data_lake" / "refs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "data_lake" / "refs")
    with pytest.raises(ConfigError, match=r"climb\.yaml: corpus\.link_roots .*lake"):
        load(tmp_path, {"lake": "data_lake", "corpus": {"raw": "raw", "link_roots": ["hub", root]}})


@pytest.mark.parametrize(
    ("settings", "raw", "encoder"),
    [
        ({"lake": "mine"}, "mine/raw", "mine/models/all-MiniLM-L6-v2"),
        ({"profile": "demo"}, "data_lake/demo/raw", "data_lake/demo/models/all-MiniLM-L6-v2"),
        ({"profile": "demo", "lake": "data_lake"}, "data_lake/raw", "data_lake/models/all-MiniLM-L6-v2"),
        ({"lake": "mine", "corpus": {"raw": "texts"}}, "texts", "mine/models/all-MiniLM-L6-v2"),
    ],
)
def test_raw_files_and_encoder_are_looked_for_in_the_lake(
    tmp_path: Path, settings: dict, raw: str, encoder: str
) -> None:
    (tmp_path / encoder).mkdir(parents=True)
    config = load(tmp_path, settings)
    assert (config.corpus.raw, config.encoder.model) == (tmp_path / raw, str(tmp_path / encoder))


def test_the_demo_keeps_to_a_lake_of_its_own(tmp_path: Path) -> None:
    demo, own = load(tmp_path, {"profile": "demo"}), load(tmp_path, {"profile": "demo", "lake": "data_lake"})
    assert demo.lake != own.lake and demo.corpus.raw != own.corpus.raw
    for config in (demo, own):  # so that `climb fetch-tasks` puts the items where they are looked for
        assert {task.path.parent for task in config.tasks.values() if task.kind == "choice"} == {config.lake / "tasks"}
    assert load(tmp_path, {"lake": ""}).corpus.raw == tmp_path / "raw"


def test_a_hub_name_is_kept(tmp_path: Path) -> None:
    assert load(tmp_path, {"encoder": {"model": "owner/encoder"}}).encoder.model == "owner/encoder"


def test_the_file_changes_its_profile_key_by_key_but_tasks_as_a_whole(tmp_path: Path) -> None:
    settings = {"clusters": {"seed": 7}, "tasks": {"a": TEXT}, "objectives": {"only": {"a": 2}}}
    config, profile = load(tmp_path, settings), load(tmp_path, {})
    assert config.clusters == profile.clusters.model_copy(update={"seed": 7})
    assert list(config.tasks) == ["a"] and list(config.objectives) == ["only"]


def test_the_argument_overrides_the_files_profile(tmp_path: Path) -> None:
    load(tmp_path, {})
    assert load_config(tmp_path / "climb.yaml", "demo").profile == "demo"


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, {"clusters": {"seed": 99}})
    monkeypatch.setenv("CLIMB_CONFIG", str(tmp_path / "climb.yaml"))
    assert load_config().clusters.seed == 99


@pytest.mark.parametrize("profile", sorted(path.stem for path in PROFILES.glob("*.yaml")))
def test_every_shipped_profile_loads(tmp_path: Path, profile: str) -> None:
    config = load(tmp_path, {"profile": profile})
    assert config.profile == profile
    assert all(config.tasks[task].split == "search_eval" for tasks in config.objectives.values() for task in tasks)


def test_the_paper_profile_holds_the_papers_numbers(tmp_path: Path) -> None:
    config = load(tmp_path, {"profile": "paper"})
    assert config.search.iterations == (64, 32, 16)
    assert config.clusters.count == 1000 and config.clusters.merge_distance == 1.5
    assert set(config.clusters.prune.values()) == {3.0}
    predictor = config.search.predictor
    assert (predictor.kind, predictor.lightgbm.max_depth, predictor.lightgbm.min_leaf) == ("lightgbm", 4, 5)
    assert (config.search.acquisition.kind, config.search.choice.rule) == ("published", "published")


def test_the_tree_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(tmp_path, {}).clusters.seed = 1


def test_the_settings_of_the_readme_are_those_of_one_file(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    own_corpus, whole, *others = (textwrap.dedent(block) for block in blocks)
    assert set(load(tmp_path, f"profile: demo\n{own_corpus}").objectives) == {"general"}
    assert load(tmp_path, whole).lake == tmp_path / "data_lake"
    assert len(others) > 1
    config = load(tmp_path, "profile: demo\n" + "".join(others))
    assert (config.mixture.tokens, config.mixture.max_epochs) == (2_000_000_000, 4)


def test_a_path_that_cannot_be_followed_is_said(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    with contextlib.suppress(ConfigError):  # Python 3.13 gives the path back as it is
        load(tmp_path, {"lake": "one/lake"})
    with pytest.raises(ConfigError, match="a path in it cannot be followed"):
        load(tmp_path, {"encoder": {"model": "a" * 5000}})


def test_an_argument_too_long_for_a_name_is_no_file(tmp_path: Path) -> None:
    script = "echo " + "x" * 5000
    trainer = load(tmp_path, {"proxy": {"trainer": {"command": ["bash", "-c", script]}}}).proxy.trainer
    assert trainer.named_files == {} and trainer.decides["command"][2] == script


@pytest.fixture
def page() -> ModuleType:
    """Return the script that writes the page."""
    specification = importlib.util.spec_from_file_location("write_config_page", ROOT / "docs" / "write_config_page.py")
    assert specification is not None and specification.loader is not None
    script = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(script)
    return script


def test_the_page_is_made_from_the_types(page: ModuleType) -> None:
    assert (ROOT / "docs" / "config.md").read_text() == page.render(), "run `python docs/write_config_page.py`"


def test_the_page_has_every_section(page: ModuleType) -> None:
    told = {name for heading in page.SECTIONS for name in heading.split(", ")}
    assert {".".join(path) for path in section_paths(Config)} <= told


def test_a_size_takes_the_place_of_the_profiles_widths(tmp_path: Path) -> None:
    (tmp_path / "climb.yaml").write_text("profile: smoke\nproxy: {size: 2M}\n")
    assert load_config(tmp_path / "climb.yaml").proxy.shape == SIZES["2M"]
    (tmp_path / "climb.yaml").write_text("profile: smoke\nproxy: {hidden: 32}\n")
    assert load_config(tmp_path / "climb.yaml").proxy.shape == (32, 1, 2, 32)
    (tmp_path / "climb.yaml").write_text("profile: demo\ntarget: {training: {start: models/base}}\n")
    assert load_config(tmp_path / "climb.yaml").target.training.start == tmp_path / "models" / "base"


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("{size: 3M}", "size '3M' is not known; choose one of 100k"),
        ("{size: 2M, start: models/base}", "give one of size, start, or all of hidden"),
        ("{snapshots: [0.5, 0.25]}", "snapshots are shares in rising order"),
    ],
)
def test_a_model_is_named_in_one_way(tmp_path: Path, proxy: str, said: str) -> None:
    (tmp_path / "climb.yaml").write_text(f"profile: smoke\nproxy: {proxy}\n")
    with pytest.raises(ConfigError, match=said):
        load_config(tmp_path / "climb.yaml")

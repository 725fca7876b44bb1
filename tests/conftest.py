"""What every test can use: a small corpus of three sources, a tiny real encoder, a project that lies in a folder."""

import contextlib
import gc
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Libraries read it when they load. Threads that wait for work spin, and there are as many processes as cores.
os.environ |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "RAYON")} | os.environ

import hypothesis
import numpy as np
import pytest
import yaml
from filelock import FileLock

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or every process that is started would compile our code anew
os.environ.pop("DAGSTER_HOME", None)  # an instance of whoever runs the tests is none of theirs

from climb_assets.config import Config
from climb_assets.config_file import load_config
from climb_assets.executor.process_start import collect_garbage_seldom
from climb_assets.graph.materializer import Materializer
from tests.dagster_databases import reach_them_quickly

reach_them_quickly()
collect_garbage_seldom()

sys.dont_write_bytecode = False  # or the assertions of every file would be rewritten anew

with contextlib.suppress(ImportError):  # some libraries bring it along and import it at some time
    import absl.logging

    # At each run Dagster has all handlers closed, and this one closes its stream with it, unless that is one of sys's
    # of the moment: within a CliRunner, pytest's own is not.
    absl.logging.get_absl_handler().python_handler.setStream(sys.__stderr__)

hypothesis.settings.register_profile("climb", deadline=None)  # how fast a machine is fails no test
hypothesis.settings.load_profile("climb")

FINISHED = "finished"  # a file that says that the project beside it is whole, and how many partitions were made
# The files of minutes; first those that need no finished project, while one process makes it for the others.
LONGEST = (
    *("test_servers.py", "test_kept.py", "test_crashes.py", "test_swarm.py", "test_update.py", "test_edits.py"),
    *("test_ray.py", "test_object_store.py", "test_carried.py", "test_stop_rule.py", "test_cells.py"),
    *("test_cli_garbage.py", "test_ask_and_tell.py", "test_drift.py", "test_cli.py", "test_summary.py"),
)
WORDS = {
    "first": [
        "river",
        "lake",
        "water",
        "fish",
        "boat",
        "stream",
        "shore",
        "wave",
        "rain",
        "cloud",
        "harbour",
        "net",
        "sail",
        "tide",
        "reef",
    ],
    "second": [
        "number",
        "proof",
        "theorem",
        "set",
        "group",
        "ring",
        "field",
        "graph",
        "vertex",
        "limit",
        "series",
        "matrix",
        "prime",
        "axiom",
        "lemma",
    ],
    "third": [
        "bread",
        "flour",
        "sugar",
        "butter",
        "oven",
        "salt",
        "pepper",
        "onion",
        "soup",
        "cheese",
        "milk",
        "egg",
        "dough",
        "pan",
        "spoon",
    ],
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no process is left with one of them at the end."""
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (order.get(item.path.name, len(order)), "integration" not in item.path.parts))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look no more for garbage among what was imported."""
    gc.freeze()


def write_source(path: Path, source: str, documents: int = 80, seed: int = 0) -> None:
    """Write a JSONL file of documents of one source."""
    random = np.random.default_rng([seed, sorted(WORDS).index(source)])
    with path.open("w") as stream:
        for number in range(documents):
            words = random.choice(WORDS[source], size=int(random.integers(20, 60)))
            licence = "ODbL-1.0" if number % 10 == 3 else "CC0"
            record = {"text": " ".join(words) + f" {source} {number}.", "source": source, "licence": licence}
            stream.write(json.dumps(record) + "\n")


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an encoder."""
    return write_encoder(tmp_path_factory.mktemp("encoder"))


def write_encoder(folder: Path) -> Path:
    """Write a sentence-transformers folder, a real BERT of two layers with seeded random weights, and return it."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *sorted({word for words in WORDS.values() for word in words}),
    ]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=64)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config)
    model.save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    transformer = Transformer(str(folder / "bert"), max_seq_length=64)
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(folder / "model"))
    return folder / "model"


def write_project(folder: Path, encoder: Path) -> Path:
    """Write climb.yaml (profile smoke) and three raw shards into a folder, and return it."""
    raw = folder / "data_lake" / "raw"
    raw.mkdir(parents=True)
    for source in WORDS:
        write_source(raw / f"{source}.jsonl", source)
    settings = {"profile": "smoke", "lake": "data_lake", "encoder": {"model": str(encoder)}}
    (folder / "climb.yaml").write_text(yaml.safe_dump(settings))
    return folder


@pytest.fixture
def project(tmp_path: Path, encoder_folder: Path) -> Path:
    """Return a folder with climb.yaml (profile smoke) and three raw shards."""
    return write_project(tmp_path, encoder_folder)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory, encoder_folder: Path, worker_id: str) -> Path:
    """Return a project on which `climb up` ran to the end. Read it, never change it: every test has the same one.

    No command is to run on it either: while Dagster's history is open there are files beside it that come and go, and
    whoever copies the project then fails.
    """
    if worker_id == "master":  # one process runs all tests
        return finish_project(tmp_path_factory.mktemp("finished"), encoder_folder)
    folder = tmp_path_factory.getbasetemp().parent / "finished"  # of all processes that run tests
    with FileLock(f"{folder}.lock"):
        if not (folder / FINISHED).exists():
            shutil.rmtree(folder, ignore_errors=True)
            finish_project(folder, encoder_folder)
    return folder


def finish_project(folder: Path, encoder: Path) -> Path:
    """Write a project into a folder, run `climb up` on it to the end, and return it."""
    from dagster_project.instance import open_instance
    from dagster_project.update import bring_up_to_date

    write_project(folder, encoder)
    materializer = Materializer(load_config(folder / "climb.yaml"))
    with open_instance(materializer.config.lake) as instance:
        update = bring_up_to_date(instance, materializer, None, lambda line: None)
    (folder / FINISHED).write_text(str(update.made))
    return folder


@pytest.fixture
def finished_project(finished_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished project that a test may change."""
    return copy_project(finished_once, tmp_path / "finished")


def copy_project(project: Path, copy: Path) -> Path:
    """Copy a project and return the copy."""
    subprocess.run(["cp", "-a", project, copy], check=True)  # a third of the time of shutil, 200 times over
    return copy


@pytest.fixture
def config(project: Path) -> Config:
    """Return the configuration of the project."""
    return load_config(project / "climb.yaml")


@pytest.fixture
def materializer(config: Config) -> Materializer:
    """Return the materializer of the project, with nothing made yet."""
    return Materializer(config)

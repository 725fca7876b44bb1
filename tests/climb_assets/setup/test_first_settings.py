"""The first settings fit the corpus that was found."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.errors import CorpusError
from climb_assets.setup.first_settings import choose_profile, choose_settings, profile_config
from climb_assets.setup.raw_sample import FormatSample, RawSample


def sample_of(documents: dict[str, tuple[int, int, int]], text_bytes: float) -> RawSample:
    """Return a sample with so many documents of each source in train, search-eval and report-eval."""
    splits = ("train", "search_eval", "report_eval")
    counts = {source: dict(zip(splits, map(float, numbers), strict=True)) for source, numbers in documents.items()}
    return RawSample(len(counts), {".jsonl": FormatSample(1, 10, 1, 1, 1, Counter())}, {}, True, counts, text_bytes)


def test_the_profile_follows_the_text_and_the_machine() -> None:
    assert [choose_profile(size, 2, "cpu") for size in (1e6, 1e7, 1e12)] == ["smoke", "demo", "demo"]
    assert [choose_profile(1e9, 32, device) for device in ("cpu", "cuda")] == ["evening", "evening"]
    assert choose_profile(1e11, 32, "cuda") == "paper"


def test_each_large_source_is_a_task_and_all_are_reported() -> None:
    documents = {f"s{number}.jsonl": (900, 10 * number, number) for number in range(1, 9)}
    settings = choose_settings(sample_of(documents, 3e7), "demo", "text")
    tasks = settings.values["tasks"]
    assert list(tasks) == ["s8", "s7", "s6", "s5", "s4", "s3", "unseen"]
    assert tasks["s8"] == {"kind": "text", "sources": ["s8.jsonl"], "documents": 40}
    assert tasks["unseen"]["documents"] == 3 and tasks["unseen"]["split"] == "report_eval"
    assert settings.values["objectives"] == {"general": dict.fromkeys(list(tasks)[:6], 1)}
    assert settings.values.keys() == {"profile", "tasks", "objectives"}  # the rest of the profile fits


def test_a_small_corpus_gets_fewer_clusters_and_a_smaller_budget() -> None:
    settings = choose_settings(sample_of({"a": (400, 40, 10), "b": (300, 40, 10)}, 1.6e6), "demo", "body")
    assert settings.values["corpus"] == {"text_column": "body"}
    assert settings.values["clusters"] == {"count": 35, "merge_distance": None, "domains": 11}
    proxy = profile_config("demo").proxy
    assert settings.values["mixture"]["tokens"] == 400_000 > proxy.trained_tokens
    assert "tokens to train on" in settings.notes["mixture"]


def test_names_of_tasks_are_names_and_differ() -> None:
    documents = {"a b.jsonl": (99, 20, 5), "a-b.txt": (99, 20, 5), "éé": (99, 20, 5), "unseen": (99, 20, 5)}
    tasks = choose_settings(sample_of(documents, 1e6), "smoke", "text").values["tasks"]
    assert list(tasks) == ["a_b", "a_b_2", "unseen", "text", "unseen_2"]


def test_no_task_has_a_name_that_the_configuration_refuses(tmp_path: Path) -> None:
    documents = {"source.jsonl": (99, 20, 5), "key": (99, 20, 5)}
    values = choose_settings(sample_of(documents, 1e6), "smoke", "text").values
    (tmp_path / "climb.yaml").write_text(yaml.safe_dump(values))
    assert list(load_config(tmp_path / "climb.yaml").tasks) == list(values["tasks"])
    assert list(values["tasks"]) == ["key_2", "source_2", "unseen"]


def test_without_held_out_text_it_says_so() -> None:
    with pytest.raises(CorpusError, match="no source has the two held-out ones that a task needs; bring more text"):
        choose_settings(sample_of({"a": (30, 1, 0)}, 1e4), "smoke", "text")

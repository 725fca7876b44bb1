"""`datasets` opens both views, and what it draws by domain has the weights."""

import json
from pathlib import Path

import pytest
import yaml

from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from tests.climb_assets.export.conftest import EPOCHS, rows_of


@pytest.fixture
def folder(data: DataSet, tmp_path: Path) -> Path:
    """Return an exported data set."""
    export_data_set(data, "huggingface", tmp_path / "hf", languages=["en"])
    return tmp_path / "hf"


def test_both_views_have_the_rows(data: DataSet, folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    cache, rows = str(tmp_path / "cache"), rows_of(data)
    shuffled = load_dataset(str(folder), split="train", cache_dir=cache)
    assert shuffled.to_list() == rows
    by_domain = load_dataset(str(folder), "domains", cache_dir=cache)
    assert list(by_domain) == ["domain_00000", "domain_00001", "domain_00002"]
    for number, split in enumerate(by_domain):
        assert by_domain[split].to_list() == [row for row in rows if row["domain"] == number]


def test_the_header_says_what_a_hub_asks(folder: Path) -> None:
    header = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert header["pretty_name"] == "my mixture" and header["language"] == ["en"]
    assert header["size_categories"] == ["n<1K"] and header["license"] == "other"
    assert [config["config_name"] for config in header["configs"]] == ["default", "domains"]


@pytest.mark.parametrize("form", ["huggingface", "interleave"])
def test_interleaved_domains_have_the_weights_and_no_document_too_often(data: DataSet, tmp_path: Path, form) -> None:
    from datasets import interleave_datasets, load_dataset

    export_data_set(data, form, tmp_path / "out")
    how = json.loads((tmp_path / "out" / "interleave.json").read_text())
    domains = load_dataset(str(tmp_path / "out"), "domains", cache_dir=str(tmp_path / "cache"))
    stop, shares = how["stopping_strategy"], how["probabilities"]
    assert sum(shares) == pytest.approx(1) and how["token_shares"] == [domain.weight for domain in data.domains]
    drawn = interleave_datasets([domains[name] for name in how["splits"]], shares, seed=1, stopping_strategy=stop)
    tokens, often = [0, 0, 0], {}
    for row in drawn:
        tokens[row["domain"]] += len(row["text"].split())  # a word of this corpus is about two tokens
        often[row["id"]] = often.get(row["id"], 0) + 1
    assert [count / sum(tokens) for count in tokens] == pytest.approx(how["token_shares"], abs=0.03)
    assert len(drawn) > 0.9 * len(rows_of(data)) and max(often.values()) <= EPOCHS

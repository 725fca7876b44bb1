"""Text files hold the texts, and their tokens are counted anew."""

import dataclasses
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from climb_assets.errors import ComputeError
from climb_assets.export.data_set import DataSet
from climb_assets.export.export import export_data_set
from tests.climb_assets.export.conftest import rows_of


def test_each_domain_has_its_texts_and_its_tokens(data: DataSet, tmp_path: Path) -> None:
    export_data_set(data, "text", tmp_path / "out")
    counts = json.loads((tmp_path / "out" / "tokens.json").read_text())
    tokenizer = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    for domain in data.domains:
        texts = [row["text"] for row in rows_of(data) if row["domain"] == domain.number]
        found = (tmp_path / "out" / f"{domain.key}.txt").read_bytes().decode().split("\n\f\n")
        assert found == texts
        tokens = sum(len(tokenizer.encode(text).ids) + 1 for text in texts)
        of = counts[domain.key]
        assert (of["name"], of["documents"], of["tokens"]) == (domain.name, len(texts), tokens)
        assert of["characters"] == sum(map(len, texts)) and tokens == domain.tokens


def test_a_count_that_is_not_the_data_sets_is_refused(data: DataSet, tmp_path: Path) -> None:
    one = dataclasses.replace(data.domains[1], tokens=data.domains[1].tokens - 1)
    with pytest.raises(ComputeError, match=r"domain-00001 has .* tokens in the data set and its text"):
        export_data_set(
            dataclasses.replace(data, domains=[data.domains[0], one, data.domains[2]]), "text", tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()

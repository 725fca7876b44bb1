"""Files that a user names: whatever they hold, what is said is one of our errors, with the key."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, trainers

from climb_assets.corpus.outside_files import check_model_folder, check_safetensors, read_vocabulary
from climb_assets.errors import ConfigError
from tests.model_folders import write_model_folder

repeated = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.mark.parametrize(
    ("model", "trainer"),
    [
        (models.BPE(unk_token="?"), trainers.BpeTrainer(special_tokens=["?"], vocab_size=60, show_progress=False)),
        (models.Unigram(), trainers.UnigramTrainer(vocab_size=60, show_progress=False, unk_token="?")),
        (models.WordPiece(), trainers.WordPieceTrainer(vocab_size=60, show_progress=False)),
    ],
    ids=["bpe", "unigram", "wordpiece"],
)
def test_the_vocabulary_is_the_one_that_the_library_loads(tmp_path: Path, model: object, trainer: object) -> None:
    tokenizer = Tokenizer(model)
    tokenizer.train_from_iterator(["a text of some words, some of them twice"] * 3, trainer)
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert read_vocabulary(tmp_path / "tokenizer.json", "tokenizer.path") == tokenizer.get_vocab()


@repeated
@given(
    st.binary(max_size=40)
    | st.sampled_from([{}, {"model": 1}, {"model": {"vocab": [1]}}, {"model": {"vocab": {}}, "added_tokens": [1]}]).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_what_is_no_tokenizer_is_said(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(ConfigError, match=r"^tokenizer\.path: .*tokenizer\.json"):
        read_vocabulary(tmp_path / "tokenizer.json", "tokenizer.path")


@repeated
@given(st.data())
def test_weights_of_another_length_are_not_whole(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": np.ones((3, 5), np.float32), "b": np.ones(2, np.float16)}, path)
    whole = path.read_bytes()
    check_safetensors(path, "proxy.start", "give another")
    cut = data.draw(st.integers(0, len(whole) - 1))
    for wrong in (whole[:cut], whole + b"\0"):
        path.write_bytes(wrong)
        with pytest.raises(ConfigError, match=r"^proxy\.start: .*no whole safetensors file .*; give another$"):
            check_safetensors(path, "proxy.start", "give another")


def test_one_file_of_weights_goes_before_an_index_as_the_library_has_it(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "of-an-earlier-save.safetensors"}}))
    check_model_folder(folder, "proxy.start", "give another")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"model\.safetensors is no whole safetensors file"):
        check_model_folder(folder, "proxy.start", "give another")


def test_every_file_of_an_index_is_looked_at(tmp_path: Path) -> None:
    folder = write_model_folder(tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "one.safetensors"}}))
    assert check_model_folder(folder, "proxy.start", "give another")["model_type"] == "llama"
    index.write_text(json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}))
    with pytest.raises(ConfigError, match=r"two\.safetensors is not there"):
        check_model_folder(folder, "proxy.start", "give another")
    for nothing in ("{}", "[]", '{"weight_map": {}}', '{"weight_map": {"a": 1}}'):
        index.write_text(nothing)
        with pytest.raises(ConfigError, match="names no files"):
            check_model_folder(folder, "proxy.start", "give another")

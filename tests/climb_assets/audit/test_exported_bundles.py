"""Which folders of an export folder are audit bundles."""

from pathlib import Path

import pytest

from climb_assets.audit.bundle_export import exported_bundles
from climb_assets.errors import CorruptArtifact
from climb_assets.export.folder import export_folder


def test_an_exported_data_set_is_no_bundle_and_a_bundle_without_its_lineage_is_told(tmp_path: Path) -> None:
    with export_folder(tmp_path / "general-huggingface", {"format": "huggingface"}) as folder:
        assert folder is not None
        (folder / "README.md").write_text("a card")
    assert exported_bundles(tmp_path) == {}
    (tmp_path / "audit-general").mkdir()
    (tmp_path / "audit-general" / "SHA256SUMS").write_text("")
    with pytest.raises(CorruptArtifact, match="does not tell what this audit bundle rests on"):
        exported_bundles(tmp_path)

"""Packages are read in memory, whatever names their members have."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from climb_assets.demo import archives
from climb_assets.demo.archives import read_members
from climb_assets.errors import CorpusError

FILES = {
    "./usr/a.txt": b"alpha",
    "./usr/b.txt.gz": gzip.compress(b"beta"),
    "../../evil.txt": b"evil",
    "./usr/c.png": b"c",
}


def tar(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("./usr/link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return buffer.getvalue()


def deb(data_name: str, data: bytes) -> bytes:
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", data_name: data}
    packed = b"!<arch>\n"
    for name, content in parts.items():
        packed += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
            + content
            + b"\n" * (len(content) % 2)
        )
    return packed


def write(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"package.{kind.split('-')[0]}"
    match kind:
        case "whl":
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in FILES.items():
                    archive.writestr(name.removeprefix("./"), data)
        case "tgz":
            path.write_bytes(tar(FILES, "w:gz"))
        case "deb-xz":
            path.write_bytes(deb("data.tar.xz", tar(FILES, "w:xz")))
        case "deb-zst":
            import zstandard

            path.write_bytes(deb("data.tar.zst", zstandard.compress(tar(FILES, "w:"))))
    return path


@pytest.mark.parametrize("kind", ["whl", "tgz", "deb-xz", "deb-zst"])
def test_wanted_files_are_read_and_unpacked(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    assert read_members(path, r"usr/.*\.txt(\.gz)?") == {"usr/a.txt": b"alpha", "usr/b.txt": b"beta"}
    assert [found.name for found in tmp_path.rglob("*")] == [path.name], "nothing is unpacked to disk"


@pytest.mark.parametrize("name", ["x.deb", "x.tgz", "x.whl"])
def test_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is not an archive" * 10)
    with pytest.raises(CorpusError, match=name):
        read_members(tmp_path / name, ".*")


def test_too_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBER", 1000)
    path = tmp_path / "x.tgz"
    path.write_bytes(tar({"bomb.txt.gz": gzip.compress(b"0" * 100_000)}, "w:gz"))
    with pytest.raises(CorpusError, match="bomb"):
        read_members(path, ".*")

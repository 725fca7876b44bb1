"""Files inside packages (.deb, .tgz, .whl), read in memory.

What belongs here: which bytes an archive holds under which name. Nothing is unpacked to disk, so no member name
can lead outside a folder, and nothing is executed.
"""

import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from climb_assets.errors import CorpusError

MAX_MEMBER = 2**28
"""Bytes of one file after unpacking; the largest that is wanted (the Gene Ontology database) has 2**26.4."""

Members = dict[str, bytes]


def read_members(path: Path, pattern: str) -> Members:
    """Return the regular files whose whole name matches `pattern`, in name order.

    Names have no leading ``./``. A file that ends in ``.gz`` comes unpacked and without that ending.

    Raises
    ------
    CorpusError
        The archive is of no known kind, damaged, or holds a file that is too large.
    """
    wanted = re.compile(pattern)
    try:
        found = dict(_iterate(path, wanted))
        unpacked = {name.removesuffix(".gz"): _gunzip(name, data) for name, data in found.items()}
    except (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, EOFError, OSError) as error:
        raise CorpusError(f"{path} cannot be read ({error}); delete it and prepare the demo again") from error
    return dict(sorted(unpacked.items()))


def _iterate(path: Path, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    match path.suffix:
        case ".whl":
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    if wanted.fullmatch(info.filename):
                        _check_size(info.filename, info.file_size)
                        yield info.filename, archive.read(info)
        case ".tgz":
            with path.open("rb") as stream:
                yield from _iterate_tar(stream, wanted)
        case ".deb":
            with path.open("rb") as stream:
                yield from _iterate_tar(_data_of_deb(stream), wanted)
        case _:
            raise CorpusError(f"{path.name} is no .deb, .tgz or .whl")


def _iterate_tar(stream: IO[bytes], wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isfile() and wanted.fullmatch(name):
                _check_size(name, member.size)
                content = archive.extractfile(member)
                assert content is not None, "a regular file has content"
                yield name, content.read()


def _data_of_deb(stream: IO[bytes]) -> IO[bytes]:
    """Return the ``data.tar`` inside a Debian package, which is an ``ar`` archive (deb(5))."""
    if stream.read(8) != b"!<arch>\n":
        raise tarfile.ReadError("it has no ar header")
    while header := stream.read(60):
        name, size = header[:16].decode("ascii", "replace").strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            data = io.BytesIO(stream.read(size))
            return _unzstd(data) if name.endswith(".zst") else data
        stream.seek(size + size % 2, io.SEEK_CUR)
    raise tarfile.ReadError("it has no data.tar")


def _unzstd(stream: IO[bytes]) -> IO[bytes]:
    import zstandard

    return zstandard.ZstdDecompressor().stream_reader(stream)


def _gunzip(name: str, data: bytes) -> bytes:
    if not name.endswith(".gz"):
        return data
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        unpacked = stream.read(MAX_MEMBER + 1)
    _check_size(name, len(unpacked))
    return unpacked


def _check_size(name: str, size: int) -> None:
    if size > MAX_MEMBER:
        raise CorpusError(f"{name} would take {size} bytes of memory, more than {MAX_MEMBER}")

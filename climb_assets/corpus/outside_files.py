"""Files outside the lake that the configuration names, looked at before any work rests on them.

What belongs here: what can be told of a file in milliseconds, without the library that will load it: that it is there,
may be read, is of its kind and whole. Which asset needs which file is said by the check of its spec.
"""

import codecs
import io
import json
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from climb_assets.corpus.regular_file import IrregularFileError, open_regular
from climb_assets.errors import ConfigError

WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"
TOKENIZER = "tokenizer.json"
OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE begins as UTF-16-LE


def open_named(path: Path, key: str, cure: str = "name another") -> BufferedReader:
    """Open a regular file that a key of the configuration names. Links are followed: they are the user's.

    Parameters
    ----------
    cure
        What to do where there is no such file.

    Raises
    ------
    ConfigError
        It is not there, is no regular file, or cannot be read.
    """
    try:
        return open_regular(path.resolve())
    except FileNotFoundError:
        raise ConfigError(f"{key}: {path} is not there; {cure}") from None
    except IrregularFileError:
        what = "a folder" if path.is_dir() else "no regular file"
        raise ConfigError(f"{key}: {path} is {what}; name a file") from None
    except (OSError, RuntimeError) as error:  # links that go in a circle are the latter
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{key}: {path} cannot be read ({reason}); give this user the right, or {cure}") from None


def read_json(path: Path, key: str, cure: str = "name another") -> Any:
    """Return what a JSON file holds that a key of the configuration names.

    Raises
    ------
    ConfigError
        As of `open_named`, or it is no JSON.
    """
    with open_named(path, key, cure) as stream:
        data = stream.read()
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{key}: {path} is no JSON ({error}); {cure}") from None


def iterate_records(path: Path, key: str, form: str, cure: str) -> Iterator[tuple[int, str, Any]]:
    """Yield the records of a JSONL file that a key of the configuration names: number and text of the line, its value.

    Empty lines are left out. A byte order mark of UTF-8 before the first record counts for nothing.

    Parameters
    ----------
    form
        What a record is, in words.

    Raises
    ------
    ConfigError
        As of `open_named`, or a line is not UTF-8 or no JSON, or there is no record.
    """
    where = f"{key}: {path}"
    with open_named(path, key, cure) as stream:
        head = stream.peek(4)[:4]
        if head.startswith(OTHER_ENCODINGS) or b"\0" in head:
            raise ConfigError(f"{where} is UTF-16 or UTF-32; save it as UTF-8 (`iconv -f UTF-16 -t UTF-8`)")
        lines, empty = io.TextIOWrapper(stream, encoding="utf-8-sig"), True
        try:
            for number, line in enumerate(lines, 1):
                if not line.isspace():
                    empty = False
                    text = line.rstrip("\n")
                    yield number, text, _decode(text, f"{where}:{number}", form)
        except UnicodeDecodeError as error:
            stream.seek(0)
            number = next((number for number, line in enumerate(stream, 1) if not _is_utf8(line)), 1)
            raise ConfigError(f"{where}:{number} is not UTF-8 ({error.reason}); save the file as UTF-8") from None
    if empty:
        raise ConfigError(f"{where} holds no record; {form}")


def _decode(line: str, where: str, form: str) -> Any:
    try:
        return _JSON.decode(line)
    except RecursionError:
        raise ConfigError(f"{where} is nested too deeply; {form}") from None
    except ValueError as error:
        raise ConfigError(f"{where} is not JSON: {error}; {form}, one on each line") from None


def _require_each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, in which JSON would silently let the last of two equal keys stand."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} stands there twice")
    return found


_JSON = json.JSONDecoder(object_pairs_hook=_require_each_once)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_vocabulary(path: Path, key: str) -> dict[str, int]:
    """Return the tokens of a `tokenizers` file with their ids, without loading it.

    Raises
    ------
    ConfigError
        As of `read_json`, or it is no tokenizer.
    """
    cure = f"give a {TOKENIZER} that the library tokenizers reads"
    described = read_json(path, key, cure)
    try:
        vocabulary = described["model"]["vocab"]
        if isinstance(vocabulary, list):  # of a Unigram model: pairs of a token and its score
            vocabulary = {token: number for number, (token, _) in enumerate(vocabulary)}
        return {**vocabulary, **{token["content"]: token["id"] for token in described.get("added_tokens") or ()}}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError(f"{key}: {path} has no vocabulary and so is no tokenizer; {cure}") from None


def check_model_folder(folder: Path, key: str, cure: str) -> dict[str, Any]:
    """Return the ``config.json`` of a Hugging Face model folder, after a look at the headers of its weights.

    Raises
    ------
    ConfigError
        The folder or one of its files is not there, or is not of its kind or not whole.
    """
    if not folder.is_dir():
        raise ConfigError(f"{key}: {folder} is {'no folder' if folder.exists() else 'not there'}; {cure}")
    described = read_json(folder / "config.json", key, cure)
    if not isinstance(described, dict):
        raise ConfigError(f"{key}: {folder / 'config.json'} describes no model; {cure}")
    for path in name_weights(folder, key, cure):
        check_safetensors(path, key, cure)
    return described


def name_weights(folder: Path, key: str, cure: str) -> list[Path]:
    """Return the files of a model's weights: the one that `transformers` prefers, or those that an index names.

    Raises
    ------
    ConfigError
        The index names none.
    """
    if (folder / WEIGHTS).exists() or not (folder / WEIGHTS_INDEX).exists():
        return [folder / WEIGHTS]
    index = read_json(folder / WEIGHTS_INDEX, key, cure)
    files = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(files, dict) or not files or not all(isinstance(name, str) for name in files.values()):
        raise ConfigError(f"{key}: {folder / WEIGHTS_INDEX} names no files; {cure}")
    return [folder / name for name in sorted(set(files.values()))]


def check_safetensors(path: Path, key: str, cure: str) -> None:
    """Check that a safetensors file is as long as its header says; its tensors are not read.

    Raises
    ------
    ConfigError
        As of `open_named`, or it is no whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    open_named(path, key, cure).close()
    try:
        with safe_open(path, framework="numpy"):
            pass
    except (SafetensorError, OSError, ValueError) as error:
        raise ConfigError(f"{key}: {path} is no whole safetensors file ({error}); {cure}") from None

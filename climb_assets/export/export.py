"""Exporting a data set: one folder in one form.

What belongs here: who writes which form, and what is in every folder of one. The corpus itself is made by
`climb_assets.mixture.corpus_writer`.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from climb_assets.errors import ArgumentError, ComputeError
from climb_assets.export.card import write_card, write_header
from climb_assets.export.data_set import Contents, DataSet, Exported, count_contents
from climb_assets.export.folder import export_folder
from climb_assets.export.forms import FORMS, Form
from climb_assets.export.huggingface import describe_views, write_huggingface, write_interleave
from climb_assets.export.megatron import write_megatron
from climb_assets.export.nanochat import write_nanochat
from climb_assets.export.plain_text import write_plain_text
from climb_assets.export.webdataset import write_webdataset
from climb_assets.store.files import write_atomically


def export_data_set(
    data: DataSet, form: Form, out: Path, *, tokens: bool = False, languages: Sequence[str] = ()
) -> Exported | None:
    """Write a data set in a form into a folder; return what was written, None where it was there already, whole.

    The folder appears whole, with checksums over its files, or not at all; what a killed export has finished is kept.
    Equal data sets give equal bytes.

    Parameters
    ----------
    form
        ``huggingface``: Parquet in two views and a card. ``nanochat``: Parquet shards of text only, the last of which
        is validation. ``megatron``: a file for each domain and a blend file for ``--data-args-path``. ``interleave``:
        Parquet by domain, and probabilities for `datasets.interleave_datasets`. ``webdataset``: tar files.
        ``text``: a text file for each domain and its tokens, counted anew.
    tokens
        For Megatron: its binary files rather than text.
    languages
        Codes for the card's header.

    Raises
    ------
    ArgumentError
        The folder holds something else or is being written, or the form is unknown.
    ComputeError
        The data set has no rows, or some were lost on the way.
    """
    if form not in FORMS:
        raise ArgumentError(f"format {form!r} is not known; choose one of {', '.join(FORMS)}")
    if tokens and form != "megatron":
        raise ArgumentError("--tokens belongs to --format megatron; leave it out")
    if not data.parts:
        raise ComputeError("the mixed corpus holds no documents; make it again")
    with export_folder(out, describe(data, form, tokens=tokens, languages=languages)) as folder:
        if folder is None:
            return None
        contents = count_contents(data)
        exported = _write(data, contents, form, folder, tokens=tokens)
        rows = exported.training + exported.validation + exported.left_out
        if rows != data.rows:
            raise ComputeError(
                f"the mixed corpus has {data.rows} rows and {rows} are in the files; remove {folder} and export again"
            )
        views = describe_views(data.domains, shuffled=form == "huggingface")
        header = write_header(data, contents, views, languages) if form in ("huggingface", "interleave") else ""
        card = header + write_card(data, contents, exported, languages, version("climb"))
        write_atomically(folder / "README.md", card.encode())
    return exported


def describe(data: DataSet, form: Form, *, tokens: bool, languages: Sequence[str]) -> dict[str, Any]:
    """Return what decides every byte of an export, and says where it comes from."""
    packages = {name: version(name) for name in ("climb", "pyarrow")}
    options = {"tokens": tokens, "languages": list(languages), "notes": list(data.notes)}
    made = {"objective": data.objective, "title": data.title, "tasks": data.tasks, "made_from": data.made_from}
    return {"format": form, "options": options, "packages": packages, **made}


def _write(data: DataSet, contents: Contents, form: Form, folder: Path, *, tokens: bool) -> Exported:
    if form == "huggingface":
        return write_huggingface(data, contents, folder)
    if form == "interleave":
        return write_interleave(data, contents, folder)
    if form == "nanochat":
        return write_nanochat(data, folder)
    if form == "megatron":
        return write_megatron(data, folder, tokens=tokens)
    if form == "webdataset":
        return write_webdataset(data, folder)
    return write_plain_text(data, folder)

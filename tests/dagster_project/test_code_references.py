"""The link from an asset to its code leads to its first line."""

from pathlib import Path

import dagster as dg

from climb_assets.corpus.assets import corpus_shards
from dagster_project.code_references import code_reference


def test_it_leads_to_the_function() -> None:
    (value,) = code_reference(corpus_shards).values()
    (reference,) = value.code_references
    assert isinstance(reference, dg.LocalFileCodeReference) and reference.line_number is not None
    line = Path(reference.file_path).read_text().splitlines()[reference.line_number - 1]
    assert line.startswith("def corpus_shards(")
    assert reference.label == "climb_assets.corpus.assets.corpus_shards"

"""Links from the UI to the code of an asset.

What belongs here: where the function of an asset stands, as Dagster's metadata.
"""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg


def code_reference(function: Callable[..., Any]) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Return the metadata that links to a function's file and line on this machine."""
    function = inspect.unwrap(function)
    file, line = inspect.getsourcefile(function), inspect.getsourcelines(function)[1]
    label = f"{function.__module__}.{function.__qualname__}"
    reference = dg.LocalFileCodeReference(file_path=str(file), line_number=line, label=label)
    return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference])}

"""Pictures as PNG, for pages.

What belongs here: from a figure to bytes. What is drawn belongs to the `figures` of each room.
"""

import io
import warnings
from typing import Any


def encode_png(figure: Any) -> bytes:
    """Return a matplotlib figure as PNG, the same bytes for the same picture.

    A letter that the fonts of this machine lack is a box in it and a warning of matplotlib's, one for each letter; a
    corpus in another script would bury everything else that is printed.
    """
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()

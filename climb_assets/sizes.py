"""Model sizes by name.

What belongs here: widths of Llamas. How one is trained belongs to the configuration.
"""

from typing import NamedTuple


class Shape(NamedTuple):
    """The widths of a Llama."""

    hidden: int
    layers: int
    heads: int
    intermediate: int

    @property
    def parameters(self) -> int:
        """Parameters outside the embedding and the norms."""
        return self.layers * (4 * self.hidden**2 + 3 * self.hidden * self.intermediate)


# Named for the parameters outside the embedding. The paper's proxies have 32 layers (docs/sources.md); their widths are
# not published and chosen here to give the published counts. The small ones are for CPUs.
SIZES = {
    "100k": Shape(64, 2, 2, 192),
    "800k": Shape(128, 4, 4, 352),
    "2M": Shape(192, 5, 6, 448),
    "8M": Shape(320, 6, 5, 960),
    "20M": Shape(448, 8, 7, 1280),
    "62M": Shape(384, 32, 6, 1152),
    "132M": Shape(576, 32, 9, 1600),
    "350M": Shape(960, 32, 15, 2560),
    "1B": Shape(1536, 32, 24, 4352),
}

"""Model sizes by name.

What belongs here: widths of Llamas, and how many parameters they come to. How one is trained belongs to the
configuration.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from climb_assets.config_training import Training

FILE_BYTES = 2  # of a parameter in the files of a model, at least: most are kept in bfloat16


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


def estimate_parameters(training: "Training", vocabulary: int) -> int:
    """Return the parameters of a model before it is there, the embedding counted once and the norms not at all.

    Of one that is continued, as many as its files hold at most.
    """
    if training.start is None:
        return training.shape.parameters + vocabulary * training.shape.hidden
    return sum(file.stat().st_size for file in training.start.glob("*.safetensors")) // FILE_BYTES

"""What embeds documents."""

from typing import Literal, Self

from pydantic import Field, model_validator

from climb_assets.config_base import LAKE, Section

ENCODER = "models/all-MiniLM-L6-v2"  # its place in a lake


class Encoder(Section):
    """The sentence-transformers model that embeds documents."""

    model: str = Field(
        f"{LAKE}/{ENCODER}",
        description="a folder, or any sentence-transformers name that needs no code of its own (the paper's does); "
        f"default: {ENCODER} in the lake, where `climb fetch-encoder` puts it",
    )
    revision: str | None = Field(None, description="commit of a hub model; pin it")
    max_tokens: int = Field(
        128, ge=8, description="tokens of a document that are embedded (docs/sources.md; NVIDIA's recipe: 512)"
    )
    batch_tokens: int = Field(4096, ge=64, description="padded tokens in one batch")
    backend: Literal["auto", "torch", "openvino", "static"] = Field(
        "torch",
        description="what computes it: torch; openvino, on a CPU (pip install 'climb[openvino]'); static, a vector for "
        "each token, for a first look at a large corpus; auto: openvino where it is installed and the processor has "
        "fast int8 (AVX-VNNI, AVX512-VNNI, AMX), else torch",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16", "int8"] = Field(
        "auto",
        description="auto: the fastest that backend and device compute natively; int8: openvino's; float16: torch's",
    )

    @model_validator(mode="after")
    def _computable(self) -> Self:
        those = {"int8": ("openvino",), "float16": ("torch", "static")}.get(self.precision)
        if those is not None and self.backend not in those:
            raise ValueError(
                f"encoder.precision {self.precision} is one of encoder.backend {' or '.join(those)}, not of "
                f"{self.backend}; name that backend, or set encoder.precision: auto"
            )
        return self

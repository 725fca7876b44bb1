"""Settings of Ray, by which units of work run on other machines too."""

from typing import Self

from pydantic import Field, model_validator

from climb_assets.config_base import Section


class Ray(Section):
    """Workers of Ray, for `runtime.backend: ray` (pip install 'climb[ray]').

    Every machine of a cluster has the same climb installed, and sees the lake and the raw files by the same paths.
    """

    address: str | None = Field(
        None,
        description="of the cluster to join, host:port, from one of its machines; auto: the one that this machine is "
        "of; null: one of this machine alone, on loopback, for as long as the process runs",
    )
    cpus: int | None = Field(
        None,
        ge=1,
        description="cores and threads of a worker; default: what the smallest machine would choose by itself. Another "
        "number may change the last bits of a loss and makes nothing stale, so keep to one choice within a search",
    )
    gpus: float = Field(
        1.0, gt=0, le=1, description="of a GPU, the share of a worker that needs one; CUDA_VISIBLE_DEVICES is set to it"
    )
    max_retries: int = Field(
        1, ge=0, description="how often a unit is tried again whose worker died, or that failed for what may pass"
    )

    @model_validator(mode="after")
    def _no_client(self) -> Self:
        if self.address is not None and "://" in self.address:
            raise ValueError(
                f"runtime.ray.address {self.address!r} asks for Ray's client, which is not supported; start climb on a "
                "machine of the cluster and give host:port or auto"
            )
        return self

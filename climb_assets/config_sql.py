"""The part of the configuration that bounds a query; `climb_assets.config` holds the rest."""

from pydantic import Field

from climb_assets.config_base import Section


class Sql(Section):
    """What one query of `climb sql` may cost."""

    seconds: float = Field(300.0, gt=0, le=86_400)
    memory_bytes: int = Field(2 * 2**30, ge=2**26, le=2**50, description="DuckDB's; nothing is spilled to a disk")
    rows: int = Field(100_000, ge=1, le=100_000_000, description="rows that are shown or printed as JSON at most")

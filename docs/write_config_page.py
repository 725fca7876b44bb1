"""Write docs/config.md from the configuration's own types: `python docs/write_config_page.py`."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from climb_assets import (
    config,
    config_balance,
    config_baselines,
    config_cells,
    config_corpus,
    config_dagster,
    config_encoder,
    config_quality,
    config_ray,
    config_search,
    config_sql,
    config_tasks,
    config_taxonomy,
    config_trainer,
    config_training,
)

PAGE = Path(__file__).parent / "config.md"
SECTIONS: dict[str, type[BaseModel]] = {
    "": config.Config,
    "corpus": config.Corpus,
    "corpus.settle": config_corpus.Settle,
    "corpus.near_duplicates": config_corpus.NearDuplicates,
    "corpus.contamination": config_corpus.Contamination,
    "corpus.licences": config_corpus.Licences,
    "tokenizer": config.Tokenizer,
    "encoder": config_encoder.Encoder,
    "quality": config_quality.Quality,
    "clusters": config.Clusters,
    "clusters.balance": config_balance.Balance,
    "clusters.cells": config_cells.Cells,
    "taxonomy": config_taxonomy.Taxonomy,
    "search": config_search.Search,
    "search.predictor": config_search.Predictor,
    "search.predictor.lightgbm": config_search.LightGBM,
    "search.predictor.small_trees": config_search.SmallTrees,
    "search.predictor.gaussian_process": config_search.GaussianProcess,
    "search.predictor.share_ridge": config_search.ShareRidge,
    "search.predictor.mixing_law": config_search.MixingLaw,
    "search.acquisition": config_search.Acquisition,
    "search.limits": config_search.Limits,
    "search.choice": config_search.Choice,
    "proxy, target.training, fidelity.settings.NAME": config_training.Training,
    "proxy.trainer, target.training.trainer, fidelity.settings.NAME.trainer": config_trainer.Trainer,
    "tasks.NAME (kind: text)": config_tasks.TextTask,
    "tasks.NAME (kind: choice)": config_tasks.ChoiceTask,
    "tasks.NAME (kind: harness)": config_tasks.HarnessTask,
    "mixture": config.Mixture,
    "target": config.Comparison,
    "baselines": config_baselines.Baselines,
    "baselines.doremi": config_baselines.DoReMi,
    "fidelity": config.Fidelity,
    "runtime": config.Runtime,
    "runtime.ray": config_ray.Ray,
    "dagster": config_dagster.Dagster,
    "sql": config_sql.Sql,
}
HEAD = """# Configuration

`climb.yaml` says what differs from its profile (`climb_assets/profiles/`); `--config` or `CLIMB_CONFIG` names another
file. Relative paths are relative to the file. An unknown key is an error. `tasks` and `objectives` replace the
profile's as a whole. This page is made from the types by `docs/write_config_page.py`.
"""


def render() -> str:
    """Return the page."""
    return HEAD + "".join(_section(name, section) for name, section in SECTIONS.items())


def _section(name: str, section: type[BaseModel]) -> str:
    doc = " ".join((section.__doc__ or "").split())
    lines = [f"\n## {name or 'top level'}\n", f"{doc}\n", "| key | default | meaning |", "|---|---|---|"]
    for key, field in section.model_fields.items():
        lines.append(f"| `{key}` | {_default(field)} | {(field.description or '').replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.default if field.default is not PydanticUndefined else field.default_factory()
    if isinstance(value, BaseModel):
        return "below"
    return f"`{value}`" if not isinstance(value, Path) else f"`{value.as_posix()}`"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")

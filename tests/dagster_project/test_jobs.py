"""Jobs as the UI starts them."""

from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from dagster_project.jobs import refresh_corpus


def refresh(materializer: Materializer, to: str) -> dg.ExecuteInProcessResult:
    return refresh_corpus.execute_in_process(
        run_config={"ops": {"bring_corpus_up_to_date": {"config": {"to": to}}}},
        resources={"climb": materializer},
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


@pytest.mark.parametrize("to", ["nonsense", "", "raw_corpus"])
def test_an_asset_that_there_is_not_fails_in_one_sentence(tmp_path: Path, to: str) -> None:
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    materializer = Materializer(load_config(tmp_path / "climb.yaml"))
    with pytest.raises(ConfigError, match="is no asset; choose one of"):
        make_plan(materializer, to)
    outcome = refresh(materializer, to)
    assert not outcome.success
    (failure,) = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
    assert failure.user_failure_data.description.startswith(f"{to!r} is no asset; choose one of tokenizer, ")

"""What may be gone a moment later is tried again; what will not is not."""

import dagster as dg
import pytest

from climb_assets.errors import ClimbError, CorpusError, TransientError
from dagster_project.assets import plain_failure
from dagster_project.retries import TRANSIENT

AT_ONCE = TRANSIENT._replace(delay=0.01)
TRIALS = [(TransientError, 2, 3), (TransientError, 9, 3), (CorpusError, 9, 1)]


@pytest.mark.parametrize(
    "error, failing, attempts", [(TransientError, 2, 3), (TransientError, 9, 3), (CorpusError, 9, 1)]
)
def test_only_transient_errors_are_tried_again(error: type[ClimbError], failing: int, attempts: int) -> None:
    tried: list[int] = []

    @dg.asset(retry_policy=AT_ONCE)
    def asset(context: dg.AssetExecutionContext) -> None:
        tried.append(context.retry_number)
        if len(tried) <= failing:
            raise plain_failure(error("it did not work"))

    outcome = dg.materialize([asset], instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)
    assert outcome.success == (failing < 3)
    assert tried == list(range(attempts))

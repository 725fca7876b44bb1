"""What may be gone a moment later is tried again; what will not is not."""

from collections.abc import Iterator

import dagster as dg
import pytest

from climb_assets.errors import CorpusError, TransientError
from dagster_project.retries import TRANSIENT, failing_plainly

AT_ONCE = TRANSIENT._replace(delay=0.01)
TRIALS = [(TransientError, 2, 3), (TransientError, 9, 3), (CorpusError, 9, 1), (ValueError, 9, 1)]


@pytest.mark.parametrize(
    "error, failing, attempts",
    [(TransientError, 2, 3), (TransientError, 9, 3), (CorpusError, 9, 1), (ValueError, 9, 1)],
)
def test_only_transient_errors_are_tried_again(error: type[Exception], failing: int, attempts: int) -> None:
    tried: list[int] = []

    @dg.asset(retry_policy=AT_ONCE)
    def asset(context: dg.AssetExecutionContext) -> None:
        tried.append(context.retry_number)
        with failing_plainly():
            if len(tried) <= failing:
                raise error("it did not work")

    outcome = dg.materialize([asset], instance=dg.DagsterInstance.ephemeral(), raise_on_error=False)
    assert outcome.success == (failing < 3)
    assert tried == list(range(attempts))
    (failure,) = [event.step_failure_data for event in outcome.all_events if event.is_step_failure] or [None]
    if failure is not None:
        assert failure.error is not None and "it did not work" in failure.error.to_string()


def test_what_was_reported_before_the_error_may_be_reported_again() -> None:
    tried: list[int] = []

    @dg.multi_asset(specs=[dg.AssetSpec(name, skippable=True) for name in ("first", "second")], retry_policy=AT_ONCE)
    def chain(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        tried.append(context.retry_number)
        with failing_plainly():
            yield dg.MaterializeResult(asset_key="first")
            if len(tried) == 1:
                raise TransientError("it did not work")
            yield dg.MaterializeResult(asset_key="second")

    outcome = dg.materialize([chain], instance=dg.DagsterInstance.ephemeral())
    assert outcome.success and tried == [0, 1]
    assert {event.asset_key.to_user_string() for event in outcome.get_asset_materialization_events()} == {
        "first",
        "second",
    }

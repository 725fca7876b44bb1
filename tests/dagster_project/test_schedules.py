"""The nightly refresh: once a night, and again in the hours after as long as it failed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError
from dagster_project import refreshes
from dagster_project.jobs import refresh_corpus
from dagster_project.schedules import daily_refresh

SCHEDULE = daily_refresh(load_config())


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """Return an instance that knows nothing; nobody waits between attempts but for the hour."""
    monkeypatch.setattr(refreshes, "FIRST_WAIT", 0.0)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


def tick(instance: dg.DagsterInstance, day: int, hour: int) -> dg.RunRequest | None:
    """Evaluate the schedule at a time of a day in March; return the run that it asks for."""
    moment = datetime(2026, 3, day, hour, tzinfo=UTC)
    result = SCHEDULE(dg.build_schedule_context(instance=instance, scheduled_execution_time=moment))
    return result if isinstance(result, dg.RunRequest) else None


def end(instance: dg.DagsterInstance, request: dg.RunRequest | None, *, well: bool) -> None:
    """Let the run that was asked for end."""
    assert request is not None
    status = dg.DagsterRunStatus.SUCCESS if well else dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(refresh_corpus, tags=dict(request.tags), status=status)
    if not well:
        instance.report_run_failed(run)


def test_once_a_night(instance: dg.DagsterInstance) -> None:
    keys = []
    for day in (1, 2):
        request = tick(instance, day, 3)
        end(instance, request, well=True)
        keys.append(request.run_key if request else None)
        assert [tick(instance, day, hour) for hour in (4, 12, 23)] == [None] * 3
        assert [tick(instance, day + 1, hour) for hour in (0, 1, 2)] == [None] * 3
    assert len(set(keys)) == 2


def test_a_night_that_failed_is_tried_again_until_it_succeeds(instance: dg.DagsterInstance) -> None:
    keys = []
    for day, hour in ((1, 3), (1, 4), (1, 23), (2, 2)):
        request = tick(instance, day, hour)
        end(instance, request, well=hour == 2)
        keys.append(request.run_key if request else None)
    assert len(set(keys)) == 4
    assert tick(instance, 2, 2) is None
    assert tick(instance, 2, 3) is not None


def test_a_night_that_was_slept_through_is_made_up_for(instance: dg.DagsterInstance) -> None:
    assert tick(instance, 1, 9) is not None


def test_it_is_off_until_it_is_switched_on() -> None:
    assert SCHEDULE.default_status is dg.DefaultScheduleStatus.STOPPED


def with_zone(folder: Path, zone: str) -> Path:
    path = folder / "climb.yaml"
    path.write_text(f"profile: smoke\ndagster: {{timezone: {zone}}}\n")
    return path


def test_its_clock_is_a_setting_and_shown(tmp_path: Path) -> None:
    schedule = daily_refresh(load_config(with_zone(tmp_path, "Asia/Tokyo")))
    assert schedule.execution_timezone == "Asia/Tokyo"
    assert "3:00 Asia/Tokyo" in (schedule.description or "")
    assert SCHEDULE.execution_timezone == "UTC" and "3:00 UTC" in (SCHEDULE.description or "")


@pytest.mark.parametrize("zone", ["Berlin", "../UTC", "Europe", "''", "+01:00"])
def test_a_clock_that_nobody_knows_is_refused(tmp_path: Path, zone: str) -> None:
    with pytest.raises(ConfigError, match=r"dagster.*is not known; give a name such as UTC"):
        load_config(with_zone(tmp_path, zone))

"""Which executor a configuration gets."""

import pytest
from pydantic import ValidationError

from climb_assets.config import Runtime
from climb_assets.errors import ConfigError
from climb_assets.executor import backends
from climb_assets.executor.backends import make_executor
from climb_assets.executor.local import LocalExecutor
from tests.climb_assets.executor.backends import needs_ray


def test_work_stays_on_this_machine_unless_asked() -> None:
    assert isinstance(make_executor(Runtime()), LocalExecutor)


@needs_ray
def test_ray_is_asked_for_by_name_and_starts_nothing_yet() -> None:
    from climb_assets.executor.ray import RayExecutor

    assert isinstance(make_executor(Runtime(backend="ray", ray={"address": "10.0.0.5:6379"})), RayExecutor)


def test_what_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "is_installed", lambda name: False)
    with pytest.raises(ConfigError, match=r"pip install 'climb\[ray\]'"):
        make_executor(Runtime(backend="ray"))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"address": "ray://10.0.0.5:10001"}, "start climb on a machine of the cluster"),
        ({"gpus": 2}, "less than or equal to 1"),
        ({"num_gpus": 1}, "Extra inputs"),
    ],
)
def test_settings_of_ray_are_strict(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Runtime(backend="ray", ray=settings)

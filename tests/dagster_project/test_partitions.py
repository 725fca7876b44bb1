"""What Dagster is told of an asset beside its code: whose it is, how to find it, how old it may be."""

from pathlib import Path

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from climb_assets.config import Config
from climb_assets.config_dagster import Dagster
from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from dagster_project.partitions import asset_options


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return the configuration of the profile smoke."""
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    return load_config(tmp_path / "climb.yaml")


def options(config: Config, asset: str, **settings: object) -> dg.AssetSpec:
    """Return an asset as it is declared under some settings of Dagster."""
    config = config.model_copy(update={"dagster": Dagster.model_validate(settings)})
    return dg.AssetSpec(asset, **asset_options(asset, config))


@pytest.mark.parametrize("asset", [spec.asset for spec in SPECS])
def test_every_asset_has_an_owner_and_a_link_to_its_code(config: Config, asset: str) -> None:
    spec = options(config, asset)
    assert spec.owners == ["team:data-platform"]
    (reference,) = spec.metadata["dagster/code_references"].code_references
    assert Path(reference.file_path).name == "assets.py" and reference.label.endswith(f".{asset}")


def test_owners_tags_and_freshness_are_the_users(config: Config) -> None:
    settings = {"owners": ["team:corpora", "ada@example.org"], "tags": {"project": "nine"}, "corpus_fresh_hours": 36}
    spec = options(config, "corpus_manifest", **settings)
    assert spec.owners == settings["owners"]
    assert spec.tags["project"] == "nine"
    assert spec.freshness_policy is not None
    assert options(config, "domains", **settings).freshness_policy is None


WORDS = st.text(st.sampled_from("aB9._-@:+% \n/é"), max_size=12)


@given(st.one_of(WORDS, WORDS.map("team:{}".format), st.builds("{}@{}.org".format, WORDS, WORDS)))
def test_an_owner_that_the_configuration_takes_dagster_takes(owner: str) -> None:
    try:
        owners = Dagster.model_validate({"owners": [owner]}).owners
    except ValidationError:
        return
    assert list(dg.AssetSpec("asset", owners=list(owners)).owners) == [owner]


@given(WORDS, WORDS)
def test_a_tag_that_the_configuration_takes_dagster_takes(key: str, value: str) -> None:
    try:
        tags = Dagster.model_validate({"tags": {key: value}}).tags
    except ValidationError:
        return
    assert dg.AssetSpec("asset", tags=tags).tags == {key: value}


@pytest.mark.parametrize("owner", ["team:", "data-platform", "ada@", "ada@example.org\n"])
def test_owners_that_are_none_are_refused(owner: str) -> None:
    with pytest.raises(ValidationError):
        Dagster.model_validate({"owners": [owner]})

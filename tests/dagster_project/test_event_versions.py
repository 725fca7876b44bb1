"""The versions that Dagster knows of an asset."""

import dagster as dg

from dagster_project.event_tags import DATA_VERSION
from dagster_project.event_versions import latest_versions


def report(instance: dg.DagsterInstance, asset: str, partition: str | None, version: str) -> None:
    """Report an asset as made elsewhere."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset, partition=partition, tags={DATA_VERSION: version})
    )


def test_latest_versions_of_partitions() -> None:
    instance = dg.DagsterInstance.ephemeral()
    report(instance, "shards", "old", "v1")
    for number in range(20):
        report(instance, "shards", "busy", f"v{number}")
    report(instance, "shards", "unasked", "v1")
    found = latest_versions(instance, "shards", ["old", "busy", "never"])
    assert found == {"old": "v1", "busy": "v19"}


def test_latest_version_of_an_asset_without_partitions() -> None:
    instance = dg.DagsterInstance.ephemeral()
    assert latest_versions(instance, "whole", [None]) == {}
    for version in ("v1", "v2"):
        report(instance, "whole", None, version)
    assert latest_versions(instance, "whole", [None]) == {None: "v2"}

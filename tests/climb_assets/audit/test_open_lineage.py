"""Events are as OpenLineage's schema asks, in the words of the classes that its makers generate from that schema.

The schema itself (``OpenLineage.json`` 2-0-2 and one file a facet) comes with no package. Its classes do: they tell
which fields an object must have, of which types, and by which URL a facet is known.
"""

import enum
import functools
import importlib
import json
import pkgutil
import types
import typing
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attr
import jsonschema
import pytest
from openlineage.client import generated
from openlineage.client.generated.base import BaseFacet, RunEvent

from climb_assets.audit.bundle_export import EVENTS

PLAIN: dict[Any, dict[str, Any]] = {str: {"type": "string"}, int: {"type": "integer"}, bool: {"type": "boolean"}}
FACET_FIELDS = ("_producer", "_schemaURL")


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a type that generated classes use; a field that is None is left out of an event."""
    if kind in PLAIN:
        return PLAIN[kind]
    whole, arguments = typing.get_origin(kind), typing.get_args(kind)
    if whole in (types.UnionType, typing.Union):
        (there,) = [one for one in arguments if one is not types.NoneType]
        return schema_of(there)
    if whole is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if whole is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if issubclass(kind, enum.Enum):
        return {"enum": [one.value for one in kind]}
    hints = typing.get_type_hints(kind)
    needed = [field.name for field in attr.fields(kind) if field.default is attr.NOTHING]
    needed += FACET_FIELDS if issubclass(kind, BaseFacet) else ()
    fields = {field.name: schema_of(hints[field.name]) for field in attr.fields(kind)}
    is_base = (
        issubclass(kind, BaseFacet) and kind.__module__ == BaseFacet.__module__
    )  # any facet, with fields of its own
    return {"type": "object", "properties": fields, "required": needed, "additionalProperties": is_base}


def facet_classes() -> dict[str, Any]:
    """Return the class of each facet that OpenLineage knows, by its URL."""
    modules = (f"{generated.__name__}.{module.name}" for module in pkgutil.iter_modules(generated.__path__))
    found = (one for name in modules for one in vars(importlib.import_module(name)).values())
    return {one._get_schema(): one for one in found if isinstance(one, type) and issubclass(one, BaseFacet)}


def facets_of(value: Any) -> list[dict[str, Any]]:
    """Return every facet in an event, at any depth."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [facet for one in inner for facet in facets_of(one)]
    return [value, *found] if isinstance(value, dict) and "_schemaURL" in value else found


def test_each_event_and_each_facet_in_it_is_as_its_schema_asks(folder: Path) -> None:
    known, seen = facet_classes(), set()
    event_schema = schema_of(RunEvent)
    event_schema["required"] += ["producer", "schemaURL", "eventType"]
    events = jsonschema.Draft202012Validator(event_schema)
    facets = functools.cache(lambda url: jsonschema.Draft202012Validator(schema_of(known[url])))
    for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        events.validate(event)
        assert event["schemaURL"] == RunEvent._get_schema() and urlsplit(event["producer"]).scheme == "urn"
        assert datetime.fromisoformat(event["eventTime"]).utcoffset() == timedelta(0)
        assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
        for facet in facets_of(event):  # all are OpenLineage's own; one of ours would need a prefix and a schema
            facets(facet["_schemaURL"]).validate(facet)
            assert facet["_producer"] == event["producer"]
            seen.add(known[facet["_schemaURL"]].__name__)
    assert {"JobTypeJobFacet", "ExecutionParametersRunFacet", "DatasetVersionDatasetFacet"} < seen


def test_what_the_schema_forbids_is_told() -> None:
    """Else the test above would pass whatever it is given."""
    event = {"eventTime": "2026-01-01T00:00:00Z", "run": {"runId": "x"}, "job": {"namespace": "a", "name": "b"}}
    jsonschema.validate(event, schema_of(RunEvent))
    for wrong in ({"run": {}}, {"job": {"name": "b"}}, {"eventType": "DONE"}, {"inputs": [{"name": "x"}]}, {"more": 1}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(event | wrong, schema_of(RunEvent))
    unsigned = {"run": {"runId": "x", "facets": {"mine": {"key": "value"}}}}
    with pytest.raises(jsonschema.ValidationError, match="'_producer' is a required property"):
        jsonschema.validate(event | unsigned, schema_of(RunEvent))


def test_each_making_is_two_events_of_one_run(folder: Path) -> None:
    events = [json.loads(line) for line in (folder / EVENTS).read_text(encoding="utf-8").splitlines()]
    facts, listed = (json.loads((folder / name).read_text()) for name in ("run_facts.json", "environment.json"))
    assert len(events) == 2 * len(facts) and all("ended" in told for told in facts.values())
    for start, complete in zip(events[::2], events[1::2], strict=True):
        assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
        assert (start["run"], start["job"]) == (complete["run"], complete["job"])
        assert start["eventTime"] <= complete["eventTime"]
    assert len({event["run"]["runId"] for event in events}) == len(facts)
    (corpus,) = [event for event in events if event["job"]["name"] == "mixed_corpus" and event.get("outputs")]
    assert {one["name"] for one in corpus["inputs"]} >= {"optimal_mixture@general", "corpus_shards@first.jsonl"}
    assert corpus["outputs"][0]["name"] == "mixed_corpus@general"
    assert sorted(name for one in listed for name in one["made"]) == sorted(facts)
    assert any("package torch" in one["environment"] for one in listed)

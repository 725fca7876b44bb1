"""A lineage as events of OpenLineage, as a running pipeline would have sent them: one job for each asset.

What belongs here: the words of OpenLineage, by the classes of its client. Nothing is sent; what reads events from a
file takes them from the bundle.
"""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from climb_assets.audit.described_lineage import DescribedLineage
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import canonical_json

NAMESPACE = "climb"


def tell_events(lineage: DescribedLineage) -> Iterator[str]:
    """Yield the events of each making, as JSON on one line; of what nobody knows when it ended there are none."""
    from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import job_type_job
    from openlineage.client.serde import Serde

    producer = f"urn:climb:{lineage.version}"
    kind = job_type_job.JobTypeJobFacet("BATCH", "CLIMB", "ASSET", producer=producer)
    for name, node in lineage.nodes():
        began, ended = lineage.times(name)
        if ended is None:
            continue
        run = Run(
            str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:climb:{name}")), _describe_run(lineage, name, node, producer)
        )
        job = Job(NAMESPACE, node["asset"], {"jobType": kind})
        start, complete = (
            RunEvent(eventTime=at.isoformat(), producer=producer, run=run, job=job, eventType=state)
            for at, state in ((began or ended, RunState.START), (ended, RunState.COMPLETE))
        )
        complete.inputs, complete.outputs = _inputs(node, producer), _outputs(node, producer)
        yield Serde.to_json(start)
        yield Serde.to_json(complete)


def _describe_run(lineage: DescribedLineage, name: str, node: Mapping[str, Any], producer: str) -> dict[str, Any]:
    from openlineage.client.facet_v2 import execution_parameters_run

    facts = lineage.facts.get(name, {})
    parameters = {
        "fingerprint": node["fingerprint"],
        "code_version": node["code_version"],
        "settings": canonical_json(lineage.settings(node)),
        "environment": canonical_json(facts.get("environment", {})),
        "host": facts.get("host"),
    }
    given = [
        execution_parameters_run.ExecutionParameter(key, value=value)
        for key, value in parameters.items()
        if value is not None
    ]
    return {"executionParameters": execution_parameters_run.ExecutionParametersRunFacet(given, producer=producer)}


def _version(version: str, producer: str) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset

    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(version, producer=producer)}


def _inputs(node: Mapping[str, Any], producer: str) -> list[Any]:
    from openlineage.client.event_v2 import InputDataset

    return [
        InputDataset(NAMESPACE, name, facets=_version(version, producer)) for name, version in node["inputs"].items()
    ]


def _outputs(node: Mapping[str, Any], producer: str) -> list[Any]:
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset

    size = sum(file["bytes"] for file in node["files"].values())
    written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        size=size, fileCount=len(node["files"]), producer=producer
    )
    name = artefact_name(node["asset"], node["partition"])
    facets = _version(node["data_version"], producer)
    return [OutputDataset(NAMESPACE, name, facets=facets, outputFacets={"outputStatistics": written})]

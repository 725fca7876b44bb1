"""A lineage written down: what ``lineage.json`` of an audit bundle holds, and how it is read.

What belongs here: its form. It names everything by hash, so that the lake can be held against it and `climb gc` keeps
what it names. Other forms of it are made from this one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from climb_assets.audit.lineage import Lineage
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import Artifact

LINEAGE = "lineage.json"

KEPT = ("asset", "partition", "fingerprint", "data_version", "code_version", "code", "inputs", "files")


@dataclass(frozen=True)
class DescribedLineage:
    """A lineage that was written down, with what else is known of each node: what other forms of it are made from.

    Parameters
    ----------
    written
        What `describe_lineage` returns.
    parameters
        The settings of each artefact by ``asset`` or ``asset@partition``, of each model by ``asset/fingerprint``.
    facts
        The run facts of each, by `name_of_node`; empty where they are not known.
    version
        Of climb.
    """

    written: Mapping[str, Any]
    parameters: Mapping[str, Any]
    facts: Mapping[str, Mapping[str, Any]]
    version: str

    def nodes(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield each artefact and model once, with its name."""
        yield from {name_of_node(node): node for node in nodes_of(self.written)}.items()

    def settings(self, node: Mapping[str, Any]) -> Any:
        """Return the settings by which something was made; None where they are not told, as of a fit."""
        name = artefact_name(node["asset"], node["partition"])
        today = self.written["nodes"].get(name, {}).get("fingerprint") == node["fingerprint"]
        return self.parameters.get(name if today else f"{node['asset']}/{node['fingerprint']}")

    def times(self, name: str) -> tuple[datetime | None, datetime | None]:
        """Return when the making of something began and ended, as far as that was recorded."""
        facts = self.facts.get(name, {})
        if "ended" not in facts:
            return None, None
        ended = datetime.fromisoformat(facts["ended"])
        return (ended - timedelta(seconds=facts["seconds"]) if "seconds" in facts else None), ended


def describe_lineage(lineage: Lineage, models: Sequence[Artifact]) -> dict[str, Any]:
    """Return a lineage and the models that it rests on, as JSON."""
    nodes = {name: _node(artifact) for name, artifact in lineage.artefacts.items()}
    trained = [_model_node(model) for model in sorted(models, key=lambda model: model.fingerprint)]
    described = {"nodes": nodes, "edges": lineage.edges, "outside": lineage.outside, "proxy_models": trained}
    return described | {"fits": {name: _describe_fit(fit, lineage) for name, fit in sorted(lineage.fits.items())}}


def _describe_fit(fit: Lineage, today: Lineage) -> dict[str, Any]:
    """Return what a kept artefact was fitted on: what is as it is today by name, and what the lake no longer holds."""
    same = {
        name
        for name, artifact in fit.artefacts.items()
        if name in today.artefacts and today.artefacts[name].fingerprint == artifact.fingerprint
    }
    others = {name: artifact for name, artifact in fit.artefacts.items() if name not in same}
    nodes = {name: _node(artifact) for name, artifact in others.items()}
    outside = {name: version for name, version in fit.outside.items() if today.outside.get(name) != version}
    return {
        "as_today": sorted(same),
        "nodes": nodes,
        "gone": fit.gone,
        "outside": outside,
        "raw_files": list_raw_files(others),
        "fits": {name: _describe_fit(inner, today) for name, inner in sorted(fit.fits.items())},
    }


def list_raw_files(artefacts: Mapping[str, Artifact]) -> list[dict[str, Any]]:
    """Return path, bytes and SHA-256 of each raw file that some artefacts were read from, by path."""
    shards = [artifact for artifact in artefacts.values() if artifact.asset == "raw_shards"]
    files = [record for artifact in shards for record in artifact.json("files.json")["files"]]
    return sorted(files, key=lambda record: str(record["path"]))


def _node(artifact: Artifact) -> dict[str, Any]:
    return {key: artifact.manifest[key] for key in KEPT}


def _model_node(model: Artifact) -> dict[str, Any]:
    """Return a model with who has trained it."""
    trainer = trainer_of(model)
    return _node(model) | ({} if trainer is None else {"trainer": trainer})


def trainer_of(model: Artifact) -> Any:
    """Return what a model's manifest says of its trainer, or who has told of it; None for climb's own loop."""
    return model.summary.get("told", model.manifest["config"].get("training", {}).get("trainer"))


def nodes_of(described: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the artefacts of a lineage that was written down, those of its fits and its models too.

    Raises
    ------
    LookupError, TypeError, AttributeError
        It is none.
    """
    yield from described["nodes"].values()
    for fit in described.get("fits", {}).values():
        yield from nodes_of(fit)
    yield from described.get("proxy_models", ())


def name_of_node(node: Mapping[str, Any]) -> str:
    """Return the one name of an artefact or model of a lineage that was written down."""
    return "/".join(str(part) for part in (node["asset"], node["partition"], node["fingerprint"]) if part is not None)

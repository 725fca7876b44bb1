"""A lineage as W3C PROV: what was made (entities), how (activities), and who answers for it (agents).

What belongs here: the words of PROV. The library `prov` writes them as PROV-JSON.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from climb_assets.audit.described_lineage import DescribedLineage, name_of_node
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import canonical_json

NAMESPACE = "urn:climb:"


def describe_provenance(
    lineage: DescribedLineage,
    raw_files: Iterable[Mapping[str, Any]],
    used_by: Iterable[tuple[str, str]],
    owners: Sequence[str],
) -> str:
    """Return the lineage of a bundle as PROV-JSON.

    Parameters
    ----------
    raw_files
        Path, bytes and SHA-256 of each.
    used_by
        Which artefact rests on which model: the name of the one and the fingerprint of the other.
    owners
        Who answers for the data set: ``team:name`` or an e-mail address.
    """
    from prov.constants import PROV
    from prov.model import ProvDocument

    document = ProvDocument()
    document.add_namespace("climb", NAMESPACE)
    software = document.agent(_id("software", "climb"), {"prov:type": PROV["SoftwareAgent"]})
    known: dict[tuple[str, str], Any] = {}  # entities, by name and data version
    models: dict[str, Any] = {}
    for name, node in lineage.nodes():
        entity = document.entity(_id("artefact", name), _describe_entity(node))
        known.setdefault((artefact_name(node["asset"], node["partition"]), node["data_version"]), entity)
        models.setdefault(node["fingerprint"], entity)
    for name, node in lineage.nodes():
        began, ended = lineage.times(name)
        making = document.activity(_id("making", name), began, ended, _describe_making(lineage, name, node))
        document.wasGeneratedBy(_id("artefact", name), making, ended)
        document.wasAssociatedWith(making, software)
        for needed, version in node["inputs"].items():
            if (needed, version) not in known:  # outside the lake, or no longer in it
                label = {"prov:label": needed, "climb:version": version}
                known[needed, version] = document.entity(_id("input", f"{needed}/{version}"), label)
            document.used(making, known[needed, version])
    for name, fingerprint in used_by:
        document.used(_id("making", name_of_node(lineage.written["nodes"][name])), models[fingerprint])
    for raw in raw_files:
        described = {"prov:label": raw["path"], "climb:sha256": raw["sha256"], "climb:bytes": raw["bytes"]}
        file = document.entity(_id("raw_file", f"{raw['path']}/{raw['sha256']}"), described)
        shard = f"raw:{raw['path'].partition('/')[0]}"
        document.hadMember(known[shard, lineage.written["outside"][shard]], file)
    for owner in owners:
        kind = PROV["Organization" if owner.startswith("team:") else "Person"]
        agent = document.agent(_id("owner", owner), {"prov:type": kind, "prov:label": owner})
        document.actedOnBehalfOf(software, agent)
        for name, node in lineage.written["nodes"].items():
            if node["asset"] == "mixed_corpus":
                document.wasAttributedTo(known[name, node["data_version"]], agent)
    return str(document.serialize(format="json", indent=1)) + "\n"


def _id(kind: str, name: str) -> str:
    return f"climb:{kind}/{quote(name, safe='/@._-')}"


def _describe_entity(node: Mapping[str, Any]) -> dict[str, Any]:
    files = {name: file["sha256"] for name, file in node["files"].items()}
    return {
        "prov:label": artefact_name(node["asset"], node["partition"]),
        "climb:asset": node["asset"],
        "climb:fingerprint": node["fingerprint"],
        "climb:data_version": node["data_version"],
        "climb:sha256_of_files": canonical_json(files),
    }


def _describe_making(lineage: DescribedLineage, name: str, node: Mapping[str, Any]) -> dict[str, Any]:
    facts = lineage.facts.get(name, {})
    described = {
        "prov:label": f"making of {artefact_name(node['asset'], node['partition'])}",
        "climb:code_version": node["code_version"],
        "climb:code": canonical_json(node["code"]),
        "climb:trainer": canonical_json(node["trainer"]) if "trainer" in node else None,
        "climb:parameters": canonical_json(lineage.settings(node)) if lineage.settings(node) is not None else None,
        "climb:host": facts.get("host"),
        "climb:seconds": facts.get("seconds"),
        "climb:environment": canonical_json(facts["environment"]) if "environment" in facts else None,
    }
    return {key: value for key, value in described.items() if value is not None}

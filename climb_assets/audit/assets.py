"""Assets of the audit stage. Bodies only; the compute lies beside."""

import dagster as dg

from climb_assets.audit.bundle import write_bundle
from climb_assets.audit.lineage import Closure, trace
from climb_assets.config import Config
from climb_assets.errors import MissingArtifact
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.tables import read_table
from climb_assets.training.job import MODELS
from climb_assets.training.reweighting import DOREMI
from dagster_project.reporting import Climb, declare, result

MODELS_TABLE = "models.parquet"  # of every artefact that rests on trained models


def audit_bundle(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Everything an auditor needs, in one folder: documents, raw files, lineage, parameters, checksums, report."""
    objective = context.partition_key

    def write(draft: Draft) -> None:
        roots = [climb.get(asset, objective) for asset in ("mixed_corpus", "target_comparison")]
        closure = trace(climb.store, roots)
        draft.summary |= write_bundle(objective, closure, trained_models(climb, closure), draft.path)

    made = climb.make("audit_bundle", objective, write)
    return result(made, {"report": dg.MetadataValue.md(made.artifact.file("report.md").read_text())})


def trained_models(climb: Materializer, closure: Closure) -> list[Artifact]:
    """Return the models that the artefacts of a closure rest on, from the store of proxies and from DoReMi's."""
    found: dict[str, Artifact] = {}
    for artifact in closure.artefacts.values():
        used = [(DOREMI, artifact.summary["doremi"])] if "doremi" in artifact.summary else []
        if MODELS_TABLE in artifact.manifest["files"]:
            used += [(MODELS, row) for row in read_table(artifact.file(MODELS_TABLE)).to_pylist()]
        for store, identity in used:
            model = climb.store.find(store, None, identity["fingerprint"])
            if model is None or model.data_version != identity["data_version"]:
                raise MissingArtifact(
                    f"{artifact.asset} rests on the model {identity['fingerprint']}, which is not in {store}; "
                    f"run `climb up --to {artifact.asset}`"
                )
            found[model.fingerprint] = model
    return list(found.values())


def audit_assets(config: Config) -> list[dg.AssetsDefinition]:
    """Return the assets of this stage."""
    return [declare(audit_bundle, config)]

"""How the audit bundle comes about.

What belongs here: one function an asset, which hands inputs to the compute beside and writes into the draft.
"""

from climb_assets.audit.bundle import write_bundle
from climb_assets.audit.lineage import trace, trained_models
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Draft


def audit_bundle(climb: Materializer, objective: str, draft: Draft) -> None:
    """Everything an auditor needs, in one folder: documents, raw files, lineage, parameters, checksums, report."""
    roots = [climb.get(asset, objective) for asset in ("mixed_corpus", "target_comparison")]
    lineage = trace(climb.store, roots)
    draft.summary |= write_bundle(
        objective, lineage, trained_models(climb.store, lineage.artefacts.values()), draft.path
    )

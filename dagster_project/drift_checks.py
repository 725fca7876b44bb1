"""What is said of each measure of drift, as asset checks that warn: which is beyond its noise, and by how much.

What belongs here: the sentences. The measures and their noise are `climb_assets.clusters.drift`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from climb_assets.clusters.drift import DISTANCE, FAR_SHARE, MEASURES, NEAR_DUPLICATES, SHIFT, TOKEN_SHARE, read_drift
from climb_assets.graph.materializer import Materializer
from climb_assets.printable import printable
from climb_assets.store.artifacts import Artifact

SHOWN = 3  # domains, by name
CHECKED = {  # measure: name of its check, how its sentence begins, whether it is a share
    TOKEN_SHARE: ("token_shares_hold", "Share of tokens that moved between domains", True),
    DISTANCE: ("distances_hold", "Mean distance to the centroids", False),
    FAR_SHARE: ("few_documents_are_far", "Share of documents farther than 99 % of those of the fit", True),
    SHIFT: ("embeddings_hold", "Shift of the mean embedding", False),
    NEAR_DUPLICATES: ("few_new_near_duplicates", "Share of near-duplicates", True),
}
Judge = Callable[[Materializer, Sequence[Artifact]], tuple[bool, str, Mapping[str, Any]]]


def describe_check(measure: str) -> tuple[str, str]:
    """Return the name of the check of a measure, and what it asks."""
    return CHECKED[measure][0], f"Chance alone explains, of all documents and of each domain: {MEASURES[measure]}."


def judge(measure: str) -> Judge:
    """Return what judges a measure: whether nothing is beyond its noise, one sentence, and the figures."""
    _, begins, is_share = CHECKED[measure]

    def tell(value: float | None, sign: str = "") -> str:
        if value is None:
            return "none"
        return f"{100 * value:{sign}.2f} %" if is_share else f"{value:{sign}.4f}"

    def of_measure(climb: Materializer, made: Sequence[Artifact]) -> tuple[bool, str, Mapping[str, Any]]:
        *domains, whole = read_drift(made[-1].file("drift.parquet"), measure)
        beyond = sorted((row for row in domains if row["beyond"]), key=lambda row: -abs(row["difference"]))
        named = [f"{printable(row['name'])} ({tell(row['difference'], '+')})" for row in beyond[:SHOWN]]
        more = f" and {len(beyond) - SHOWN} more" if len(beyond) > SHOWN else ""
        of_domains = (
            f"beyond the noise of a domain: {', '.join(named)}{more}" if named else "no domain is beyond its noise"
        )
        told = (
            f"{begins}: {tell(whole['today'])} ({tell(whole['fit'])} at the fit); a difference of "
            f"{tell(whole['threshold'])} is noise; {of_domains}."
        )
        shown = {name: whole[name] for name in ("fit", "today", "difference", "threshold") if whole[name] is not None}
        return not (beyond or whole["beyond"]), told, shown | {"domains beyond": len(beyond)}

    return of_measure

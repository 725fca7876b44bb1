"""The audit bundle: one folder that answers which documents, code and parameters made a mixture.

What belongs here: collecting from manifests and writing it down. Equal lakes have equal bundles, so nothing in it tells
when or where something was made; `bundle_export` adds that when a bundle is handed out.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from climb_assets.audit.described_lineage import LINEAGE, describe_lineage, list_raw_files, trainer_of
from climb_assets.audit.disclosures import write_disclosures
from climb_assets.audit.documents import DOCUMENTS_TABLE, ROOT, describe_root, write_documents
from climb_assets.audit.lineage import MODELS_TABLE, Lineage
from climb_assets.audit.lineage_facts import gather_facts
from climb_assets.mixture.changes import REALISED, SAMPLE
from climb_assets.mixture.croissant import describe_data_set
from climb_assets.printable import markdown_cell, markdown_table
from climb_assets.store.artifacts import Artifact, canonical_json
from climb_assets.tables import read_table, write_table

RAW_FILES, PARAMETERS, PROXIES, MIXTURES = "raw_files.json", "parameters.json", "proxies.parquet", "mixtures.parquet"
CROISSANT = "croissant.json"

PROXY_ROWS = pa.schema(  # which model was trained for what; `key` names its mixture
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("used_by", "key")),
        pa.field("repeat", pa.int32(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("fingerprint", "data_version")),
    ]
)


def write_bundle(objective: str, lineage: Lineage, proxies: Sequence[Artifact], out: Path) -> dict[str, Any]:
    """Write the bundle of one objective.

    Parameters
    ----------
    lineage
        Everything its mixed corpus and its comparison rest on.
    proxies
        The trained models behind the results, from the proxy store.

    Returns
    -------
    Facts: artefacts, raw files, documents, and the root over the documents.
    """
    artefacts = lineage.artefacts
    corpus, mixture = artefacts[f"mixed_corpus@{objective}"], artefacts[f"optimal_mixture@{objective}"]
    shards = {str(made.partition): made for made in artefacts.values() if made.asset == "corpus_shards"}
    paths = {shard: made.file("documents.parquet") for shard, made in shards.items()}
    documents = write_documents(corpus.file(SAMPLE), paths, corpus.file(REALISED), out / DOCUMENTS_TABLE)
    root = describe_root(out / DOCUMENTS_TABLE)
    write_json(out / ROOT, root)
    raw = list_raw_files(artefacts)
    write_json(out / RAW_FILES, raw)
    write_json(out / LINEAGE, describe_lineage(lineage, proxies))
    write_json(out / PARAMETERS, _describe_parameters(lineage, proxies))
    _write_proxies(artefacts, out / PROXIES)
    facts = gather_facts(objective, artefacts, out / DOCUMENTS_TABLE, root["root"])
    read = set(read_table(out / DOCUMENTS_TABLE, columns=["file"])["file"].unique().to_pylist())
    origins = [file for file in raw if file["path"] in read]
    write_json(out / CROISSANT, describe_data_set(f"climb-{objective}", corpus, origins, facts.licences, root["root"]))
    write_disclosures(facts, out)
    report = _report(objective, lineage, proxies, len(raw), documents)
    (out / "report.md").write_text(report, encoding="utf-8")
    for name in ("selection.json", "weights.parquet"):
        shutil.copyfile(mixture.file(name), out / name)
    shutil.copyfile(_last_history(mixture, artefacts), out / MIXTURES)
    shutil.copyfile(artefacts[f"target_comparison@{objective}"].file("comparison.parquet"), out / "comparison.parquet")
    return {
        "artefacts": len(artefacts),
        "proxies": len(proxies),
        "raw_files": len(raw),
        "documents": documents,
        "documents_root": root["root"],
    }


def write_json(path: Path, value: Any) -> None:
    """Write a file of a bundle: equal values give equal bytes."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read what `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def _describe_parameters(lineage: Lineage, proxies: Iterable[Artifact]) -> dict[str, Any]:
    """Return the settings by which each artefact and each model was made, by name; models have their fingerprint."""
    made = {name: artifact.manifest["config"] for name, artifact in lineage.artefacts.items()}
    return made | {f"{model.asset}/{model.fingerprint}": model.manifest["config"] for model in proxies}


def _write_proxies(artefacts: Mapping[str, Artifact], out: Path) -> None:
    """Write which models were trained, for which artefact, on which mixture."""
    tables = [pa.Table.from_pylist([], schema=PROXY_ROWS)]
    for name, artifact in sorted(artefacts.items()):
        if MODELS_TABLE in artifact.manifest["files"]:
            models = read_table(artifact.file(MODELS_TABLE))
            used_by = pa.array([name] * models.num_rows, pa.string())
            tables.append(models.append_column("used_by", used_by).select(PROXY_ROWS.names).cast(PROXY_ROWS))
    write_table(out, pa.concat_tables(tables).combine_chunks())


def _last_history(mixture: Artifact, artefacts: Mapping[str, Artifact]) -> Path:
    """Return the table of all mixtures that the search has measured, each with its iteration and its losses."""
    last = next(name for name in mixture.manifest["inputs"] if name.startswith("predictor_state@"))
    return artefacts[last].file("history.parquet")


def _report(objective: str, lineage: Lineage, proxies: Sequence[Artifact], raw_files: int, documents: int) -> str:
    """Return the report that a person reads first."""
    artefacts = lineage.artefacts
    mixture = artefacts[f"optimal_mixture@{objective}"]
    selection = mixture.json("selection.json")
    rows = read_table(mixture.file("weights.parquet")).to_pylist()
    lines = [f"# Audit of the mixture for {objective}", ""]
    lines += [f"Data version {artefacts[f'mixed_corpus@{objective}'].data_version}: {documents} documents", ""]
    lines += [f"It rests on {len(artefacts)} artefacts and {raw_files} raw files; see lineage.json.", ""]
    lines += [line for told in _describe_trainers(proxies) for line in (told, "")]
    lines += [line for name, fit in sorted(lineage.fits.items()) for line in (_describe_kept(name, fit, lineage), "")]
    shares = [
        (
            str(row["domain"]),
            markdown_cell(row["name"]),
            *(f"{row[name]:.4f}" for name in ("weight", "confirmed", "prior")),
        )
        for row in rows
    ]
    lines += [
        *markdown_table(("domain", "name", "weight", "confirmed", "share of the corpus"), shares),
        "",
        f"It is the {selection['origin']}; the limits of today's supply moved it by {selection['adapted_by']:.4f}.",
        "",
        f"Fresh seeds: {selection['evidence']['conclusion']}." if selection["evidence"] else "It was not confirmed.",
        "",
    ]
    comparisons = read_table(artefacts[f"target_comparison@{objective}"].file("comparison.parquet")).to_pylist()
    of_family = {row["family"]: row["comparisons"] for row in comparisons}
    counted = " and ".join(f"of all {number} {family} comparisons" for family, number in sorted(of_family.items()))
    lines += [f"Target models. The intervals {counted} hold together.", ""]
    columns = ("against", "measure", "family", "difference", "interval", "verdict")
    told = [
        (
            markdown_cell(row["arm"]),
            markdown_cell(row["measure"]),
            row["family"],
            f"{row['difference']:+.4f}",
            f"{row['low']:+.4f} to {row['high']:+.4f}",
            row["verdict"],
        )
        for row in comparisons
    ]
    lines += markdown_table(columns, told)
    return "\n".join(lines) + "\n"


def _describe_trainers(models: Sequence[Artifact]) -> list[str]:
    """Return who has trained models that climb has not, in one sentence each."""
    trainers = Counter(canonical_json(trainer) for model in models if (trainer := trainer_of(model)) is not None)
    return [
        f"{count} of its {len(models)} models were trained elsewhere: {who}." for who, count in sorted(trainers.items())
    ]


def _describe_kept(name: str, fit: Lineage, today: Lineage) -> str:
    """Return on what a kept artefact was fitted, in one sentence."""
    shards = {one for one in (*fit.artefacts, *fit.gone) if one.startswith("corpus_shards@")}
    there = shards & fit.artefacts.keys() & today.artefacts.keys()
    same = {one for one in there if fit.artefacts[one].data_version == today.artefacts[one].data_version}
    gone = f"; the lake no longer holds {len(fit.gone)} of the artefacts that it was made from" if fit.gone else ""
    return f"{name} is kept: it was fitted on {len(shards)} shards, {len(same)} of which are as they were{gone}."

"""The audit bundle: one folder that answers which documents, code and parameters made a mixture.

What belongs here: collecting from manifests and writing it down. The bundle names everything by hash, so that
`verification` can hold the lake against it.
"""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from climb_assets.audit.lineage import Lineage
from climb_assets.errors import ComputeError, ConfigError
from climb_assets.executor.database import open_database
from climb_assets.export.folder import IDENTITY
from climb_assets.mixture.pool import load_sample
from climb_assets.store.artifacts import Artifact, canonical_json, sha256_file
from climb_assets.tables import ROW_GROUP, count_rows, read_table, write_table

CHECKSUMS, LINEAGE = "SHA256SUMS", "lineage.json"

_ORIGIN = (
    "CREATE TABLE origin (shard VARCHAR, id VARCHAR, file VARCHAR, record BIGINT, source VARCHAR, licence VARCHAR)"
)
_COLLECT = """
INSERT INTO origin SELECT $shard, id, file, record, source, licence
FROM read_parquet($documents, hive_partitioning = false) WHERE id IN (SELECT id FROM sample WHERE shard = $shard)
"""
_DOCUMENTS = "SELECT * FROM sample JOIN origin USING (shard, id) ORDER BY domain, id, shard"


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
    Facts: artefacts, raw files, documents.
    """
    artefacts = lineage.artefacts
    sample = artefacts[f"mixed_corpus@{objective}"].file("sample.parquet")
    shards = {str(made.partition): made for made in artefacts.values() if made.asset == "corpus_shards"}
    paths = {shard: made.file("documents.parquet") for shard, made in shards.items()}
    documents = write_documents(sample, paths, out / "documents.parquet")
    raw = _raw_files(artefacts)
    _write(out / "raw_files.json", raw)
    _write(out / LINEAGE, _describe(lineage, proxies))
    _write(out / "parameters.json", {name: made.manifest["config"] for name, made in sorted(artefacts.items())})
    report = _report(objective, lineage, proxies, len(raw), documents)
    (out / "report.md").write_text(report, encoding="utf-8")
    for name in ("selection.json", "weights.parquet"):
        shutil.copyfile(artefacts[f"optimal_mixture@{objective}"].file(name), out / name)
    shutil.copyfile(artefacts[f"target_comparison@{objective}"].file("comparison.parquet"), out / "comparison.parquet")
    sums = [f"{sha256_file(path)}  {path.name}" for path in sorted(out.iterdir()) if path.is_file()]
    (out / CHECKSUMS).write_text("\n".join(sums) + "\n", encoding="utf-8")
    return {
        "artefacts": len(artefacts),
        "proxies": len(proxies),
        "raw_files": len(raw),
        "documents": documents,
    }


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def write_documents(sample: Path, shards: Mapping[str, Path], out: Path) -> int:
    """Write every document of a data set: shard, id, domain, tokens, copies, raw file, record; return their number.

    Parameters
    ----------
    sample
        What `climb_assets.mixture.pool.Pool.sample` wrote.
    shards
        ``documents.parquet`` of each shard by name; they are read one after another.

    Raises
    ------
    ComputeError
        One is not to be found in its shard.
    """
    with open_database(out.parent) as connection:
        load_sample(connection, sample)
        connection.execute(_ORIGIN)
        for shard, documents in shards.items():
            connection.execute(_COLLECT, {"shard": shard, "documents": str(documents)})
        rows = connection.sql(_DOCUMENTS).to_arrow_reader(ROW_GROUP)
        written = write_table(out, rows, rows.schema)
    if written != count_rows(sample):
        raise ComputeError(f"{count_rows(sample)} documents were drawn and {written} are there; run `climb verify`")
    return written


def _raw_files(artefacts: Mapping[str, Artifact]) -> list[dict[str, Any]]:
    shards = [artifact for artifact in artefacts.values() if artifact.asset == "raw_shards"]
    files = [record for artifact in shards for record in artifact.json("files.json")["files"]]
    return sorted(files, key=lambda record: str(record["path"]))


def _describe(lineage: Lineage, proxies: Sequence[Artifact]) -> dict[str, Any]:
    nodes = {name: _node(artifact) for name, artifact in lineage.artefacts.items()}
    models = [_model_node(model) for model in sorted(proxies, key=lambda model: model.fingerprint)]
    described = {"nodes": nodes, "edges": lineage.edges, "outside": lineage.outside, "proxy_models": models}
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
        "raw_files": _raw_files(others),
        "fits": {name: _describe_fit(inner, today) for name, inner in sorted(fit.fits.items())},
    }


def _model_node(model: Artifact) -> dict[str, Any]:
    """Return a model with who has trained it."""
    trainer = _trainer_of(model)
    return _node(model) | ({} if trainer is None else {"trainer": trainer})


def _node(artifact: Artifact) -> dict[str, Any]:
    kept = ("asset", "partition", "fingerprint", "data_version", "code_version", "code", "inputs", "files")
    return {key: artifact.manifest[key] for key in kept}


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
    lines += ["| domain | name | weight | confirmed | share of the corpus |", "|---|---|---|---|---|"]
    for row in rows:
        shares = " | ".join(f"{row[column]:.4f}" for column in ("weight", "confirmed", "prior"))
        lines.append(f"| {row['domain']} | {row['name']} | {shares} |")
    lines += [
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
    lines += ["| against | measure | family | difference | interval | verdict |", "|---|---|---|---|---|---|"]
    for row in comparisons:
        interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
        cells = [row["arm"], row["measure"], row["family"], f"{row['difference']:+.4f}", interval, row["verdict"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _describe_trainers(models: Sequence[Artifact]) -> list[str]:
    """Return who has trained models that climb has not, in one sentence each."""
    trainers = Counter(canonical_json(trainer) for model in models if (trainer := _trainer_of(model)) is not None)
    return [
        f"{count} of its {len(models)} models were trained elsewhere: {who}." for who, count in sorted(trainers.items())
    ]


def _trainer_of(model: Artifact) -> Any:
    """Return what a model's manifest says of its trainer, or who has told of it; None for climb's own loop."""
    return model.summary.get("told", model.manifest["config"].get("training", {}).get("trainer"))


def _describe_kept(name: str, fit: Lineage, today: Lineage) -> str:
    """Return on what a kept artefact was fitted, in one sentence."""
    shards = {one for one in (*fit.artefacts, *fit.gone) if one.startswith("corpus_shards@")}
    there = shards & fit.artefacts.keys() & today.artefacts.keys()
    same = {one for one in there if fit.artefacts[one].data_version == today.artefacts[one].data_version}
    gone = f"; the lake no longer holds {len(fit.gone)} of the artefacts that it was made from" if fit.gone else ""
    return f"{name} is kept: it was fitted on {len(shards)} shards, {len(same)} of which are as they were{gone}."


def export_bundle(bundle: Artifact, folder: Path) -> Path:
    """Copy a bundle out of the lake, its checksums verified, and return the folder.

    Raises
    ------
    ConfigError
        The folder holds something that is no bundle.
    """
    if folder.exists():
        if any(folder.iterdir()) and not (folder / CHECKSUMS).is_file():
            raise ConfigError(f"{folder} is not an audit bundle; move it away")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for name in bundle.manifest["files"]:
        shutil.copyfile(bundle.file(name), folder / name)
    return folder


def exported_bundles(folder: Path) -> dict[Path, list[tuple[str, str | None, str]]]:
    """Return the bundles in a folder, and of each the asset, partition and fingerprint of all that its lineage names.

    Raises
    ------
    ConfigError
        The lineage of one cannot be read.
    """
    named = {}
    for sums in sorted(folder.glob(f"*/{CHECKSUMS}")):
        if (sums.parent / IDENTITY).exists():  # an exported data set, which names nothing in the lake
            continue
        path = sums.parent / LINEAGE
        try:
            lineage = json.loads(path.read_text(encoding="utf-8"))
            nodes = [*_nodes(lineage), *lineage["proxy_models"]]
            named[sums.parent] = [(str(node["asset"]), node["partition"], str(node["fingerprint"])) for node in nodes]
        except (OSError, ValueError, TypeError, LookupError, AttributeError):
            raise ConfigError(f"{path} does not tell what this audit bundle rests on; move the bundle away") from None
    return named


def _nodes(lineage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the artefacts of a described lineage, those of its fits too."""
    fits = lineage.get("fits", {}).values()
    return [*lineage["nodes"].values(), *(node for fit in fits for node in _nodes(fit))]
